"""Rising lists that cannot be read, or not wholly: what is shown meanwhile, and what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from ranker.core import rising as core
from ranker.core.home import home
from ranker.lists import rising as lists
from ranker.store import hours
from ranker.store.keys import ShardKeys
from tests.bench.shards import begin
from tests.support.counted_articles import HOUR_MS, MINUTE_MS, PARTITIONS, count, has_lists, refreshed
from tests.support.reader import GENERATION as DEFAULT
from tests.support.reader import T, running_reader, until
from tests.support.rising_site import BOARDS, GENERATION, RISING, expected, ids, rising, shown


@asynccontextmanager
async def other_client(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url)
    yield client
    await client.aclose()


async def test_hours_beyond_the_budget(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without yesterday an article may be listed that rises every day: the list is not complete, and is shown."""
    monkeypatch.setattr(hours, "MAX_BYTES", 0)
    async with rising(redis_url) as (reader, _):
        answer = await reader.ranking(RISING)
        assert not answer["complete"]
        assert ids(answer) == ["/daily", *(line[0] for line in expected())]


@pytest.mark.parametrize(("read", "places", "complete"), [(4, 2, True), (1, 2, False), (1, 1, False), (6, 100, True)])
async def test_too_many_articles(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, read: int, places: int, *, complete: bool
) -> None:
    """Those that could still reach the last place make the list incomplete; those that could not do no harm."""
    monkeypatch.setattr(lists, "HOURS_OF", read)
    monkeypatch.setattr(core, "PLACES", places)
    async with rising(redis_url) as (reader, _):
        answer = await reader.ranking(RISING)
        assert answer["complete"] is complete
        assert not complete or shown(answer) == expected()[:places]


async def test_a_complete_list_outlives_a_reading_that_is_not(redis_url: str) -> None:
    """Until it is old: then it says so, and makes room."""
    async with rising(redis_url) as (reader, shards), other_client(redis_url) as client:
        first = await reader.ranking(RISING)
        assert first["complete"]
        await client.hset(ShardKeys(GENERATION.id, 1).meta, "format", "0")
        late = next(one for n in range(99) if home(f"demo/{(one := f'/late-{n}')}".encode(), PARTITIONS) != 1)
        await count(shards, [(late, "view", 5 * MINUTE_MS, 500), (late, "view", 30 * HOUR_MS, 1)])
        reader.now_ms = T + 60_000
        await refreshed(reader)
        await refreshed(reader)
        same = await reader.ranking(RISING)
        assert (shown(same), same["complete"], same["stale"]) == (shown(first), True, False)
        reader.now_ms = T + 90_001
        await refreshed(reader)
        old = await reader.ranking(RISING)
        assert (shown(old), old["complete"], old["stale"]) == (shown(first), False, True)
        reader.now_ms = T + 120_000

        async def is_replaced() -> bool:
            return late in ids(await reader.ranking(RISING))

        await until(is_replaced, "incomplete list in place of an old one")
        assert not (await reader.ranking(RISING))["complete"]


async def test_floors_that_move_are_waited_for(redis_url: str) -> None:
    """A few seconds in a minute; a list that stays between two floors is shown as it is, and not complete."""
    async with rising(redis_url) as (reader, shards), other_client(redis_url) as client:
        hour, *others = shards[0].version.floors
        floors = ",".join(map(str, (hour + 1, *others)))
        await client.hset(ShardKeys(GENERATION.id, 0).meta, "floors", floors)
        assert (await reader.get(RISING)).status == 503
        reader.now_ms = T + 5_000
        answer = await reader.ranking(RISING)
        assert not answer["complete"]
        assert ids(answer) == [line[0] for line in expected()]


async def test_a_slice_that_nobody_can_read(redis_url: str) -> None:
    """The other lists go on; what is wrong is reported, and ends with it."""
    async with rising(redis_url) as (reader, shards), other_client(redis_url) as client:
        state = await shards[0].store.load()
        assert state is not None
        old = min(slice_ for tier, slice_ in state.slices if tier == 3)
        days = [slice_ for tier, slice_ in state.slices if tier == 3 and slice_ > old]
        for shard in range(PARTITIONS):
            for slice_ in days:
                await client.rpush(ShardKeys(GENERATION.id, shard).slice(3, slice_), b"\x09")
        assert (await reader.get(RISING)).status == 503

        async def is_reported() -> bool:
            return "the list rising of demo" in reader.board.fault

        await until(is_reported, "fault")
        assert (await reader.ranking("/v1/demo/popular/read/24h"))["complete"]
        for shard in range(PARTITIONS):
            for slice_ in days:
                await client.rpop(ShardKeys(GENERATION.id, shard).slice(3, slice_))
        reader.now_ms = T + 5_000
        assert shown(await reader.ranking(RISING)) == expected()

        async def is_well() -> bool:
            return reader.board.fault == ""

        await until(is_well, "end of the fault")


async def test_a_generation_without_the_windows(redis_url: str) -> None:
    """While an older one is active, there is no such board; once the new one is, there is."""
    async with running_reader(redis_url, {"demo": "Le Courrier"}, rising=BOARDS) as reader:
        await begin(reader.client, DEFAULT, PARTITIONS, T)
        await until(lambda: has_lists(reader), "readiness")
        answer = await reader.get(RISING)
        assert answer.status == 404
        assert answer.json["boards"] == ["commented", "read", "shared", "latest"]
        assert (await reader.ranking("/v1/demo"))["rising"] == []


async def test_nothing_is_read_for_nobody(redis_url: str) -> None:
    """A list that is not requested for a minute is gone."""
    async with rising(redis_url) as (reader, _):
        await reader.ranking(RISING)
        kept = len(reader.board)
        reader.now_ms = T + 60_001

        async def is_gone() -> bool:
            return len(reader.board) < kept

        await until(is_gone, "end of a list")
