"""The store's port, on the reference in memory and on a real Redis: every reply, and what a refused step leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ranker.core import delta
from ranker.core.generation import Generation, Window
from ranker.core.partial_counts import Mark
from ranker.core.sequence_tracker import BLOCK, KEPT, Run, SequenceTracker
from ranker.core.sequences import SequenceList
from ranker.core.step import Changes, Reply, Step, Version
from ranker.store.keys import ShardKeys
from tests.property.machine import Server
from tests.property.memory import MemoryServer
from tests.property.real import RealServer

GENERATION = Generation(
    "page-views",
    (Window("short", 10_000, 2_000), Window("long", 30_000, 6_000)),
    {"read": {"view": 1}, "engaged": {"view": 1, "comment": 3}},
    lanes=4,
)
V0 = Version("00aa", 5, (16, 4))
V1 = Version("00aa", 8, (16, 4))


@pytest.fixture(params=["memory", "redis"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Empty servers of every kind there is."""
    made: Server = MemoryServer() if request.param == "memory" else RealServer(request.getfixturevalue("redis_url"))
    yield made
    await made.close()


@pytest.fixture
async def port(server: Server) -> Any:
    """A shard that has begun at V0."""
    shard = server.port(GENERATION, 0)
    await shard.init(V0, 1_000, 2, None)
    return shard


async def dump(server: Server) -> dict[str, Any]:
    return await server.dump(ShardKeys(GENERATION.id, 0).meta.removesuffix("meta"))


def step(before: Version, after: Version, watermark_ms: int = 2_000, **more: Any) -> Step:
    changes = Changes(
        appends={(0, 4): {"s": {"view": {"a": 2, "b": 1}}}},
        increments={(0, "s", "read"): {"a": 2, "b": 1}, (1, "s", "read"): {"a": 2, "b": 1}},
        sums={("s", 0, "view"): 3, ("s", 1, "view"): 3},
    )
    return Step(before, after, watermark_ms, more.pop("changes", changes), **more)


async def run(port: Any, given: Step) -> Reply:
    reply, _ = await port.advance(port.assemble(given))
    assert isinstance(reply, Reply)
    return reply


async def test_a_shard_that_has_not_begun_is_missing(server: Server) -> None:
    shard = server.port(GENERATION, 0)
    assert await shard.load() is None
    assert await run(shard, step(V0, V1)) is Reply.MISSING
    assert await shard.read_slices([(0, 4)]) == (None, {(0, 4): []})
    assert await dump(server) == {}


async def test_init_has_no_effect_if_a_shard_has_begun(port: Any) -> None:
    """Two consumers that begin at once begin one shard."""
    await port.init(Version("00bb", 9, (0, 0)), 9_000, 3, 77)
    state = await port.load()
    assert (state.version, state.watermark_ms, state.partitions, state.mark) == (V0, 1_000, 2, None)


async def test_a_step_is_applied_whole(port: Any, server: Server) -> None:
    """Counts, index, counters, mark, strays, sites and version: one step, one version."""
    given = step(V0, V1, mark=Mark(7, 1_900, 12), counters={"late": 2, "dead": 0}, strays={"s/a"}, new_sites={"s"})
    assert await run(port, given) is Reply.APPLIED
    state = await port.load()
    assert (state.version, state.watermark_ms, state.mark) == (V1, 2_000, Mark(7, 1_900, 12))
    assert (state.slices, state.sites, state.strays) == ({(0, 4)}, {"s"}, 1)
    held = await dump(server)
    assert held["total:short:s:read"] == held["total:long:s:read"] == {"a": 2, "b": 1}
    assert {name: int(count) for name, count in held["sums"].items()} == {"s:short:view": 3, "s:long:view": 3}
    assert held["meta"]["count:late"] == "2"
    version, lists = await port.read_slices([(0, 4), (0, 5)])
    assert (version, delta.total(lists[0, 4]), lists[0, 5]) == (V1, {"s": {"view": {"a": 2, "b": 1}}}, [])
    assert await port.slice_lengths([(0, 4), (0, 5)]) == {(0, 4): 1, (0, 5): 0}
    assert await port.strays() == {"s/a"}


REFUSED = [
    (Reply.ALREADY, Version("00aa", 5, (16, 4)), Version("00aa", 8, (20, 4))),
    (Reply.FLOORS, Version("00aa", 8, (16, 4)), Version("00aa", 9, (16, 4))),
    (Reply.BEHIND, Version("00aa", 7, (20, 4)), Version("00aa", 9, (20, 4))),
    (Reply.REWOUND, Version("00aa", 9, (20, 4)), Version("00aa", 12, (20, 4))),
    (Reply.REWOUND, Version("00bb", 8, (20, 4)), Version("00bb", 9, (20, 4))),
]


@pytest.mark.parametrize(("reply", "before", "after"), REFUSED)
async def test_a_step_from_another_version_changes_nothing(
    reply: Reply, before: Version, after: Version, port: Any, server: Server
) -> None:
    """The shard stands at (00aa, 8, (20, 4)); lineage, n and floors are each compared."""
    await run(port, step(V0, Version("00aa", 8, (20, 4))))
    held = await dump(server)
    everything = step(
        before, after, 9_000, seals={(0, 4): b"x"}, counters={"late": 1}, strays={"x/y"}, deletes=[(0, 4)]
    )
    assert await run(port, everything) is reply
    assert await dump(server) == held


