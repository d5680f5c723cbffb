"""What rules remember, from the store into a process: in pieces, of one version, and only what the process lacks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import redis

from ranker.connect.redis import connect
from ranker.consume.homes import Homes
from ranker.consume.memories import Memories
from ranker.consume.session import Session
from ranker.core.generation import Generation
from ranker.core.memory import Memory, MemoryChange
from ranker.core.rules import Rules
from ranker.core.step import Reply, Step, Version
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.errors import StoreUnavailableError
from ranker.store.program import Program
from ranker.store.shard import ShardState, ShardStore
from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.consume.traffic import Readers
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at
from tests.support.stores import STORES, store_url

RULES = Rules("duplicate@1", "", "unique_item@counter-5.1", ("view",), 3_600_000, 3_600_000, 20_000_000)
GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, rules=RULES)
HOUR = 472_222
T0 = (HOUR + 1) * 3_600_000
KEYS, OF_HOUR = 300_000, 150_000
MEGABYTE = 1 << 20


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    opened = connect(redis_at(store_url(request)))
    yield opened
    await opened.aclose()


class Filled:
    """A shard whose rules remember `KEYS` keys of two hours, written by the real script as batches write them."""

    def __init__(self, client: Any) -> None:
        self.store = ShardStore(client, GENERATION, 3)
        self.version = Version("a" * 16, 100, (0, 0))

    async def write(self, bucket: int, first: int, count: int, gone: tuple[int, ...] = ()) -> None:
        keys = bytearray().join(number.to_bytes(8, "little") for number in range(first, first + count))
        change = MemoryChange(latest_ms=T0, first=HOUR, keys={bucket: keys}, gone=list(gone))
        after = Version(self.version.lineage, self.version.n + count, self.version.floors)
        step = Step(self.version, after, T0, memory=change)
        assert (await self.store.advance(self.store.assemble(step)))[0] is Reply.APPLIED
        self.version = after

    async def load(self, memories: Memories) -> Memory:
        memory = await memories.load(3, self.store, await self.state())
        assert memory is not None
        return memory

    async def state(self) -> ShardState:
        state = await self.store.load()
        assert state is not None
        return state


@pytest.fixture
async def filled(client: Any) -> Filled:
    shard = Filled(client)
    await shard.store.init(shard.version, T0, 8, None)
    for first in range(0, KEYS, 50_000):
        await shard.write(HOUR + first // OF_HOUR, first, 50_000)
    return shard


async def test_a_memory_is_loaded_in_pieces(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a megabyte a read; afterwards every key is known, and no other."""
    sizes = []
    remembered = filled.store.remembered

    async def measured(bucket: int) -> AsyncIterator[Any]:
        async for version, pieces in remembered(bucket):
            sizes.append(sum(map(len, pieces)))
            yield version, pieces

    monkeypatch.setattr(filled.store, "remembered", measured)
    memory = await filled.load(Memories(RULES))
    assert (memory.size, memory.at) == (KEYS, (filled.version.lineage, filled.version.n))
    assert sum(sizes) == 8 * KEYS
    assert max(sizes) <= MEGABYTE
    assert len(sizes) == 4
    hour = memory.keys_at(T0)
    assert hour is not None
    assert not hour.add((KEYS - 1).to_bytes(8, "little"))
    assert hour.add(KEYS.to_bytes(8, "little"))
    assert memory.keys_at((HOUR - 1) * 3_600_000) is None, "what was given up stays so"


