"""The store's reader on a real Redis, over shards written by hand: lists, strays, totals, sites, gaps."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranker.connect.redis import connect, redis_time_ms
from ranker.core import merge as merging
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.merge import ExtraKeys, Hints
from ranker.lists.articles import MAX_ALIASES
from ranker.store.errors import StoreUnavailableError
from ranker.store.keys import ShardKeys
from ranker.store.reader import ListRead, Reader, Snapshot
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.redis_at import redis_at
from tests.support.shard_writer import count_in, write
from tests.support.stores import STORES, store_url

GENERATION = Generation(
    "page-views", DEFAULT_WINDOWS, {"read": {"view": 1}, "engaged": {"view": 1, "comment": 3, "share": 5}}
)
NOW_MS = 1_795_396_624_735
PARTITIONS = 4
READ = ListName("demo", "read", "24h")
ENGAGED = ListName("demo", "engaged", "7d")


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Redis, Valkey, and a Redis Cluster: every promise below holds on each."""
    opened = connect(redis_at(store_url(request)))
    yield opened
    await opened.aclose()


async def read(client: Any, *names: ListName, hints: dict[ListName, Hints] | None = None) -> Snapshot:
    return await Reader(client).refresh(GENERATION, PARTITIONS, names, hints or {}, {})


def rows(read: ListRead) -> list[tuple[str, int]]:
    return [(article.decode(), count) for count, article in read.merged.rows]


