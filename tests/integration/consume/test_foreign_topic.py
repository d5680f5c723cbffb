"""A topic that was there before: other names, words and times, no keys, the producers' timestamps. Apache Kafka."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.core.generation import ListName
from ranker.core.merge import PLACES
from ranker.store.reader import Reader
from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support.redis_at import redis_at

PARTITIONS = 4
SITE_OF = {1: "1", "le-courrier": "le-courrier"}
WORD_OF = {"page_view": "view", "Kommentar": "comment", "share": "share", "scroll": "scroll"}
FOREIGN_TOML = (
    RANKER_TOML.replace("[kafka]", "[kafka]\naccept_create_time = true")
    + """
[source]
time = "rfc3339"
[source.fields]
article_id = "path"
occurred_at = "ts"
site_id = "blog"
event_type = "action"
agent_class = "client"
[source.constants]
site_id = "demo"
[source.event_types]
page_view = "view"
Kommentar = "comment"
"""
)


def in_our_names(value: bytes | None) -> bytes | None:
    """The recount's own reading of the topic: plain json, nothing of ranker."""
    try:
        hit = json.loads(value or b"")
    except ValueError:
        return None
    if not {"action", "path", "ts"} <= hit.keys() or not isinstance(hit["path"], str | int):
        return None
    event = {
        "event_id": "none",
        "event_type": WORD_OF.get(hit["action"], hit["action"]),
        "site_id": str(hit.get("blog", "demo")),
        "article_id": str(hit["path"]),
        "occurred_at": round(dt.datetime.fromisoformat(hit["ts"]).timestamp() * 1_000_000) // 1000,
        "agent_class": hit.get("client", "unknown"),
    }
    return json.dumps(event).encode()


class Hits:
    """Records as somebody else writes them, into every partition in turn."""

    def __init__(self, articles: int) -> None:
        self._random = random.Random(7)
        self._articles = articles
        self._sent = 0

    def next(self) -> tuple[int, int, bytes]:
        """Partition, timestamp and value of the next record."""
        rand = self._random
        now_ms = time.time_ns() // 1_000_000
        self._sent += 1
        article = rand.randrange(self._articles)
        chance = rand.random()
        ago_ms = 3_600_000 if chance < 0.01 else -3_600_000 if chance < 0.02 else int(rand.random() ** 2 * 15_000)
        zone = dt.timezone(dt.timedelta(hours=rand.choice((-5, 0, 2))))
        hit: dict[str, Any] = {
            "id": {"shard": 3, "n": self._sent},
            "action": rand.choice(("page_view",) * 8 + ("Kommentar", "share", "scroll")),
            "path": article if article % 3 == 0 else f"/année/{article}",
            "ts": dt.datetime.fromtimestamp((now_ms - ago_ms) / 1000, zone).isoformat(timespec="microseconds"),
            "value": 12.5,
            "user": {"agent": "…", "langs": ["fr"]},
        }
        if rand.random() < 0.7:
            hit["blog"] = rand.choice((1, "le-courrier"))
        if rand.random() < 0.05:
            hit["client"] = rand.choice(("bot", "person"))
        value = json.dumps(hit, ensure_ascii=rand.random() < 0.5).encode()
        if chance > 0.99:
            value = rand.choice((value[:-1], b"", value.replace(b'"path": ', b'"path": 0.5, "p": '), b'{"path": "/x"}'))
        return self._sent % PARTITIONS, now_ms - rand.randrange(1_500), value


async def send(engine: Engine, hits: Hits, count: int) -> None:
    async with engine.traffic.producer() as producer:
        sent = []
        for _ in range(count):
            partition, timestamp_ms, value = hits.next()
            sent.append(await producer.send(engine.topic, value, partition=partition, timestamp_ms=timestamp_ms))
        await asyncio.gather(*sent)


@pytest.mark.parametrize(
    ("articles", "whole"),
    [pytest.param(300, False, id="few strays"), pytest.param(9_000, True, id="whole lists", marks=pytest.mark.long)],
)
async def test_a_foreign_topic_has_exact_counts_and_lists(
    new_engine: Callable[..., Engine], redis_url: str, articles: int, whole: bool
) -> None:
    """Every shard equals the recount, tolerance 0, and so do the lists that the reader merges out of strays alone."""
    engine = new_engine(config=FOREIGN_TOML, translated=in_our_names)
    await engine.create_topic(PARTITIONS, message_timestamp_type="CreateTime")
    hits = Hits(articles)
    await send(engine, hits, 12_000)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    await send(engine, hits, 12_000)  # while it counts
    await engine.until_counted()
    await engine.check()
    for partition in range(PARTITIONS):
        shard = await engine.shard(partition)
        assert shard is not None
        assert (len(shard.strays) > 2_000) is whole
        assert {"late", "future", "dead"} <= {name.removeprefix("count:") for name in shard.meta if ":" in name}
    assert await consumer.metric("ranker_dead_letters_total") > 100
    await compare_lists(engine, redis_url, {"demo", *SITE_OF.values()}, whole=whole)


async def compare_lists(engine: Engine, redis_url: str, sites: Collection[str], *, whole: bool) -> None:
    """Every list of the long window, which nothing leaves while a test runs, beside the sum of the recounts."""
    names = [ListName(site, board, "long") for site in sorted(sites) for board in ("read", "engaged")]
    client = connect(redis_at(redis_url))
    try:
        snapshot = await Reader(client).refresh(engine.generation, PARTITIONS, names, {}, {})
    finally:
        await client.aclose()
    expected: dict[ListName, Counter[str]] = {name: Counter() for name in names}
    for partition in range(PARTITIONS):
        shard = await engine.shard(partition)
        assert shard is not None
        for (window, site, board), totals in engine.recount.count(
            partition, shard.n0, shard.n, shard.floors
        ).totals.items():
            if window == "long":
                expected[ListName(site, board, window)].update(totals)
    for name in names:
        right = sorted(
            ((count, article.encode()) for article, count in expected[name].items() if count > 0), reverse=True
        )
        merged = snapshot.lists[name].merged
        assert merged.rows == right[:PLACES]
        assert merged.whole is whole
        assert snapshot.lists[name].total == expected[name].total()
    assert len(right) > 50
