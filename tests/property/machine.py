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

from ranker.consume.batch import chunk_records
from ranker.consume.build_worker import build_worker
from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.homes import Homes
from ranker.consume.loop import Consumer
from ranker.consume.worker import Worker
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.log.consumer import PageViewLog
from ranker.log.dead_letter_writer import DeadLetters
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.keys import ShardKeys
from ranker.store.shard import ShardStore
from tests.property import history, lists, virtual
from tests.property.check import DivergedError, Lineage, Shard, compare, expected, forgotten, read
from tests.property.history import PROFILES, Drawn, Profile
from tests.property.log import Broker, DeadLetterBox, LogClient
from tests.property.network import Network, Weather
from tests.property.patches import small
from tests.support.recount import Expected

START_MS = 1_700_000_003_000
"""The wall clock when a history begins; no multiple of any grain."""
CALM_S = 90.0
"""Virtual seconds in which everything has to be level once the faults end."""


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
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    failure: str | None = None


class _Process:
    """A consumer process: its clock, its place in the group, its task."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self.number = number
        fixed = world.drawn.profile.ahead_ms
        drawn = world.rng.choice((0, 0, 0, 300, -700, 1_500, -1_900, 5_000, -4_000))
        self.ahead_ms = fixed[number % len(fixed)] if fixed else drawn
        self.reads_slowly, self.steps_slowly = world.drawn.profile.slow[number % len(world.drawn.profile.slow)]
        self.metrics = ConsumerMetrics(new_registry(), world.drawn.generation.boards_of)
        self.task: asyncio.Task[None] | None = None
        self.workers: list[Worker] = []

    def start(self) -> None:
        world, generation = self._world, self._world.drawn.generation
        self.log = LogClient(world.broker, Fold(generation), chunk_records(generation))
        self.log.slow = self.reads_slowly
        clocks = Clocks(
            world.asked_store_time_ms,
            lambda: (world.true_ms + world.jump_ms + self.ahead_ms) / 1000,
            asyncio.get_running_loop().time,
        )
        self.workers = []

        def store_of(partition: int) -> ShardStore:
            return cast("ShardStore", world.network.link(partition, world.ports[partition].assemble, self.steps_slowly))

        page_views, homes = cast("PageViewLog", self.log), Homes()

        def worker_for(partition: int, trouble: Callable[[str | None], None]) -> Worker:
            worker = build_worker(
                partition,
                trouble,
                generation=generation,
                page_views=page_views,
                store_of=store_of,
                dead_letters=cast("DeadLetters", DeadLetterBox(world.broker)),
                dead_stretch_of=lambda partition: DeadLetterLimit(partition, 1.0, 1_000),
                clocks=clocks,
                metrics=self.metrics,
                homes=homes,
                flush_s=world.drawn.flush_s,
                accept_create_time=False,
            )
            self.workers.append(worker)
            return worker

        async def run() -> None:
            consumer = Consumer(page_views, clocks, self.metrics, worker_for, world.raise_active_partitions)
            await consumer.run()

        self.task = asyncio.create_task(run())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.fail(f"a consumer ended: {type(error).__name__}: {error}")

    def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()


class World:
    """Everything there is in one history."""

    def __init__(self, seed: int, server: Server, profile: Profile, length_s: float | None) -> None:
        self.rng = random.Random(seed)
        self.report = Report(seed)
        self.server = server
        self.stamps = history.Stamps(random.Random(f"producers {seed}"))
        self.drawn: Drawn = history.bounded(history.draw(self.rng, profile), self.stamps.rng)
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
        self._carrying = asyncio.Lock()
        self._last_append_ms = START_MS - 60_000
        self._failed = asyncio.Event()
        self._grown = 0
        self.half_way: Callable[[int], None] | None = None
        """Told of every shard that stands between two lanes of a slice."""

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
        async with self._carrying:
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
        """Compares a shard with the oracle where it is not as it was."""
        if self._failed.is_set():
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
            self.report.states += 1
            if (
                before is not None
                and before.n < after.n
                and any(floor % self.drawn.rules.lanes for floor in after.floors)
            ):
                self.happened("applied_half_way")
            if self.half_way is not None and any(floor % self.drawn.rules.lanes for floor in after.floors):
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
        self._failed.set()

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
        number, key, value = history.record(self.rng, self.drawn, append_ms, known, self._floors_of)
        value = self.stamps.stamped(value)
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

    async def _produce(self) -> None:
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
        processes = [_Process(self, number) for number in range(self.rng.choice((2, 2, 3)))]
        producing = asyncio.create_task(self._produce())
        trouble = asyncio.create_task(_Trouble(self, processes).run())
        try:
            await self._until(lambda: False, self.length_s)
            producing.cancel()
            trouble.cancel()
            await self._calm(processes)
        finally:
            for task in (producing, trouble):
                task.cancel()
            for process in processes:
                process.kill()
            ended = [process.task for process in processes if process.task is not None]
            await asyncio.gather(producing, trouble, *ended, return_exceptions=True)
            await self.server.close()

    async def _until(self, condition: Callable[[], bool], at_most_s: float) -> bool:
        """Waits for a condition or a failure."""
        loop = asyncio.get_running_loop()
        until = loop.time() + at_most_s
        while not self._failed.is_set() and not condition():
            if loop.time() >= until:
                return False
            await asyncio.sleep(0.1)
        return True

    async def _calm(self, processes: list[_Process]) -> None:
        """No faults any more: everything has to become level, and stay equal on the way."""
        if self._failed.is_set():
            return
        self.network.weather = Weather()
        self.broker.faulty = 0.0
        self.network.calm = True
        self.jump_ms = 0
        for process in processes:
            process.log.slow = process.reads_slowly = 0.0
            process.ahead_ms = max(-500, min(500, process.ahead_ms))
            if process.task is None or process.task.done():
                process.start()
        await self._until(lambda: all(process.log.joined for process in processes), 5)
        assign(self, processes, level=True)
        await self.rng.choice((self._last_failover, self._last_polls, self._last_memory))()
        if not await self._until(self._level, CALM_S) and not self._failed.is_set():
            self.fail(f"never level again: {self._told(processes)}")
        await self.network.quiet()
        if not self._failed.is_set():
            try:
                self.compare_lists()
            except DivergedError as diverged:
                self.fail(str(diverged))

    # what happens last is followed by no further record that could bring anything to light

    async def _last_failover(self) -> None:
        await self._until(lambda: False, 3)
        await self.network.quiet()
        await failover(self)

    async def _last_polls(self) -> None:
        await self._until(lambda: False, 1)
        self.broker.faulty = 0.5
        await self._a_few_more()
        await self._until(lambda: False, 1)
        self.broker.faulty = 0.0

    async def _last_memory(self) -> None:
        await self._until(lambda: False, 1)
        self.network.weather.full = True
        await self._a_few_more()
        await self._until(lambda: False, 3)
        self.network.weather.full = False

    async def _a_few_more(self) -> None:
        producing = asyncio.create_task(self._produce())
        await self._until(lambda: False, 1.5)
        producing.cancel()

    def _level(self) -> bool:
        return all(self._shard_level(partition) for partition in range(len(self.broker.partitions)))

    def _shard_level(self, partition: int) -> bool:
        shard = self.shards.get(partition)
        if shard is None or shard.n != self.broker.partitions[partition].end or shard.meta["refused"] == "1":
            return False
        targets = zip(shard.floors, self.drawn.rules.windows, strict=True)
        lanes = self.drawn.rules.lanes
        return (
            shard.watermark_ms >= self.true_ms - 5_000
            and all(
                floor >= (shard.watermark_ms - 3_000 - length) // grain * lanes for floor, (_, length, grain) in targets
            )
            and shard.meta["P"] == str(len(self.broker.partitions))
        )

    def _told(self, processes: list[_Process]) -> str:
        faults = [str(worker.stopped) for process in processes for worker in process.workers if worker.stopped]
        stands = {
            number: None
            if (shard := self.shards.get(number)) is None
            else (
                shard.n,
                partition.end,
                shard.floors,
                shard.watermark_ms - self.true_ms,
                shard.meta["refused"],
                shard.meta["P"],
            )
            for number, partition in enumerate(self.broker.partitions)
        }
        return f"(n, end, floors, T - now, refused, P) {stands} {faults}"

    def happened(self, what: str) -> None:
        self.report.faults[what] = self.report.faults.get(what, 0) + 1


def assign(world: World, processes: list[_Process], *, level: bool = False) -> None:
    """A rebalance. Unless `level`, some are not told, so that two may work on one partition."""
    alive = [process for process in processes if process.task is not None and process.log.joined]
    numbers = range(len(world.broker.partitions))
    told = [process for process in alive if level or world.rng.random() < 0.7]
    two_owners = world.drawn.profile.two_owners
    shares: dict[int, list[int]] = {process.number: [] for process in told}
    for number in numbers:
        for process in world.rng.sample(told, min(len(told), 1 if level or world.rng.random() >= two_owners else 2)):
            shares[process.number].append(number)
    for process in told:
        if level or world.rng.random() < 0.7:
            process.log.known_partitions = len(world.broker.partitions)
        mine = [number for number in shares[process.number] if level or number < process.log.known_partitions]
        process.log.revoke()
        process.log.assign(mine)


async def failover(world: World) -> None:
    """The store is one that lost any suffix of its steps."""
    async with world._carrying:
        if not world.snapshots:
            return
        kept, shards = world.rng.choice(world.snapshots)
        await world.server.restore(kept)
        world.shards = dict(shards)


class _Trouble:
    """Makes things happen, each at any moment."""

    def __init__(self, world: World, processes: list[_Process]) -> None:
        self._world = world
        self._rng = world.rng
        self._rng_half = random.Random(world.rng.random())
        self._restarting: list[asyncio.Task[None]] = []
        self._processes = processes
        self._kinds: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (3.0, self.rebalance),
            (2.0, self.crash),
            (3.0, self.fail_over),
            (0.6, self.flush),
            (0.6, self.retention),
            (1.2, self.disaster),
            (0.3, self.emptied),
            (1.0, self.clock),
            (1.0, self.weather),
            (0.5, self.full),
            (0.4, self.grow),
            (0.8, self.away),
            (0.6, self.leader),
            (0.0, self.jump),
        ]
        profile = world.drawn.profile
        self._kinds = [
            (profile.trouble.get(kind.__name__, 0.0 if profile.only else weight), kind) for weight, kind in self._kinds
        ]

    async def run(self) -> None:
        world, rng = self._world, self._rng
        pace = rng.choice((0.4, 1.0, 3.0))
        await self.weather()
        for process in self._processes:
            process.start()
            await asyncio.sleep(rng.uniform(0.001, 0.3))
        assign(world, self._processes)
        snapping = asyncio.create_task(self._snap())
        world.half_way = self._half_way
        try:
            while True:
                await asyncio.sleep(rng.expovariate(1 / pace))
                weights = [weight for weight, _ in self._kinds]
                _, kind = rng.choices(self._kinds, weights)[0]
                world.happened(kind.__name__)
                await kind()
        except Exception as error:
            world.fail(f"the machine itself: {type(error).__name__}: {error}")
            raise
        finally:
            snapping.cancel()
            world.half_way = None

    def _half_way(self, partition: int) -> None:
        """Some are killed just then: what has left a slice and what has not is for the next one to tell apart."""
        if self._rng_half.random() < self._world.drawn.profile.half_way:
            self._world.happened("half_way")
            for process in self._processes:
                if any(worker.partition == partition for worker in process.workers):
                    process.kill()
                    process.ahead_ms = 6_000 if self._rng_half.random() < 0.6 else 0
                    self._restarting.append(asyncio.create_task(self._restart(process)))

    async def _restart(self, process: _Process) -> None:
        await asyncio.sleep(self._rng_half.uniform(0.01, 1.0))
        if process.task is None or process.task.done():
            process.start()
            await asyncio.sleep(0.05)
            assign(self._world, self._processes)

    async def _snap(self) -> None:
        world = self._world
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 1.0))
            async with world._carrying:
                world.snapshots.append((await world.server.snapshot(), dict(world.shards)))

    async def rebalance(self) -> None:
        assign(self._world, self._processes)

    async def crash(self) -> None:
        process = self._rng.choice(self._processes)
        process.kill()
        await self._restart(process)

    async def fail_over(self) -> None:
        await failover(self._world)

    async def flush(self) -> None:
        world = self._world
        async with world._carrying:
            await world.server.flush()
            world.shards.clear()
            if self._rng.random() < 0.5:
                world.snapshots.clear()

    async def retention(self) -> None:
        partition = self._rng.choice(self._world.broker.partitions)
        shard = self._world.shards.get(self._world.broker.partitions.index(partition))
        around = partition.end if shard is None else shard.n + self._rng.randint(-2, 6)
        partition.start = max(partition.start, min(partition.end, around))

    async def emptied(self) -> None:
        """A log without a record, and counts that begin again while the first ones come."""
        for partition in self._world.broker.partitions:
            partition.start = partition.end
        await self.flush()

    async def disaster(self) -> None:
        """A gap behind which the store forgets, while steps of before are still under way."""
        world, rng = self._world, self._rng
        number = rng.randrange(len(world.broker.partitions))
        partition, shard = world.broker.partitions[number], world.shards.get(number)
        if shard is not None:
            back = max(partition.start, shard.n - rng.randint(0, 5))
            partition.start = min(partition.end, back)
        for sent, program in list(world.network.recent):
            if sent == number:
                for _ in range(3):
                    world.network.send_again(sent, program, rng.uniform(0, 4))
        if rng.random() < 0.6:
            await self.fail_over()
        else:
            await self.flush()

    async def clock(self) -> None:
        process = self._rng.choice(self._processes)
        process.ahead_ms = self._rng.choice((0, 0, 500, -1_000, 1_900, -1_900, 6_000, -6_000))

    async def jump(self) -> None:
        """All clocks but the brokers' jump, mostly a day ahead, and after some seconds back."""
        self._world.jump_ms = self._rng.choice((86_400_000, 86_400_000, 60_000, 3_000, -60_000))
        await asyncio.sleep(self._rng.uniform(0.1, 6.0))
        self._world.jump_ms = 0

    async def weather(self) -> None:
        rng, full = self._rng, self._world.network.weather.full
        strength = rng.choice((0.0, 0.3, 1.0))
        self._world.network.weather = Weather(
            lost_request=0.02 * strength,
            lost_reply=0.06 * strength,
            slow=0.06 * strength,
            twice=0.08 * strength,
            full=full,
        )
        self._world.broker.faulty = rng.choice((0.0, 0.02, 0.1)) * strength

    async def full(self) -> None:
        self._world.network.weather.full = True
        await asyncio.sleep(self._rng.uniform(0.5, 5.0))
        self._world.network.weather.full = False

    async def away(self) -> None:
        self._world.network.weather.away = True
        await asyncio.sleep(self._rng.uniform(0.2, 3.0))
        self._world.network.weather.away = False

    async def grow(self) -> None:
        world = self._world
        if world._grown < 2:
            world._grown += 1
            world.broker.partitions.append(type(world.broker.partitions[0])())
            if self._rng.random() < 0.7:
                assign(world, self._processes)

    async def leader(self) -> None:
        """Another broker leads: its clock differs, so append times may step back by two seconds at most."""
        world = self._world
        world.broker_ahead_ms = world.store_ahead_ms + self._rng.choice((0, 300, 2_000))


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
