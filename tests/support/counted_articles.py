"""A reader over shards that the real script counts, and its answer about one article."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson

from ranker.core import delta
from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.core.route import Router
from ranker.core.step import Changes
from ranker.core.times import rfc3339
from ranker.settings import Site
from ranker.store.topic_copy import Change, TopicCopy
from tests.bench.shards import Shard, begin
from tests.support.reader import GENERATION, Reader, T, running_reader, until

PARTITIONS = 4
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOUR = T // HOUR_MS * HOUR_MS
TOKEN = {"authorization": "Bearer secret"}

Event = tuple[str, str, int, int]
"""(article, outcome, ms before T, count)."""


async def count(shards: list[Shard], events: Iterable[Event], at: Mapping[str, int] | None = None) -> None:
    """As the consumer does; `at` says where an article is counted that is not counted at home."""
    for article, outcome, ago_ms, number in events:
        at_home = home(f"demo/{article}".encode(), len(shards))
        where = (at or {}).get(article, at_home)
        shard = shards[where]
        minute = (shard.watermark_ms - ago_ms) // shard.generation.windows[0].grain_ms
        group = {(minute, "demo", outcome): {article: number}}
        step = shard.step(Router(shard.generation).route(group, shard.version.floors), 1)
        await shard.advance(replace(step, strays={f"demo/{article}"} if where != at_home else set()))


async def seal(shards: list[Shard]) -> None:
    for shard in shards:
        state = await shard.store.load()
        assert state is not None
        _, slices = await shard.store.read_slices(state.slices)
        seals = {slice_id: delta.seal(delta.total(deltas)) for slice_id, deltas in slices.items()}
        await shard.advance(replace(shard.step(Changes()), seals=seals))


async def describe(client: Any, *records: Mapping[str, Any]) -> None:
    """Writes the catalogue: these records, anew."""
    shard = TopicCopy(client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    changes = [
        Change(f"demo/{record['article_id']}".encode(), orjson.dumps({"site_id": "demo", **record}), state.n + at)
        for at, record in enumerate(records)
    ]
    assert await shard.advance(state, state.n + len(records), "1:5:7", changes)


def removed(article_id: str) -> dict[str, Any]:
    return {"article_id": article_id, "status": "removed", "title": "Retiré", "section": "Sport"}


@asynccontextmanager
async def counting(
    url: str, generation: Generation = GENERATION, partitions: int = PARTITIONS, site: Site | None = None
) -> AsyncIterator[tuple[Reader, list[Shard]]]:
    """A reader over empty shards of a generation that is active."""
    async with running_reader(url, {"demo": site or Site("Le Courrier", read_token="secret")}) as running:
        shards = await begin(running.client, generation, partitions, T)
        await until(lambda: has_lists(running), "readiness")
        yield running, shards


async def has_lists(reader: Reader) -> bool:
    return reader.board.not_ready() == []


async def about(reader: Reader, article: str, more: str = "", **headers: str) -> Any:
    answer = await reader.get(f"/v1/demo/article?id={quote(article, safe='')}{more}", **headers)
    assert answer.status == 200, answer
    return answer.json


async def settled(reader: Reader, article: str, more: str = "", **headers: str) -> Any:
    """The answer once every list has been read after all that was written."""
    await refreshed(reader)
    return await about(reader, article, more, **headers)


async def refreshed(reader: Reader) -> None:
    """Two whole refreshes from now on: what was under way does not count."""
    before = reader.board.revision

    async def twice() -> bool:
        return reader.board.revision >= before + 2

    await until(twice, "second refresh")


def placed(answer: Any, board: str = "read", window: str = "24h") -> Any:
    return next(one for one in answer["lists"] if (one["board"], one["window"]) == (board, window))


def hour_of(ago_ms: int) -> int:
    """Index among the 24 hours."""
    return 23 - (HOUR // HOUR_MS - (T - ago_ms) // HOUR_MS)


def naive(events: Iterable[Event], articles: set[str], boards: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    want: list[dict[str, Any]] = [
        {"from": rfc3339(HOUR - (23 - at) * HOUR_MS), **dict.fromkeys(boards, 0)} for at in range(24)
    ]
    for article, outcome, ago_ms, number in events:
        at = hour_of(ago_ms)
        if article in articles and 0 <= at < 24:
            for board, weights in boards.items():
                want[at][board] += weights.get(outcome, 0) * number
    return want


EVENTS: list[Event] = [
    ("/a", "view", 0, 7),
    ("/a", "view", 16 * MINUTE_MS, 3),
    ("/a", "view", 18 * MINUTE_MS, 2),  # the hour before
    ("/a", "share", 5 * HOUR_MS, 4),
    ("/a", "comment", 23 * HOUR_MS, 1),
    ("/a", "view", 23 * HOUR_MS + 30 * MINUTE_MS, 100),  # in the window, in the hour before the first
    ("/a", "view", -4 * MINUTE_MS, 50),  # 4 minutes ahead, in the hour under way
    ("/a", "!bot", 0, 1_000),
    ("/a", "view", 30 * HOUR_MS, 10_000),
    ("/b", "view", 0, 170),
    ("/c", "view", 0, 11),
    ("/ab", "view", 0, 1),
]