async def test_a_memory_that_is_written_meanwhile_is_loaded_again(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two pieces another process adds keys and drops an hour: what was read so far is of two versions."""
    remembered = filled.store.remembered
    interrupted = False

    async def written(bucket: int) -> AsyncIterator[Any]:
        nonlocal interrupted
        async for version, pieces in remembered(bucket):
            yield version, pieces
            if not interrupted:
                interrupted = True
                await filled.write(HOUR + 1, KEYS, 1000, gone=(HOUR,))

    monkeypatch.setattr(filled.store, "remembered", written)
    memories = Memories(RULES)
    with pytest.raises(StoreUnavailableError, match="loaded again"):
        await filled.load(memories)
    memory = await filled.load(memories)
    assert memory.size == KEYS - OF_HOUR + 1000
    assert memory.at == (filled.version.lineage, filled.version.n)


async def test_what_is_held_is_of_its_version(filled: Filled) -> None:
    """The same one at the held version, without what is pending; another one after a step of another process."""
    memories = Memories(RULES)
    memory = await filled.load(memories)
    hour = memory.keys_at(T0)
    assert hour is not None
    assert hour.add(b"pending!")
    memory.take_change()
    assert await filled.load(memories) is memory
    assert memory.size == KEYS
    await filled.write(HOUR + 1, KEYS, 1)
    again = await filled.load(memories)
    assert again is not memory
    assert again.size == KEYS + 1
    memories.keep([7])
    assert await filled.load(memories) is not again


def test_a_viral_minute_makes_no_room_in_every_other() -> None:
    """24 bytes a key in all, also with a bucket for each minute of a day."""
    memory = Memory(msgspec.structs.replace(RULES, per_ms=60_000, grace_ms=86_400_000))
    numbers = itertools.count()
    for minute in range(1_000):
        keys = memory.keys_at(minute * 60_000)
        assert keys is not None
        for number in itertools.islice(numbers, 300 if minute else 200_000):
            assert keys.add(number.to_bytes(8, "little"))
        memory.passed(minute * 60_000)
    memory.take_change()
    assert memory.bytes <= 24 * memory.size


@pytest.mark.parametrize("late", [False, True])
async def test_a_step_whose_reply_was_lost_is_part_of_what_is_held(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """A rebalance in the middle of a step: the store says that it was applied, so nothing is loaded."""
    memories, store = Memories(RULES), filled.store
    memory, state = await filled.load(memories), await filled.state()
    metrics = ConsumerMetrics(new_registry(), ["view"])
    session = Session(store, GENERATION, 3, 8, state, metrics, lambda _: None, Homes(), memory)
    hour = memory.keys_at(T0)
    assert hour is not None
    assert hour.add(b"the step")
    after = replace(state.version, n=state.version.n + 1)
    step = replace(session.step(after), memory=memory.take_change())
    assert hour.add(b"the next")
    memory.take_change()
    advance = store.advance

    async def cancelled(program: Program, **options: bool) -> Any:
        if not late:
            await advance(program, **options)
        raise asyncio.CancelledError

    monkeypatch.setattr(store, "advance", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await session.advance(step)
    again = await filled.load(memories)
    assert again is memory
    if late:  # applied only when the memory was looked up already, and without the step
        assert memory.size == KEYS
        await advance(store.assemble(step))
        again = await filled.load(memories)
        assert again is not memory
    assert (again.size, again.at) == (KEYS + 1, (after.lineage, after.n))
    assert (await filled.load(Memories(RULES))).size == KEYS + 1


@pytest.mark.long
async def test_a_kept_partition_loads_nothing(new_engine: Callable[..., Engine]) -> None:
    """A second consumer comes and dies: each time only the partition that moves is loaded, by its new owner."""
    engine = new_engine(config=RULES_TOML, traffic=Readers, session_timeout_ms=1_000)
    await engine.create_topic(2)
    first = engine.consume()
    await engine.traffic.send(3000)
    await engine.until_counted()
    await engine.until("readiness", first.ready)

    async def shared(*consumers: Any) -> bool:
        return all([await one.metric("ranker_gates_open") == 2 / len(consumers) for one in consumers])

    with _loaded(engine) as moved:
        second = engine.consume()
        await engine.until("a partition for each", lambda: shared(first, second))
        await asyncio.to_thread(moved.settle)
    assert len(moved.partitions) == 1, moved.partitions
    with _loaded(engine) as back:
        second.kill()
        await engine.until("both in one hand", lambda: shared(first))
        await asyncio.to_thread(back.settle)
    assert back.partitions == moved.partitions
    await engine.traffic.send(1000)
    await engine.until_counted()
    await engine.check()


class _Loaded:
    """The partitions of which something remembered was read, as Redis' MONITOR reports its commands."""

    def __init__(self, client: Any, generation: str) -> None:
        self._client = client
        self._generation = generation
        self._settled = threading.Event()
        self.partitions: set[str] = set()
        self._monitor = self._client.monitor().__enter__()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def settle(self) -> None:
        """Returns when everything that Redis has done so far was looked at."""
        self._client.echo("settled")
        assert self._settled.wait(10.0)
        self._thread.join()

    def close(self) -> None:
        self._monitor.__exit__(None, None, None)

    def _watch(self) -> None:
        for seen in self._monitor.listen():
            words = seen["command"].split()
            if words[0] == "LRANGE" and ":remembered:" in words[1] and self._generation in words[1]:
                self.partitions.add(words[1].partition(".")[2].partition("}")[0])
            if words[0] == "ECHO":
                self._settled.set()
                return


@contextlib.contextmanager
def _loaded(engine: Engine) -> Iterator[_Loaded]:
    with redis.Redis(port=urlsplit(engine.redis_url).port or 0) as client:
        found = _Loaded(client, engine.generation.id)
        try:
            yield found
        finally:
            found.close()
