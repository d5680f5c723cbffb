"""A look over the strays of a large shard: nothing else that the process does waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.consume.upkeep import Upkeep
from ranker.core import delta
from ranker.core.floors import floors_at
from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.core.step import Version
from ranker.store.keys import ShardKeys
from ranker.store.shard import ShardStore
from tests.integration.consume.engine import WEEK_TOML, Engine
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at
from tests.support.sessions import open_session

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
ARTICLES = 10_000
HOUR_MS = 3_600_000
HELD_S = 0.05


def article(slice_: int, number: int) -> str:
    return f"/{slice_}/{number:05d}"


async def fill(client: Any, keys: ShardKeys, slices: Iterable[int], tail: str = "") -> None:
    """Writes sealed hours with as many articles as they may have, no two with one in common."""
    for slice_ in slices:
        counts = {article(slice_, number) + tail: 1 for number in range(ARTICLES)}
        await client.rpush(keys.slice(1, slice_), delta.seal({"demo": {"view": counts}}))
        await client.sadd(keys.slices, f"1:{slice_}")


async def longest_hold_s(work: Any) -> float:
    """The longest time for which `work` let nothing else run: this thread's, since the machine has other work too."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    watching = asyncio.create_task(watch())
    gc.disable()  # a look over all that thousands of tests left here takes longer than the scan's own
    try:
        await work
    finally:
        gc.enable()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    return longest


async def test_a_scan_lets_others_run(redis_url: str) -> None:
    """Eight hours of 10,000 articles: 80,000 homes looked up, every stray marked, and the loop held for 50 ms at most."""
    async with contextlib.aclosing(connect(redis_at(redis_url))) as client:
        await scan(client)


async def scan(client: Any) -> None:
    now_ms = time.time_ns() // 1_000_000
    hours = range(now_ms // HOUR_MS - 8, now_ms // HOUR_MS)
    store = ShardStore(client, GENERATION, 0)
    await store.init(Version("00aa", 0, floors_at(GENERATION, now_ms)), now_ms, 1, None)
    await fill(client, store.keys, hours)
    session = await open_session(store, GENERATION, 2)
    assert await longest_hold_s(Upkeep(GENERATION)._scan_strays(session, due=False)) < HELD_S
    assert session.made_for == 2
    wanted = {f"demo/{article(hour, number)}" for hour in hours for number in range(ARTICLES)}
    assert await store.strays() == {name for name in wanted if home(name.encode(), 2) == 1}


@pytest.mark.long
async def test_the_group_keeps_a_consumer_that_looks_over_its_strays(new_engine: Callable[..., Engine]) -> None:
    """Partitions added to a topic with two days of 10,000 articles an hour, and a session of six seconds."""
    engine = new_engine(config=WEEK_TOML, session_timeout_ms=6_000)
    await engine.create_topic(1)
    consumer = engine.consume()
    await engine.traffic.send(100)
    await engine.until_counted()
    assert consumer.stop() == 0
    now = time.time_ns() // 1_000_000 // HOUR_MS
    await fill(engine.client, ShardKeys(engine.generation.id, 0), range(now - 48, now), tail="-" + "a" * 80)
    await engine.add_partitions(2)
    consumer = engine.consume()

    async def looked_over() -> bool:
        shard = await engine.shard(0)
        return shard is not None and shard.meta["P"] == "2"

    await engine.until("the look over the strays", looked_over, 180.0)
    assert sum(line["event"] == "assigned" for line in consumer.log()) == 1, "the group threw it out"
