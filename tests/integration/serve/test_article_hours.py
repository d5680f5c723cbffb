"""The hours of an article: of coarser slices, within a budget, over floors that move."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from ranker.core import hours
from ranker.core.generation import Generation, Window
from ranker.core.home import home
from ranker.store import hours as reading
from ranker.store.keys import ShardKeys
from tests.support.counted_articles import HOUR, HOUR_MS, MINUTE_MS, PARTITIONS, count, counting, naive, placed, settled
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.reader import GENERATION, T


async def test_hours_of_coarser_slices(redis_url: str) -> None:
    """If minutes have become hours already they count in theirs, also beside minutes of the same hour."""
    boards = {"read": {"view": 1}, "engaged": {"view": 1, "share": 5}}
    generation = Generation("page-views", (Window("2h", 2 * HOUR_MS, MINUTE_MS), DEFAULT_WINDOWS[1]), boards)
    events = [("/a", kind, ago * 13 * MINUTE_MS, ago + 1) for ago in range(120) for kind in ("view", "share")]
    async with counting(redis_url, generation) as (reader, shards):
        await count(shards, events)
        answer = await settled(reader, "/a")
        assert answer["hours"] == naive(events, {"/a"}, boards)
        state = await shards[home(b"demo//a", PARTITIONS)].store.load()
        assert state is not None
        assert {tier for tier, _ in state.slices} == {0, 1}


async def test_slices_that_have_no_hours(redis_url: str) -> None:
    """A tier of days: the rest of the answer stands."""
    generation = Generation("page-views", (Window("7d", 604_800_000, 86_400_000),), {"read": {"view": 1}})
    async with counting(redis_url, generation) as (reader, shards):
        await count(shards, [("/a", "view", 0, 3)])
        answer = await settled(reader, "/a")
        assert answer["hours"] is None
        assert placed(answer, window="7d")["count"] == 3


async def test_the_budget(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it there are no hours; a byte less would have done."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, [("/a", "view", 0, 3), ("/a", "view", 2 * HOUR_MS, 3)])
        shard = shards[home(b"demo//a", PARTITIONS)]
        state = await shard.store.load()
        assert state is not None
        _, slices = await shard.store.read_slices(state.slices)
        taken = sum(len(one) for deltas in slices.values() for one in deltas)
        monkeypatch.setattr(reading, "MAX_BYTES", taken - 1)
        assert (await settled(reader, "/a"))["hours"] is None
        monkeypatch.setattr(reading, "MAX_BYTES", taken)
        reader.now_ms = T + 60_001
        assert sum(hour["read"] for hour in (await settled(reader, "/a"))["hours"]) == 6


async def test_floors_that_move_while_slices_are_read(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is moved on to a coarser tier meanwhile is counted once: the shard is read again, or left out."""
    generation = Generation(
        "page-views", (Window("2h", 2 * HOUR_MS, MINUTE_MS), DEFAULT_WINDOWS[1]), {"read": {"view": 1}}
    )
    monkeypatch.setattr(reading, "AT_ONCE", 1)
    async with counting(redis_url, generation, partitions=1) as (reader, shards):
        await count(shards, [("/a", "view", minutes * MINUTE_MS, 1) for minutes in range(5)])
        keys = ShardKeys(generation.id, 0)
        fine, coarse = shards[0].version.floors
        times = [0]
        add_up = hours.add_up

        def moving(*arguments: Any) -> None:
            add_up(*arguments)
            times[0] += 1
            if times[0] <= wanted:
                client.hset(keys.meta, "floors", f"{fine + times[0]},{coarse}")

        client = Redis.from_url(redis_url)
        monkeypatch.setattr(hours, "add_up", moving)
        wanted = 1
        found = await reading.HoursReader(reader.client).read(
            generation, "demo", {0: frozenset({"/a"})}, HOUR - 23 * HOUR_MS
        )
        assert found is not None
        assert sum(hour["view"] for hour in found) == 5
        assert times[0] == 6  # one slice before the floors moved, then all five
        times[0], wanted = 0, 100
        found = await reading.HoursReader(reader.client).read(
            generation, "demo", {0: frozenset({"/a"})}, HOUR - 23 * HOUR_MS
        )
        assert found is None
        client.close()


async def test_strays(redis_url: str) -> None:
    """Counts of an article that stand in several shards are its own, by the hour too."""
    async with counting(redis_url) as (reader, shards):
        at_home = home(b"demo//a", PARTITIONS)
        await count(shards, [("/a", "view", 0, 3)])
        await count(shards, [("/a", "view", HOUR_MS, 4)], {"/a": (at_home + 1) % PARTITIONS})
        await count(shards, [("/a", "view", HOUR_MS, 5)], {"/a": (at_home + 2) % PARTITIONS})
        answer = await settled(reader, "/a")
        assert placed(answer)["count"] == 12
        assert [hour["read"] for hour in answer["hours"]][-2:] == [9, 3]
        # made for another number of partitions, the marks say nothing: every shard is read
        keys = ShardKeys(GENERATION.id, (at_home + 1) % PARTITIONS)
        await reader.client.delete(keys.strays)
        await reader.client.hset(keys.meta, "P", PARTITIONS - 1)
        reader.now_ms = T + 60_001
        answer = await settled(reader, "/a")
        assert placed(answer)["count"] == 12
        assert [hour["read"] for hour in answer["hours"]][-2:] == [9, 3]