async def test_lists_of_several_sites_in_one_refresh(client: Any) -> None:
    """Every requested list, in order, with its total and what it covers; sites apart."""
    views = [
        ("demo", "/a", "view", 5),
        ("demo", "/b", "view", 7),
        ("demo", "/é", "view", 7),
        ("demo", "/b", "comment", 2),
        ("demo", "/c", "share", 1),
        ("demo", "/off", "view", -4),
        ("other", "/a", "view", 100),
        ("other", "/a", "!bot", 3),
    ]
    await write(client, GENERATION, PARTITIONS, views, NOW_MS)
    snapshot = await read(client, READ, ENGAGED, ListName("other", "read", "24h"))
    assert rows(snapshot.lists[READ]) == [("/é", 7), ("/b", 7), ("/a", 5)]
    assert rows(snapshot.lists[ENGAGED]) == [("/b", 13), ("/é", 7), ("/c", 5), ("/a", 5)]
    assert rows(snapshot.lists[ListName("other", "read", "24h")]) == [("/a", 100)]
    assert (snapshot.lists[READ].total, snapshot.lists[ENGAGED].total) == (15, 26)
    span = snapshot.lists[READ].span
    assert (span.as_of_ms, span.from_ms, span.complete) == (NOW_MS, (NOW_MS - 86_400_000) // 60_000 * 60_000, True)
    assert snapshot.sites == frozenset({"demo", "other"})
    assert snapshot.all_sites


async def test_strays_are_summed_over_their_shards(client: Any) -> None:
    """An article counted away from home is one line with one sum, in the first refresh and with its hints."""
    await write(client, GENERATION, PARTITIONS, [("demo", f"/{i}", "view", i + 1) for i in range(40)], NOW_MS)
    away = (home(b"demo/17", PARTITIONS) + 1) % PARTITIONS
    async with client.pipeline(transaction=False) as pipe:
        count_in(pipe, GENERATION, away, "demo", "/17", "view", 100)
        pipe.sadd(ShardKeys(GENERATION.id, away).strays, "demo//17", "other//17", "demo//gone")
        await pipe.execute()
    first = (await read(client, READ)).lists[READ]
    assert rows(first)[:2] == [("/17", 118), ("/39", 40)]
    assert not first.merged.whole
    again = (await read(client, READ, hints={READ: first.merged.hints})).lists[READ]
    assert again.merged.rows == first.merged.rows


async def test_more_strays_than_can_be_requested(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lists are read and added, negative parts included."""
    monkeypatch.setattr(merging, "MAX_STRAYS", 3)
    monkeypatch.setattr("ranker.store.shard_query.MAX_STRAYS", 3)
    await write(client, GENERATION, PARTITIONS, [("demo", f"/{i}", "view", i + 1) for i in range(20)], NOW_MS)
    away = (home(b"demo//19", PARTITIONS) + 1) % PARTITIONS
    async with client.pipeline(transaction=False) as pipe:
        count_in(pipe, GENERATION, away, "demo", "/19", "view", -18)
        pipe.sadd(ShardKeys(GENERATION.id, away).strays, "demo//19", *(f"demo/s{i}" for i in range(5)))
        await pipe.execute()
    whole = (await read(client, READ)).lists[READ]
    assert whole.merged.whole
    assert rows(whole)[0] == ("/18", 19)
    assert ("/19", 2) in rows(whole)


@pytest.mark.parametrize("partitions", [PARTITIONS, 1])
async def test_ten_thousand_aliases_in_one_refresh(client: Any, partitions: int) -> None:
    """As many as a site may have, each in another shard than its target or in the same: right counts, no whole lists."""
    moved = {f"/old/{i}": f"/new/{i // 2}" for i in range(MAX_ALIASES)}
    counts = {article: 1 + i % 997 for i, article in enumerate([*moved, *dict.fromkeys(moved.values())])}
    counts |= {f"/other/{i}": i for i in range(1, 3_000)}
    await write(client, GENERATION, partitions, [("demo", "/other/1", "view", 1)], NOW_MS)
    by_shard: dict[int, dict[str, int]] = {shard: {} for shard in range(partitions)}
    for article, count in counts.items():
        by_shard[home(f"demo/{article}".encode(), partitions)][article] = count
    for shard, held in by_shard.items():
        await client.zadd(ShardKeys(GENERATION.id, shard).total("24h", "demo", "read"), held)
    wish = ExtraKeys({old.encode(): new.encode() for old, new in moved.items()}, frozenset({b"/new/0", b"/other/1"}))
    total: Counter[bytes] = Counter()
    for article, count in counts.items():
        total[moved.get(article, article).encode()] += count
    everything = sorted(((count, article) for article, count in total.items()), reverse=True)
    merged = (await Reader(client).refresh(GENERATION, partitions, [READ], {}, {READ: wish})).lists[READ].merged
    assert merged.rows == everything[: merging.PLACES]
    assert merged.further == [row for row in everything[merging.PLACES :] if row[1] in wish.wanted]
    assert merged.further
    assert not merged.whole


async def test_strays_made_for_another_p_are_not_believed(client: Any) -> None:
    """A shard that has not rebuilt its strays yet is read whole."""
    views = [("demo", f"/{i}", "view", i + 1) for i in range(20)]
    await write(client, GENERATION, PARTITIONS, views, NOW_MS, {2: {"P": 2}})
    result = (await read(client, READ)).lists[READ]
    assert result.merged.whole
    assert rows(result) == [(f"/{i}", i + 1) for i in reversed(range(20))]


async def test_a_shard_that_has_not_begun_leaves_the_list_incomplete(client: Any) -> None:
    """No meta, another format, or dropped: the shard does not count as having answered."""
    await write(client, GENERATION, PARTITIONS, [("demo", "/a", "view", 5)], NOW_MS)
    keys = [ShardKeys(GENERATION.id, shard).meta for shard in range(PARTITIONS)]
    await client.delete(keys[1])
    await client.hset(keys[2], "dropped", 1)
    await client.hset(keys[3], "format", 2)
    snapshot = await read(client, READ)
    assert (snapshot.answered, snapshot.lists[READ].answered) == (1, 1)
    assert not snapshot.lists[READ].span.complete
    await client.delete(keys[0])
    empty = await read(client, READ)
    assert (empty.answered, empty.lists) == (0, {})


async def test_aliases_and_strays_at_home_in_a_shard_that_has_not_begun(client: Any) -> None:
    """It holds none of them, and needs no further question and no whole lists to say so."""
    views = [("demo", f"/{i}", "view", i + 1) for i in range(40)]
    await write(client, GENERATION, PARTITIONS, views, NOW_MS)
    by_home = {home(f"demo//{i}".encode(), PARTITIONS): f"/{i}".encode() for i in range(40)}
    silent, there = by_home[1], by_home[2]
    await client.delete(ShardKeys(GENERATION.id, 1).meta)
    await client.sadd(ShardKeys(GENERATION.id, 0).strays, b"demo/" + silent)
    for wish in (
        ExtraKeys({silent: there}),
        ExtraKeys({there: silent}),
        ExtraKeys(wanted=frozenset({silent})),
        ExtraKeys(),
    ):
        one = (await Reader(client).refresh(GENERATION, PARTITIONS, [READ], {}, {READ: wish})).lists[READ]
        assert not one.merged.whole
        assert (one.answered, one.span.complete) == (PARTITIONS - 1, False)
        assert len(one.merged.rows) == sum(home(f"demo//{i}".encode(), PARTITIONS) != 1 for i in range(40))


async def test_others_run_between_the_merges_of_two_lists(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lists are in use, the event loop waits for no more than one step of one of them."""
    turn, steps_at = 0, list[int]()

    async def others() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def watched(*asked: Any) -> merging.Merge:
        steps = merging.merge(*asked)
        asks = next(steps)
        steps_at.append(turn)
        while True:
            answers = yield asks
            steps_at.append(turn)
            try:
                asks = steps.send(answers)
            except StopIteration as end:
                merged: merging.Merged = end.value
                return merged

    monkeypatch.setattr("ranker.store.reader.merge", watched)
    await write(client, GENERATION, PARTITIONS, [(f"site{i}", "/a", "view", 1) for i in range(20)], NOW_MS)
    beside = asyncio.create_task(others())
    await read(client, *(ListName(f"site{i}", "read", "24h") for i in range(20)))
    beside.cancel()
    await asyncio.wait([beside])
    assert len(steps_at) == 40
    assert len(set(steps_at)) == 40


async def test_what_makes_a_list_incomplete(client: Any) -> None:
    """A gap inside the window, a refused apply, floors apart; a gap that has left the window does not."""
    views = [("demo", "/a", "view", 5)]
    await write(client, GENERATION, PARTITIONS, views, NOW_MS, {1: {"gap_ms": NOW_MS - 2 * 86_400_000}})
    lists = (await read(client, READ, ENGAGED)).lists
    assert lists[READ].span.complete
    assert not lists[ENGAGED].span.complete
    await write(client, GENERATION, PARTITIONS, views, NOW_MS, {1: {"refused": 1}})
    assert not (await read(client, READ)).lists[READ].span.complete
    floors = f"{(NOW_MS - 86_400_000) // 60_000 * 64 + 5},0"
    await write(client, GENERATION, PARTITIONS, views, NOW_MS, {1: {"floors": floors}})
    span = (await read(client, READ)).lists[READ].span
    assert (span.level, span.complete) == (False, False)


async def test_a_site_beyond_those_named_is_found_by_name(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With very many sites a shard names only some; a list's own site is always looked up."""
    monkeypatch.setattr("ranker.store.shard_query.MAX_SITES", 3)
    await write(client, GENERATION, PARTITIONS, [(f"site{i}", "/a", "view", 1) for i in range(40)], NOW_MS)
    known, unknown = ListName("site39", "read", "24h"), ListName("nobody", "read", "24h")
    snapshot = await read(client, known, unknown)
    assert not snapshot.all_sites
    assert snapshot.lists[known].site_known
    assert not snapshot.lists[unknown].site_known


async def test_redis_away_is_reported_in_our_words(redis_url: str) -> None:
    """No server: StoreUnavailableError, at once, whatever the client raised."""
    away = connect(redis_at(redis_url.replace(redis_url.rsplit(":", 1)[1], "1/0")))
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        await read(away, READ)
    assert time.monotonic() - began < 5
    await away.aclose()


async def test_ten_thousand_wanted_articles_without_memory(redis_url: str) -> None:
    """A Redis out of memory is read by a script, whose commands cannot have as many words."""
    client = connect(redis_at(redis_url))
    await write(client, GENERATION, 1, [("demo", f"/{i}", "view", i) for i in range(1, 40)], NOW_MS)
    wanted = frozenset(b"/%d" % i for i in range(10_000))
    await client.config_set("maxmemory", 1)
    try:
        snapshot = await Reader(client).refresh(GENERATION, 1, [READ], {}, {READ: ExtraKeys(wanted=wanted)})
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()
    assert rows(snapshot.lists[READ]) == [(f"/{i}", i) for i in reversed(range(1, 40))]


async def test_the_clock_of_redis(client: Any) -> None:
    """Milliseconds since the epoch, of a cluster too."""
    before = time.time_ns() // 1_000_000
    assert before - 1 <= await redis_time_ms(client) <= time.time_ns() // 1_000_000 + 1


async def test_a_cancellation_is_never_lost(client: Any) -> None:
    """A task that is cancelled while it talks to Redis ends at once, at whatever moment that is."""
    done = 0

    async def busy() -> None:
        nonlocal done
        while True:
            await client.get("ranker:active")
            done += 1

    for turn in range(150):
        task = asyncio.create_task(busy())
        before = done
        while done < before + 3:  # noqa: ASYNC110  # the moment is the point
            await asyncio.sleep(0)
        for _ in range(turn % 12):  # another moment each time
            await asyncio.sleep(0)
        task.cancel()
        ended, _ = await asyncio.wait([task], timeout=5)
        assert ended, f"turn {turn}: goes on after it was cancelled"