async def test_a_seal_of_a_version_that_has_passed_is_refused(port: Any) -> None:
    """From and to are equal: it must never be taken for our own retry."""
    await run(port, step(V0, V1))
    assert await run(port, step(V0, V0, changes=Changes(), seals={(0, 4): delta.seal({})})) is Reply.BEHIND
    assert await port.slice_lengths([(0, 4)]) == {(0, 4): 1}


async def test_a_seal_leaves_one_delta(port: Any) -> None:
    later = Version("00aa", 9, (16, 4))
    await run(port, step(V0, V1))
    await run(port, step(V1, later))
    sealed = delta.seal({"s": {"view": {"a": 4, "b": 2}}})
    assert await run(port, step(later, later, changes=Changes(), seals={(0, 4): sealed})) is Reply.APPLIED
    assert await port.read_slices([(0, 4)]) == (later, {(0, 4): [sealed]})


async def test_the_clock_never_goes_back(port: Any) -> None:
    await run(port, step(V0, V1, 500))
    assert (await port.load()).watermark_ms == 1_000
    await run(port, Step(V1, V1, 3_000))
    await run(port, Step(V1, V1, 2_999))
    assert (await port.load()).watermark_ms == 3_000


async def test_zero_is_removed_and_below_zero_stays(port: Any, server: Server) -> None:
    """A negative total takes part in sums of shards; a total of zero is no total."""
    later = Version("00aa", 9, (16, 4))
    await run(port, step(V0, V1))
    changes = Changes(increments={(0, "s", "read"): {"a": -2, "b": -5}}, sums={("s", 0, "view"): -3})
    await run(port, step(V1, later, changes=changes))
    held = await dump(server)
    assert held["total:short:s:read"] == {"b": -4}
    assert set(held["sums"]) == {"s:long:view"}


async def test_a_slice_that_has_left_is_gone_from_the_index_too(port: Any) -> None:
    await run(port, step(V0, V1))
    await run(port, step(V1, Version("00aa", 8, (20, 4)), changes=Changes(), deletes=[(0, 4)]))
    assert (await port.load()).slices == frozenset()
    assert await port.slice_lengths([(0, 4)]) == {(0, 4): 0}


async def test_flags_of_a_step_stand_in_meta(port: Any, server: Server) -> None:
    """A gap, the strays' number of partitions, and refused steps."""
    await run(port, Step(V0, V1, 0, gap_ms=77, partitions=3, refused=True))
    state = await port.load()
    assert (state.partitions, state.refused, (await dump(server))["meta"]["gap_ms"]) == (3, True, "77")
    await run(port, Step(V1, V1, 0, refused=False))
    assert not (await port.load()).refused


async def test_the_longest_total_is_reported(port: Any) -> None:
    """Batches may cost more on a small shard."""
    _, articles = await port.advance(port.assemble(step(V0, V1)))
    assert articles == 2


async def test_sightings_are_written_field_by_field(port: Any, server: Server) -> None:
    """What a step marks is rewritten and what is too old goes, beside what it leaves alone; forgotten runs go whole."""
    later, last = Version("00aa", 9, (16, 4)), Version("00bb", 9, (16, 4))
    jump = KEPT * BLOCK

    async def take(before: Version, after: Version, sequences: dict[str, list[int]]) -> SequenceTracker:
        given = {run: SequenceList(some) for run, some in sequences.items()}
        plan_update = (await port.load()).producers.plan_update(given, dict.fromkeys(given, 7))
        assert await run(port, Step(before, after, 0, producers=plan_update)) is Reply.APPLIED
        state: SequenceTracker = (await port.load()).producers
        return state

    await take(V0, V1, {"a:/1": [0, 3, 3, BLOCK], "é\0": [9]})
    assert set((await dump(server))["sequences"]) == {"0:a:/1", "1:a:/1", "0:é\0"}
    held = await take(V1, later, {"a:/1": [jump]})
    assert set((await dump(server))["sequences"]) == {"1:a:/1", f"{KEPT}:a:/1", "0:é\0"}
    assert held.runs == {"a:/1": Run(7, 0, jump, 4, 1, [], {1: 1, KEPT: 1}), "é\0": Run(7, 0, 9, 1, 0, [], {0: 1 << 9})}
    refused = held.plan_update({"a:/1": SequenceList([5])}, {"a:/1": 8})
    assert await run(port, Step(V1, last, 0, producers=refused)) is Reply.BEHIND
    assert (await port.load()).producers == held
    assert await port.last_seen_elsewhere(["a:/1", "b"], 2) == {"a:/1": 7}
    assert await run(port, Step(later, last, 0, producers=held.forget(["a:/1", "b"]))) is Reply.APPLIED
    assert set((await port.load()).producers.runs) == {"é\0"}
    assert set((await dump(server))["sequences"]) == {"0:é\0"}
