"""What goes wrong in a history: crashes, rebalances, failovers, retention, clocks, weather, each at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.property.network import Weather
from tests.property.process import Process

if TYPE_CHECKING:
    from tests.property.machine import World


def assign(world: World, processes: list[Process], *, level: bool = False) -> None:
    """A rebalance. Unless `level`, some processes do not notice it, so that two may work on one partition."""
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
    async with world.carrying:
        if not world.snapshots:
            return
        kept, shards = world.rng.choice(world.snapshots)
        await world.server.restore(kept)
        world.shards = dict(shards)


class Trouble:
    """Makes things happen, each at any moment."""

    def __init__(self, world: World, processes: list[Process]) -> None:
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

    async def _restart(self, process: Process) -> None:
        await asyncio.sleep(self._rng_half.uniform(0.01, 1.0))
        if process.task is None or process.task.done():
            process.start()
            await asyncio.sleep(0.05)
            assign(self._world, self._processes)

    async def _snap(self) -> None:
        world = self._world
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 1.0))
            async with world.carrying:
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
        async with world.carrying:
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
