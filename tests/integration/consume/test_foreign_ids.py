"""Article ids of a foreign topic that are addresses, each spelled in several ways and keyed by the spelling. Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from urllib.parse import quote

from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.integration.consume.test_foreign_topic import compare_lists

PARTITIONS = 4
IDS_TOML = (
    RANKER_TOML
    + """
[source]
ids = "path"
[source.fields]
value = "value"
[sites.paper.ids]
from = "query:p"
[sites.shop.ids]
trailing_slash = "keep"
"""
)


def spellings(site: str, number: int) -> list[str]:
    """The first one is the normal form, by the site's rule."""
    path = f"/année/{number}"
    raw = quote(path)
    if site == "paper":
        return [str(number), f"/?p={number}", f"https://paper.example/index.php?x=1&p={number}#top"]
    if site == "shop":
        return [f"{path}/", f"{raw}/", f"/x/..{raw.lower()}/", f"/.{raw}/", f"https://shop.example{raw}/"]
    return [path, raw, raw.lower(), f"{path}/", f"https://demo.example{raw}?utm_source=x", f"/%61{raw[2:]}"]


SITES = ("demo", "paper", "shop")
SPELLED = {(site, one): spellings(site, n)[0] for site in SITES for n in range(60) for one in spellings(site, n)}


def in_our_names(value: bytes | None) -> bytes | None:
    """The recount's own reading: what each spelling stands for is known from where it was made."""
    event = json.loads(value or b"")
    event["article_id"] = SPELLED[event["site_id"], event["article_id"]]
    return json.dumps(event).encode()


async def send(engine: Engine, rand: random.Random, count: int) -> None:
    async with engine.traffic.producer() as producer:
        sent = []
        for _ in range(count):
            site, article = rand.choice(list(SPELLED))
            event = {
                "event_id": "none",
                "event_type": "view",
                "site_id": site,
                "article_id": article,
                "occurred_at": time.time_ns() // 1_000_000 - rand.randrange(15_000),
                "value": rand.choice([1, 1, 1, 3]),
            }
            key = f"{site}/{article}".encode()
            sent.append(await producer.send(engine.topic, json.dumps(event).encode(), key=key))
        await asyncio.gather(*sent)


async def test_every_spelling_is_counted_as_one_article(new_engine: Callable[..., Engine], redis_url: str) -> None:
    """Keys scatter an article over the partitions; shards and merged lists equal the recount, tolerance 0."""
    engine = new_engine(config=IDS_TOML, translated=in_our_names)
    await engine.create_topic(PARTITIONS)
    rand = random.Random(7)
    await send(engine, rand, 6_000)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    await send(engine, rand, 6_000)  # while it counts
    await engine.until_counted()
    await engine.check()
    strays = 0
    for partition in range(PARTITIONS):
        shard = await engine.shard(partition)
        assert shard is not None
        strays += len(shard.strays)
    assert strays > 100
    assert await consumer.metric("ranker_dead_letters_total") == 0
    await compare_lists(engine, redis_url, SITES, whole=False)
