"""What histories found once and seldom find again, step by step."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ranker.consume.clocks import Clocks
from ranker.consume.memories import Memories
from ranker.consume.upkeep import Upkeep
from ranker.core.generation import Generation, Window
from ranker.core.route import Router
from ranker.core.rules import Rules
from ranker.core.step import Reply, Version
from ranker.store.keys import ShardKeys
from ranker.store.program import Program
from tests.property.memory import MemoryServer
from tests.support.sessions import open_session

GENERATION = Generation(
    "page-views",
    (Window("short", 10_000, 2_000), Window("long", 30_000, 6_000)),
    {"read": {"view": 1}},
    lanes=1,
)
BEGIN = Version("00aa", 0, (0, 0))


async def test_a_slow_question_does_not_put_the_wall_clock_ahead_of_the_store() -> None:
    """
    process (5 s fast)  ask |------ 2 s ------|-| answer
    store                            reads its clock: T must not be later than that
    """
    process_s, store_ms = 1_005.0, 0

    async def ask() -> int:
        nonlocal process_s, store_ms
        process_s += 2.0
        store_ms = round((process_s - 5.0) * 1000)
        return store_ms

    clocks = Clocks(ask, lambda: process_s, lambda: process_s)
    await clocks.measure()
    assert clocks.wall_ms() <= store_ms
    assert not clocks.agree


async def test_what_is_retired_for_want_of_memory_says_so_wherever_it_is_applied() -> None:
    """A failover behind the step that says that batches are refused, and the retirement comes again: the floors that
    are ahead of T never stand in a shard that calls its lists complete.
    """
    server = MemoryServer()
    port = server.port(GENERATION, 0)
    await port.init(BEGIN, 1_000, 1, None)
    session = await open_session(port, GENERATION, 1)
    changes = Router(GENERATION).route({(3, "s", "view"): {"a": 1}}, BEGIN.floors)
    step = replace(session.step(Version("00aa", 1, BEGIN.floors)), changes=changes)
    await session.advance(await session.with_marks(step))
    before = await server.snapshot()
    sent: list[Program] = []
    advance = port.advance

    async def noted(program: Program, *, when_full: bool = False) -> tuple[Reply, int]:
        sent.append(program)
        return await advance(program, when_full=when_full)

    port.advance = noted  # type: ignore[method-assign]
    await Upkeep(GENERATION).run_when_full(session, 60_000)
    await server.restore(before)
    for program in sent[1:]:
        await advance(program)
    meta = (await server.dump(ShardKeys(GENERATION.id, 0).meta.removesuffix("meta")))["meta"]
    assert (meta["floors"], meta["T"], meta["refused"]) == ("25,5", "1000", "1")


async def test_a_session_that_goes_on_knows_that_batches_are_refused() -> None:
    """Else its next step of the clock would call a list complete whose floors are ahead of T."""
    port = MemoryServer().port(GENERATION, 0)
    await port.init(BEGIN, 1_000, 1, None)
    ours, other = [await open_session(port, GENERATION, 1) for _ in range(2)]
    await Upkeep(GENERATION).run_when_full(other, 60_000)
    assert await ours.reload()
    ours.watermark_ms = 2_000
    await Upkeep(GENERATION).run(ours, 2_000, clocks_agree=True, strays_due=False)
    state = await port.load()
    assert state is not None
    assert state.refused


async def test_what_is_applied_is_held_at_its_version() -> None:
    """With its keys, and without those that were folded since: nothing has to be loaded when the gate opens again."""
    rules = Rules("duplicate@1", per_ms=1_000, max_keys=100)
    server = MemoryServer()
    port = server.port(msgspec.structs.replace(GENERATION, rules=rules), 0)
    await port.init(BEGIN, 1_000, 1, None)
    memories, session = Memories(rules), await open_session(port, GENERATION, 1)
    state = await port.load()
    assert state is not None
    memory = session.memory = await memories.load(0, port, state)  # type: ignore[arg-type]
    assert memory is not None
    for n, key in enumerate((b"1st key.", b"2nd key."), 1):
        keys = memory.keys_at(500)
        assert keys is not None
        assert keys.add(key)
        step = replace(session.step(Version("00aa", n, BEGIN.floors)), memory=memory.take_change())
        if n == 1:
            await session.advance(step)
    await session.advance(session.step(Version("00bb", 1, BEGIN.floors)))
    port.remembered = None  # type: ignore[assignment,method-assign]
    state = await port.load()
    assert state is not None
    assert await memories.load(0, port, state) is memory  # type: ignore[arg-type]
    assert (memory.at, memory.size) == (("00bb", 1), 1)
    keys = memory.keys_at(500)
    assert keys is not None
    assert [keys.add(key) for key in (b"1st key.", b"2nd key.")] == [False, True]
