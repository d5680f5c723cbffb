"""Counts, a catalogue and a writer of the rank history over them, on a real Redis."""

from collections.abc import Callable
from typing import Any

import orjson
from prometheus_client import CollectorRegistry

from ranker.consume.jobs.write_history import HistoryWriter
from ranker.core.generation import Generation, ListName
from ranker.core.times import HOUR_MS
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.history import read_ranks
from ranker.store.topic_copy import Change, TopicCopy
from schemas.article_id import DEFAULT
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.reader import T
from tests.support.shard_writer import Views, write

HOUR = T // HOUR_MS
NOW = HOUR * HOUR_MS + 20_000
BOARDS = {"read": {"view": 1}, "commented": {"comment": 1}}
GENERATION = Generation("page-views", DEFAULT_WINDOWS, BOARDS)
GREEN = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 2}})
PARTITIONS = 4
READ = ListName("demo", "read", "24h")
LISTS = [ListName("demo", board, window.name) for board in BOARDS for window in DEFAULT_WINDOWS]


def historian(
    client: Any,
    generation: Generation = GENERATION,
    sites: tuple[str, ...] = ("demo",),
    hide_unknown: tuple[str, ...] = (),
    now_ms: Callable[[], int] = lambda: NOW,
) -> tuple[HistoryWriter, Callable[[str], float | None]]:
    """One consumer's historian, and a look at its metrics."""
    registry: CollectorRegistry = new_registry()
    metrics = ConsumerMetrics(registry, ["view"])
    made = HistoryWriter(
        client, generation, dict.fromkeys(sites, DEFAULT), lambda: PARTITIONS, now_ms, metrics, hide_unknown
    )
    return made, registry.get_sample_value


async def count(client: Any, views: Views, watermark_ms: int = NOW - 1_000, metas: Any = None) -> None:
    await write(client, GENERATION, PARTITIONS, views, watermark_ms, metas)


def many(articles: int) -> list[tuple[str, str, str, int]]:
    return [("demo", f"/{number:03}", "view", number + 1) for number in range(articles)]


def known(article_id: str) -> dict[str, Any]:
    """A record of the CMS."""
    return {
        "article_id": article_id,
        "status": "published",
        "title": "Known",
        "url": f"https://demo.example{article_id}",
        "published_at": NOW - HOUR_MS,
    }


async def catalogue(client: Any, *records: tuple[str, dict[str, Any]]) -> None:
    shard = TopicCopy(client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    changes = [
        Change(key.encode(), orjson.dumps({"site_id": "demo", **record}), offset)
        for offset, (key, record) in enumerate(records)
    ]
    assert await shard.advance(state, len(changes), "1:5:7", changes)


async def entry(client: Any, name: ListName = READ, hour: int = HOUR) -> list[str] | None:
    return (await read_ranks(client, GENERATION.id, name, NOW)).get(hour)


async def all_keys(client: Any) -> set[str]:
    return {key.decode() async for key in client.scan_iter(match="*", count=1000)}
