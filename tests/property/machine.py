"""One random history: the product's own consumers over a log, a network and a store that all misbehave.

`Consumer`, `Worker`, `Gate`, `Session` and `Upkeep` are the real ones; only the log's client, the network and the
passing of time are ours. After every effective step of a shard all that it holds is compared with the oracle's recount.
Once the faults end, every shard has to reach the end of its log, its clock the present and its floors that clock.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from ranker.core.generation import Generation
from ranker.store.keys import ShardKeys
from tests.property import drawn_records, history, lists, second_count, virtual
from tests.property.calm import calm
from tests.property.check import DivergedError, Lineage, Shard, compare, expected, forgotten, read
from tests.property.history import PROFILES, Drawn, Profile
from tests.property.log import Broker
from tests.property.network import Network
from tests.property.patches import small
from tests.property.process import Process
from tests.property.senders import Senders
from tests.property.trouble import Trouble
from tests.support.recount import Expected

START_MS = 1_700_000_003_000
"""The wall clock when a history begins; no multiple of any grain."""


class Server(Protocol):
    """Where shards live: memory, or a real Redis."""

    async def snapshot(self) -> Any: ...
    async def restore(self, snapshot: Any) -> None: ...
    async def flush(self) -> None: ...
    async def dump(self, prefix: str) -> dict[str, Any]: ...
    def port(self, generation: Generation, partition: int) -> Any: ...
    async def close(self) -> None: ...


@dataclass
class Report:
    """What a history came to. `trace` is the same on every implementation of the store."""

    seed: int
    states: int = 0
    lists: int = 0
    records: int = 0
    replies: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    outcomes: set[str] = field(default_factory=set)  # of records, in any state that was compared
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    failure: str | None = None


class World:
    """Everything there is in one history."""

    def __init__(self, seed: int, server: Server, profile: Profile, length_s: float | None) -> None:
        self.rng = random.Random(seed)
        self.report = Report(seed)
        self.server = server
        self.stamps = drawn_records.Stamps(random.Random(f"producers {seed}"))
        drawn = history.bounded(history.draw(self.rng, profile), self.stamps.rng)
        rules = random.Random(f"rules {seed}")
        self.drawn: Drawn = history.ruled(drawn, rules)
        self.senders = Senders(rules, self.drawn)
        self.length_s = length_s or self.rng.choice(profile.length_s)
        self.store_ahead_ms = self.rng.choice((0, 0, 400, -400, 1_000))
        self.jump_ms = 0
        """How far the clocks of the consumers and of the store have jumped; brokers are machines of their own."""
        # an append time is never behind the store's clock, and two brokers' clocks differ by 2 s at most
        self.broker_ahead_ms = self.store_ahead_ms
        partitions = self.rng.choice(profile.partitions)
        self.broker = Broker(partitions, random.Random(self.rng.random()))
        self.network = Network(random.Random(self.rng.random()), self._carry)
        self.ports: list[Any] = []
        self.active_partitions = 0
        self.lineages: dict[tuple[int, str], Lineage] = {}
        self.shards: dict[int, Shard | None] = {}
        self.wanted: dict[tuple[int, str, int, tuple[int, ...]], Expected] = {}
        self.snapshots: deque[tuple[Any, dict[int, Shard | None]]] = deque(maxlen=10)
        self.carrying = asyncio.Lock()
        self.failed = asyncio.Event()
        self._grown = 0
        self.half_way: Callable[[int], None] | None = None
        """Called for every shard that stands between two lanes of a slice."""

    # time

    @property
    def true_ms(self) -> int:
        return START_MS + int(asyncio.get_running_loop().time() * 1000)

    async def asked_store_time_ms(self) -> int:
        async def answer(_: Any) -> int:
            return self.true_ms + self.jump_ms + self.store_ahead_ms

        return await self.network.ask(0, answer)

    # the store

    def _prefix(self, partition: int) -> str:
        return ShardKeys(self.drawn.generation.id, partition).meta.removesuffix("meta")

    async def _carry(self, partition: int, command: Callable[[Any], Awaitable[Any]]) -> Any:
        """One command at a time reaches the server, and what it changed is looked at before the next."""
        async with self.carrying:
            loop = cast("virtual.VirtualLoop", asyncio.get_running_loop())
            with loop.asking():
                reply = await command(self.ports[partition])
            await self.look(partition)
            said = reply[0].value if isinstance(reply, tuple) and hasattr(reply[0], "value") else None
            if said is not None:
                self.report.replies[said] = self.report.replies.get(said, 0) + 1
                self.report.trace.append((partition, said, round(loop.time(), 6)))
            return reply

    async def look(self, partition: int) -> None:
        """Compares a shard with the oracle if it is not as it was."""
        if self.failed.is_set():
            return
        dump = await self.server.dump(self._prefix(partition))
        before = self.shards.get(partition)
        try:
            after = self.shards[partition] = read(dump, self.drawn.rules)
            if after is None or after == before:
                return
            if before is not None and after.watermark_ms < before.watermark_ms:
                self.fail(f"partition {partition}: T went back from {before.watermark_ms} to {after.watermark_ms}")
            log = self.broker.partitions[partition]
            begun = self._lineage(partition, before, after)
            key = (partition, after.lineage, after.n, after.floors)
            if key not in self.wanted:
                self.wanted[key] = expected(after, log.entries, begun, self.drawn.rules)
            want = self.wanted[key]
            compare(
                after, want, log.entries, begun, self.drawn.rules, log.dead_letters, partition, self.active_partitions
            )
            second_count.compare(self, partition, dump)
            self.report.states += 1
            self.report.outcomes |= {outcome for _, _, outcome in want.sums} | want.remembered.met
            half_way = any(floor % self.drawn.rules.lanes for floor in after.floors)
            if half_way and before is not None and before.n < after.n:
                self.happened("applied_half_way")
            if half_way and self.half_way is not None:
                self.half_way(partition)
            self.report.trace.append((partition, after.n, after.floors, after.watermark_ms, len(after.lists)))
            if self.report.states % 4 == 0:
                self.compare_lists()
        except DivergedError as diverged:
            self.fail(f"partition {partition}: {diverged}")

    def _lineage(self, partition: int, before: Shard | None, after: Shard) -> Lineage:
        known = self.lineages.get((partition, after.lineage))
        if known is not None:
            return known
        if before is None:
            # nothing that the log still has may be taken for lost
            kept = min(after.n, self.broker.partitions[partition].start)
            lost = ((0, kept),) if "gap_ms" in after.meta else ()
            begun = Lineage(after.n, after.floors, lost)
        else:
            old = self.lineages[partition, before.lineage]
            lost = ((before.n, after.n),) if after.n != before.n else ()
            gone = forgotten(before, after, self.drawn.rules.bounds)
            drops = ((after.n, gone),) if gone else ()
            if gone:
                self.happened("forgotten")
            begun = Lineage(old.n0, old.floors0, old.lost + lost, old.gaps + after.n - before.n, old.drops + drops)
        self.lineages[partition, after.lineage] = begun
        return begun

    def compare_lists(self) -> None:
        """The merged lists, as a reader would put them together now."""
        if self.active_partitions:
            wanted = {
                number: self.wanted[number, shard.lineage, shard.n, shard.floors]
                for number, shard in self.shards.items()
                if shard is not None
            }
            lists.compare(
                self.drawn, self.shards, wanted, self.broker.partitions, self.lineages, self.active_partitions
            )
            self.report.lists += 1

    def fail(self, why: str) -> None:
        if self.report.failure is None:
            self.report.failure = f"{asyncio.get_running_loop().time():.3f} s: {why}"
        self.failed.set()

    async def raise_active_partitions(self, partitions: int) -> None:
        self.active_partitions = max(self.active_partitions, partitions)

    # the log

    def _floors_of(self, partition: int) -> tuple[int, ...] | None:
        shard = self.shards.get(partition)
        return None if shard is None else shard.floors

    def append(self, append_ms: int) -> None:
        known = (
            len(self.broker.partitions)
            if self.rng.random() < 0.8
            else max(1, len(self.broker.partitions) - self._grown)
        )
        number, key, value = drawn_records.record(self.rng, self.drawn, append_ms, known, self._floors_of)
        value = self.stamps.stamped(self.senders.altered(number, append_ms, value))
        partition = self.broker.partitions[number]
        if self.rng.random() < 0.04:
            partition.entries.append(None)
        for _ in range(self.rng.choice((1, 1, 1, 1, 2))):  # a producer that sends again counts again
            partition.append(append_ms, key, value)
            self.report.records += 1
        shard = self.shards.get(number)
        if shard is not None and append_ms < shard.watermark_ms:
            self.fail(f"partition {number}: T={shard.watermark_ms} overclaims: a record comes at {append_ms}")

    def _preload(self) -> None:
        """What was there before anybody counted."""
        moments = sorted(
            self.rng.randrange(START_MS - 60_000, START_MS)
            for _ in range(self.rng.choice(self.drawn.profile.preloaded))
        )
        for moment in moments:
            self.append(moment + self.broker_ahead_ms)
        for partition in self.broker.partitions:
            if self.rng.random() < 0.2:
                partition.start = self.rng.randint(0, partition.end)

    async def produce(self) -> None:
        pace = self.rng.choice(self.drawn.profile.pace_s)
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / pace))
            moment = self.true_ms + self.broker_ahead_ms
            for _ in range(self.rng.choice((1, 1, 3, 8))):
                self.append(moment)

    # the run

    async def run(self) -> None:
        generation = self.drawn.generation
        self.ports = [self.server.port(generation, partition) for partition in range(8)]
        self._preload()
        processes = [Process(self, number) for number in range(self.rng.choice((2, 2, 3)))]
        producing = asyncio.create_task(self.produce())
        trouble = asyncio.create_task(Trouble(self, processes).run())
        try:
            await self.until(lambda: False, self.length_s)
            producing.cancel()
            trouble.cancel()
            await calm(self, processes)
        finally:
            for task in (producing, trouble):
                task.cancel()
            for process in processes:
                process.kill()
            ended = [process.task for process in processes if process.task is not None]
            await asyncio.gather(producing, trouble, *ended, return_exceptions=True)
            await self.server.close()

    async def until(self, condition: Callable[[], bool], at_most_s: float) -> bool:
        """Waits for a condition or a failure."""
        loop = asyncio.get_running_loop()
        until = loop.time() + at_most_s
        while not self.failed.is_set() and not condition():
            if loop.time() >= until:
                return False
            await asyncio.sleep(0.1)
        return True

    def happened(self, what: str) -> None:
        self.report.faults[what] = self.report.faults.get(what, 0) + 1


def run(
    seed: int, server: Callable[[], Server], profile: Profile | None = None, length_s: float | None = None
) -> Report:
    """The history of this seed, on a server that is made inside the virtual loop."""
    chosen = profile or PROFILES[seed % len(PROFILES)]

    async def main() -> Report:
        world = World(seed, server(), chosen, length_s)
        with small(world.drawn, world.rng):
            await world.run()
        return world.report

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # hundreds of warnings are the point of these histories
    try:
        return virtual.run(main())
    finally:
        logging.disable(before)
