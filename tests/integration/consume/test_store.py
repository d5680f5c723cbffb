"""The store's promises, one suite for Redis, Valkey and a Redis Cluster: the replies of advance, init, reads, memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from redis.asyncio import RedisCluster

from ranker.connect.redis import connect
from ranker.core import delta
from ranker.core.generation import Generation, ListName
from ranker.core.key_set import KEY_BYTES
from ranker.core.memory import MemoryChange
from ranker.core.partial_counts import Mark
from ranker.core.step import Changes, Reply, Step, Version
from ranker.store.errors import StoreFullError
from ranker.store.program import PIECE_KEYS
from ranker.store.reader import Reader
from ranker.store.shard import ShardStore
from tests.integration.consume import shards
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.redis_at import redis_at
from tests.support.stores import STORES, store_url

GENERATION = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 1}, "engaged": {"view": 1, "share": 5}})
FINE, COARSE = 28_000_000, 470_000
FLOORS = (FINE * 64, COARSE * 64)
BEGUN = Version("a" * 16, 100, FLOORS)
APPLIED = Version("a" * 16, 110, FLOORS)
T0 = 1_700_000_000_000


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request)


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    opened = connect(redis_at(url))
    yield opened
    await opened.aclose()


@pytest.fixture
async def store(client: Any) -> ShardStore:
    """A shard that has begun."""
    made = ShardStore(client, GENERATION, 3)
    await made.init(BEGUN, T0, 8, None)
    return made


async def look(client: Any) -> shards.Shard | None:
    return await shards.read(client, GENERATION.id, 3)


def views(before: Version, after: Version, watermark_ms: int = T0, **articles: int) -> Step:
    """A step that counts views of `articles` in one fine slice."""
    changes = Changes(
        appends={(0, FINE + 5): {"demo": {"view": dict(articles)}}},
        increments={(w, "demo", b): dict(articles) for w in range(2) for b in ("read", "engaged")},
        sums={("demo", w, "view"): sum(articles.values()) for w in range(2)},
    )
    return Step(before, after, watermark_ms, changes, mark=Mark(after.n - 1, T0, 7), new_sites={"demo"})


async def reply(store: ShardStore, step: Step, *, when_full: bool = False) -> Reply:
    return (await store.advance(store.assemble(step), when_full=when_full))[0]


async def test_a_step_is_applied_whole(store: ShardStore, client: Any) -> None:
    """Totals, sums, slice, index, sites, counters, mark, clock and version, all from one step."""
    step = replace(views(BEGUN, APPLIED, T0 + 5, a=3, b=1), counters={"late": 2, "dead": 1}, strays={"demo/b"})
    assert await reply(store, step) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    assert shard.version == (APPLIED.lineage, APPLIED.n, APPLIED.floors)
    assert shard.totals == {(w, "demo", b): {"a": 3, "b": 1} for w in ("24h", "7d") for b in ("read", "engaged")}
    assert shard.sums == {("demo", w, "view"): 4 for w in ("24h", "7d")}
    assert shard.slices == {(0, FINE + 5): {("demo", "view", "a"): 3, ("demo", "view", "b"): 1}}
    assert shard.index == {(0, FINE + 5)}
    assert (shard.sites, shard.strays) == ({"demo"}, {"demo/b"})
    assert shard.watermark_ms == T0 + 5
    expected = {"count:late": "2", "count:dead": "1", "last": f"109:{T0}:7"}
    assert expected.items() <= shard.meta.items()
    loaded = await store.load()
    assert loaded is not None
    assert (loaded.version, loaded.watermark_ms, loaded.partitions, loaded.strays) == (APPLIED, T0 + 5, 8, 1)
    assert loaded.mark == Mark(109, T0, 7)
    assert loaded.slices == {(0, FINE + 5)}
    assert not loaded.foreign


REFUSALS = {
    "our own retry": (BEGUN, APPLIED, Reply.ALREADY),
    "the floors moved": (replace(APPLIED, floors=(FLOORS[0] - 64, FLOORS[1])), replace(APPLIED, n=120), Reply.FLOORS),
    "we are late": (replace(BEGUN, n=90), replace(BEGUN, n=95), Reply.BEHIND),
    "it went back": (replace(BEGUN, n=150), replace(BEGUN, n=160), Reply.REWOUND),
    "another lineage": (replace(APPLIED, lineage="b" * 16), replace(APPLIED, lineage="b" * 16, n=120), Reply.REWOUND),
    "another lineage, and late": (Version("b" * 16, 5, FLOORS), Version("b" * 16, 6, FLOORS), Reply.REWOUND),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refused_step_changes_nothing(store: ShardStore, client: Any, case: str) -> None:
    """Whatever the stored version is not, the answer says, and not one key moves."""
    assert await reply(store, views(BEGUN, APPLIED, a=3)) is Reply.APPLIED
    before, after, expected = REFUSALS[case]
    stood = await look(client)
    step = replace(views(before, after, T0 + 99, a=1, c=1), seals={(0, FINE + 5): b"x"}, counters={"late": 1})
    assert await reply(store, step) is expected
    assert await look(client) == stood


async def test_a_step_that_stays_is_applied_each_time(store: ShardStore, client: Any) -> None:
    """Version from = to (a clock, a seal): applied, not `already`; and T never goes back."""
    for watermark_ms in (T0 + 10, T0 + 10, T0 + 3):
        assert await reply(store, Step(BEGUN, BEGUN, watermark_ms)) is Reply.APPLIED
        shard = await look(client)
        assert shard is not None
        assert shard.watermark_ms == T0 + 10


async def test_a_shard_that_is_not_there_is_missing(client: Any) -> None:
    """Nothing is written; and init begins it once: a second one changes nothing."""
    store = ShardStore(client, GENERATION, 3)
    assert await store.load() is None
    assert await reply(store, views(BEGUN, APPLIED, a=1)) is Reply.MISSING
    assert await look(client) is None
    await store.init(BEGUN, T0, 8, T0 - 1)
    begun = await look(client)
    assert begun is not None
    assert (begun.n0, begun.n, begun.watermark_ms, begun.meta["gap_ms"]) == (100, 100, T0, str(T0 - 1))
    await store.init(APPLIED, T0 + 1, 9, None)
    assert await look(client) == begun


@pytest.mark.parametrize("field", [("format", "2"), ("dropped", "1")])
async def test_a_shard_of_others_is_foreign(store: ShardStore, client: Any, field: tuple[str, str]) -> None:
    """Another state format, or a dropped generation: neither step nor init touch it, and load says so."""
    await client.hset(store.keys.meta, *field)
    stood = await look(client)
    assert await reply(store, views(BEGUN, APPLIED, a=1)) is Reply.FOREIGN
    await store.init(APPLIED, T0, 8, None)
    assert await look(client) == stood
    loaded = await store.load()
    assert loaded is not None
    assert loaded.foreign


async def test_zero_goes_and_negative_stays(store: ShardStore, client: Any) -> None:
    """A total or a sum that comes to nothing leaves its key; one below zero is kept, exactly."""
    await reply(store, views(BEGUN, APPLIED, a=3, b=2))
    after = replace(APPLIED, n=120)
    assert await reply(store, views(APPLIED, after, a=-3, b=-4)) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    assert dict(shard.totals["24h", "demo", "read"]) == {"b": -2}
    assert shard.sums["demo", "24h", "view"] == -2
    assert await reply(store, views(after, replace(after, n=121), b=2)) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    assert not shard.totals
    assert not shard.sums


async def test_totals_are_exact_up_to_2_to_the_53(store: ShardStore, client: Any) -> None:
    """Redis adds doubles and reads text: no digit is lost on the way, whatever the length and the sign."""
    held = {f"a{digits}": 10**digits - 1 for digits in range(1, 16)}
    held |= {f"b{digits}": 10**digits for digits in range(16)} | {"most": 2**53 - 2, "third": 2**53 // 3}
    held |= {f"-{article}": -count for article, count in held.items()}
    assert await reply(store, views(BEGUN, APPLIED, **held)) is Reply.APPLIED
    assert await reply(store, views(APPLIED, replace(APPLIED, n=120), **dict.fromkeys(held, 1))) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    expected = {article: count + 1 for article, count in held.items() if count != -1}
    assert {name: dict(total) for name, total in shard.totals.items()} == {
        (window, "demo", board): expected for window in ("24h", "7d") for board in ("read", "engaged")
    }


async def test_windows_with_the_same_increments_share_them(store: ShardStore, client: Any) -> None:
    """And those that differ do not: each list gets its own."""
    both, more = {"a": 2, "b": 1}, {"a": 2, "b": 1, "c": 5}
    lists = {(0, "demo", "read"): both, (1, "demo", "read"): dict(both), (0, "demo", "engaged"): both}
    shared = store.assemble(Step(BEGUN, APPLIED, T0, Changes(increments=lists)))
    program = msgspec.msgpack.decode(shared.arguments[0])
    assert [len(keys) for keys, _, _ in program["zincr"]] == [2, 1]
    assert (await store.advance(shared))[0] is Reply.APPLIED
    changes = Changes(increments={(0, "demo", "read"): {"a": 1}, (1, "demo", "read"): more})
    assert await reply(store, Step(APPLIED, replace(APPLIED, n=120), T0, changes)) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    assert {name: dict(total) for name, total in shard.totals.items()} == {
        ("24h", "demo", "read"): {"a": 3, "b": 1},
        ("7d", "demo", "read"): {"a": 4, "b": 2, "c": 5},
        ("24h", "demo", "engaged"): both,
    }


async def test_slices_are_read_with_their_version_sealed_and_deleted(store: ShardStore, client: Any) -> None:
    """Deltas add up, a seal puts one in their place, a deletion takes list and index entry."""
    where = (0, FINE + 5)
    await reply(store, views(BEGUN, APPLIED, a=3))
    after = replace(APPLIED, n=120)
    await reply(store, views(APPLIED, after, a=1, **{"/été%20": 2}))
    version, lists = await store.read_slices([where, (1, COARSE)])
    assert version == after
    assert lists[1, COARSE] == []
    assert delta.total(lists[where]) == {"demo": {"view": {"a": 4, "/été%20": 2}}}
    assert await store.slice_lengths([where]) == {where: 2}
    sealed = delta.seal(delta.total(lists[where]))
    assert await reply(store, Step(after, after, T0, seals={where: sealed})) is Reply.APPLIED
    assert (await store.read_slices([where]))[1] == {where: [sealed]}
    floors = ((FINE + 6) * 64, FLOORS[1])
    assert await reply(store, Step(after, replace(after, floors=floors), T0, deletes=[where])) is Reply.APPLIED
    shard = await look(client)
    assert shard is not None
    assert (shard.index, shard.slices, shard.floors) == (set(), {}, floors)


async def test_remembered_keys_take_little_more_than_their_bytes(store: ShardStore, client: Any) -> None:
    """Elements fill nodes of 8 KiB: one byte more, and the allocator gives each node a quarter more."""
    keys = random.Random(1).randbytes(20 * PIECE_KEYS * KEY_BYTES)
    memory = MemoryChange(latest_ms=T0, keys={7: bytearray(keys)})
    assert await reply(store, Step(BEGUN, APPLIED, T0, memory=memory)) is Reply.APPLIED
    assert [piece async for _, pieces in store.remembered(7) for piece in pieces] == [
        keys[at : at + PIECE_KEYS * KEY_BYTES] for at in range(0, len(keys), PIECE_KEYS * KEY_BYTES)
    ]
    assert await client.memory_usage(store.keys.remembered(7), samples=0) < 1.05 * len(keys)


async def test_strays_and_their_p(store: ShardStore) -> None:
    """Marked and unmarked by steps; P is set with them."""
    await reply(store, replace(Step(BEGUN, BEGUN, T0), strays={"demo/a", "demo/b"}))
    await reply(store, replace(Step(BEGUN, BEGUN, T0), strays_gone={"demo/a"}, partitions=12))
    loaded = await store.load()
    assert loaded is not None
    assert await store.strays() == {"demo/b"}
    assert loaded.partitions == 12


async def test_without_memory_only_what_frees_some_runs(store: ShardStore, client: Any) -> None:
    """Batches are refused; reads of shard, slices and lists, and steps that retire, are not."""
    await reply(store, views(BEGUN, APPLIED, a=3))
    await _set_maxmemory(client, "1")
    try:
        with pytest.raises(StoreFullError):
            await reply(store, views(APPLIED, replace(APPLIED, n=120), a=1))
        loaded = await store.load()
        assert loaded is not None
        assert loaded.version == APPLIED
        version, lists = await store.read_slices([(0, FINE + 5)])
        assert version == APPLIED
        assert len(lists[0, FINE + 5]) == 1
        name = ListName("demo", "read", "24h")
        seen = await Reader(client).refresh(GENERATION, 8, [name], {}, {})
        assert seen.lists[name].total == 3
        floors = ((FINE + 6) * 64, FLOORS[1])
        step = Step(APPLIED, replace(APPLIED, floors=floors), T0, deletes=[(0, FINE + 5)], refused=True)
        assert await reply(store, step, when_full=True) is Reply.APPLIED
    finally:
        await _set_maxmemory(client, "0")
    shard = await look(client)
    assert shard is not None
    assert (shard.index, shard.meta["refused"]) == (set(), "1")


async def _set_maxmemory(client: Any, size: str) -> None:
    for node in client.get_primaries() if isinstance(client, RedisCluster) else [client]:
        await node.execute_command("CONFIG", "SET", "maxmemory", size)
