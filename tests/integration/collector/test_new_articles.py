"""Articles that the catalogue knows are free, and what the others cost in a real Redis is what the budget says."""

import asyncio
import os
import secrets
import time
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from producers.collector import catalogue
from producers.collector.catalogue import Catalogue
from producers.collector.new_articles import DEAREST_BYTES, cost
from ranker.connect.redis import connect
from ranker.core import delta
from ranker.core.generation import Generation
from ranker.core.step import Changes
from schemas.article_id import DEFAULT
from tests.bench import shards
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.kafka_at import kafka_at
from tests.support.redis_at import redis_at
from tests.support.topics import new_topic

ARTICLES = 2_000


async def told(bootstrap: str, topic: str, *records: tuple[str, Any]) -> None:
    """Records by their keys; None is a tombstone, bytes are as they stand."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for key, value in records:
            content = value if value is None or isinstance(value, bytes) else orjson.dumps(value)
            await producer.send_and_wait(topic, content, key.encode())


def published(article: str, site: str = "demo") -> tuple[str, Any]:
    return f"{site}/{article}", {"site_id": site, "article_id": article, "status": "published"}


@pytest.fixture(params=["embedded", "apache"])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Of either broker."""
    broker: str | ApacheKafka = request.getfixturevalue(f"kafka_{request.param}")
    return broker if isinstance(broker, str) else broker.bootstrap


async def test_the_catalogue_is_known(bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the topic's beginning on, what is added later too; what is no article is passed over, a tombstone forgets."""
    topic = await new_topic(bootstrap, 1)
    monkeypatch.setattr(catalogue, "TOPIC", topic)
    bad = [("demo/x", b"{"), ("demo/x", [1]), ("demo/x", {"site_id": 3}), ("demo/x", {"site_id": [], "article_id": []})]
    await told(bootstrap, topic, *bad, published("/a"), published("/b"), published("/c", "stranger"), ("demo//b", None))
    async with Catalogue.open(kafka_at(bootstrap), {"demo": DEFAULT, "other": DEFAULT}) as known:
        await waiting.until_async("Article /a", of(known, "/a"))
        await told(bootstrap, topic, published("/d"), ("demo//d#editor", published("/e")[1]), published("/f"))
        await waiting.until_async("Article /f", of(known, "/f"))
        assert [known.has("demo", one) for one in ("/a", "/b", "/c", "/d", "/e", "/x")] == [
            *(True, False, False, True, True, False)
        ]
        assert not known.has("other", "/a")
        assert len(known) == 4
        old = published("/soci%c3%a9t%c3%a9/")
        await told(bootstrap, topic, old, published("/" + "x" * 600), ("demo/x", {"site_id": "demo", "article_id": 5}))
        await waiting.until_async("the old spelling's form", of(known, "/société"))
        await told(bootstrap, topic, ("demo//soci%C3%A9t%C3%A9#editor", None), published("/late"))
        await waiting.until_async("Article /late", of(known, "/late"))
        assert known.has("demo", "/société")
        await told(bootstrap, topic, (old[0], None), published("/g"))
        await waiting.until_async("Article /g", of(known, "/g"))
        assert not known.has("demo", "/société")


def of(known: Catalogue, article: str) -> Any:
    async def has() -> bool:
        return known.has("demo", article)

    return has


async def test_a_catalogue_that_is_not_there(kafka_apache: ApacheKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """No topic is made by asking for it; when it is there, it is read; without Kafka nothing ends."""
    monkeypatch.setattr(catalogue, "RETRY_S", (0.1, 0.2))
    name = f"later.{os.urandom(4).hex()}"
    monkeypatch.setattr(catalogue, "TOPIC", name)
    async with (
        Catalogue.open(kafka_at(f"{HOST}:{free_port()}"), {"demo": DEFAULT}) as nowhere,
        Catalogue.open(kafka_at(kafka_apache.bootstrap), {"demo": DEFAULT}) as known,
    ):
        await asyncio.sleep(0)
        later = await new_topic(kafka_apache.bootstrap, 1)
        monkeypatch.setattr(catalogue, "TOPIC", later)
        await told(kafka_apache.bootstrap, later, published("/a"))
        await waiting.until_async("Article /a", of(known, "/a"))
        assert len(nowhere) == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first so many of each site."""
    monkeypatch.setattr(catalogue, "MAX_ARTICLES", 3)
    known = Catalogue({"demo": DEFAULT, "other": DEFAULT})
    for number in range(9):
        for site in ("demo", "other"):
            key, value = published(f"/{number}", site)
            known.take(key.encode(), orjson.dumps(value))
    assert len(known) == 6


@pytest.mark.parametrize("size", [8, 60, 128, 256, 512])
async def test_what_an_article_costs(redis_url: str, size: int) -> None:
    """A view and a share of each of 2,000, counted by the real steps, 100 a minute: as `cost` says, or a little less."""
    generation = Generation(f"cost-{size}", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    now_ms = time.time_ns() // 1_000_000
    async with connect(redis_at(redis_url)) as client:
        await client.flushall()
        (shard,) = await shards.begin(client, generation, 1, now_ms)
        ids = [os.urandom(256).hex()[:size] for _ in range(ARTICLES)]
        await shard.count(now_ms // 60_000 - 99, {kind: {"/first": 1} for kind in ("view", "share")})
        before = await used_bytes(client)
        for minute in range(ARTICLES // 100):
            counts = dict.fromkeys(ids[100 * minute : 100 * minute + 100], 1)
            await shard.count(now_ms // 60_000 - minute, {"view": counts, "share": counts})
        each = (await used_bytes(client) - before) / ARTICLES / 2
        await client.flushall()
    assert 0.65 * cost(size) < each <= cost(size)
    assert 2 * cost(512) == DEAREST_BYTES


async def used_bytes(client: Any) -> int:
    memory = await client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_aof_buffer"])


@pytest.mark.parametrize("size", [20, 80, 512])
async def test_what_a_repeat_costs(redis_url: str, size: int) -> None:
    """300 articles again in each of 20 minutes, each slice sealed as the consumer does: less than their ids' bytes."""
    generation = Generation(f"repeats-{size}", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    now_ms = time.time_ns() // 1_000_000
    async with connect(redis_at(redis_url)) as client:
        await client.flushall()
        (shard,) = await shards.begin(client, generation, 1, now_ms)
        ids = [secrets.token_urlsafe(size)[:size] for _ in range(300)]

        async def count_in(minute: int) -> None:
            slice_id = (0, now_ms // 60_000 - minute)
            await shard.count(slice_id[1], {kind: dict.fromkeys(ids, 1) for kind in ("view", "share", "!bot")})
            _, lists = await shard.store.read_slices([slice_id])
            sealing = shard.step(Changes())
            sealing.seals[slice_id] = delta.seal(delta.total(lists[slice_id]))
            await shard.advance(sealing)

        await count_in(99)
        before = await used_bytes(client)
        for minute in range(20):
            await count_in(minute)
        each = (await used_bytes(client) - before) / 20 / 300
        await client.flushall()
    assert 0.6 * size < each <= size
