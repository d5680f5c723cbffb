"""The end of a history: the faults end, and everything has to become level and stay equal on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.property.check import DivergedError
from tests.property.network import Weather
from tests.property.process import Process
from tests.property.trouble import assign, failover

if TYPE_CHECKING:
    from tests.property.machine import World

CALM_S = 90.0
"""Virtual seconds in which everything has to be level once the faults end."""


async def calm(world: World, processes: list[Process]) -> None:
    """No faults any more: everything has to become level, and stay equal on the way."""
    if world.failed.is_set():
        return
    world.network.weather = Weather()
    world.broker.faulty = 0.0
    world.network.calm = True
    world.jump_ms = 0
    for process in processes:
        process.log.slow = process.reads_slowly = 0.0
        process.ahead_ms = max(-500, min(500, process.ahead_ms))
        if process.task is None or process.task.done():
            process.start()
    await world.until(lambda: all(process.log.joined for process in processes), 5)
    assign(world, processes, level=True)
    await world.rng.choice((_last_failover, _last_polls, _last_memory))(world)
    if not await world.until(lambda: _level(world), CALM_S) and not world.failed.is_set():
        world.fail(f"never level again: {_state(world, processes)}")
    await world.network.quiet()
    if not world.failed.is_set():
        try:
            world.compare_lists()
        except DivergedError as diverged:
            world.fail(str(diverged))


# what happens last is followed by no further record that could bring anything to light


async def _last_failover(world: World) -> None:
    await world.until(lambda: False, 3)
    await world.network.quiet()
    await failover(world)


async def _last_polls(world: World) -> None:
    await world.until(lambda: False, 1)
    world.broker.faulty = 0.5
    await _a_few_more(world)
    await world.until(lambda: False, 1)
    world.broker.faulty = 0.0


async def _last_memory(world: World) -> None:
    await world.until(lambda: False, 1)
    world.network.weather.full = True
    await _a_few_more(world)
    await world.until(lambda: False, 3)
    world.network.weather.full = False


async def _a_few_more(world: World) -> None:
    producing = asyncio.create_task(world.produce())
    await world.until(lambda: False, 1.5)
    producing.cancel()


def _level(world: World) -> bool:
    return all(_shard_level(world, partition) for partition in range(len(world.broker.partitions)))


def _shard_level(world: World, partition: int) -> bool:
    shard = world.shards.get(partition)
    if shard is None or shard.n != world.broker.partitions[partition].end or shard.meta["refused"] == "1":
        return False
    targets = zip(shard.floors, world.drawn.rules.windows, strict=True)
    lanes = world.drawn.rules.lanes
    return (
        shard.watermark_ms >= world.true_ms - 5_000
        and all(
            floor >= (shard.watermark_ms - 3_000 - length) // grain * lanes for floor, (_, length, grain) in targets
        )
        and shard.meta["P"] == str(len(world.broker.partitions))
    )


def _state(world: World, processes: list[Process]) -> str:
    faults = [str(worker.stopped) for process in processes for worker in process.workers if worker.stopped]
    stands = {
        number: None
        if (shard := world.shards.get(number)) is None
        else (
            shard.n,
            partition.end,
            shard.floors,
            shard.watermark_ms - world.true_ms,
            shard.meta["refused"],
            shard.meta["P"],
        )
        for number, partition in enumerate(world.broker.partitions)
    }
    return f"(n, end, floors, T - now, refused, P) {stands} {faults}"
