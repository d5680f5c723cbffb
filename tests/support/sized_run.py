"""A run of known size: a week of events in small, counted by the real consumer, and what Redis takes for it by kind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ranker.core.generation import Generation
from ranker.core.memory_estimate import Measured, added
from ranker.core.rules import memory_rules
from ranker.core.sizing.load import Load
from ranker.store import inventory
from ranker.store.keys import ShardKeys
from tests.bench import produce
from tests.bench.sized_events import Drawn
from tests.integration.consume.engine import Engine

WINDOWS = """
topic = "{topic}"
lanes = 64
[windows.1h]
length_s = 3600
grain_s = 60
[windows.6h]
length_s = 21600
grain_s = 600
[boards.read]
view = 1
[boards.commented]
comment = 1
[boards.shared]
share = 1
[kafka]
session_timeout_ms = {session_timeout_ms}
accept_create_time = true
"""
"""Six hours instead of a week: so many slices, each with as many events, are made in seconds."""
PRESS = '[rules]\npreset = "press"\n'
_CHUNK = 5_000


@dataclass(frozen=True)
class Sized:
    """Bytes that were measured, how long rules had remembered, and the load with what became of it."""

    shards: Measured
    used: int
    live_s: float
    load: Load
    generation: Generation


@contextlib.asynccontextmanager
async def run(
    bootstrap: str, redis_url: str, directory: Path, load: Load, *, press: bool, idempotent: bool = False
) -> AsyncIterator[Sized]:
    """`redis_url` is an empty Redis, which nobody else uses."""
    engine = Engine(
        bootstrap, redis_url, directory, config=WINDOWS + (PRESS if press else ""), session_timeout_ms=10_000,
        idempotent=idempotent,
    )  # fmt: skip
    try:
        await engine.create_topic(load.partitions)
        now_ms = int(time.time() * 1000)
        count = int(load.rate * _span_ms(engine.generation) / 1000)
        await produce.write(
            bootstrap, engine.topic, load.partitions, _chunks(load, engine.generation, now_ms, count),
            produce.BATCHES["big"], lambda _: None,
        )  # fmt: skip
        consumer = engine.consume(environment="development")
        await engine.until(f"the counting of {count} events", lambda: _counted(engine, count), 120.0)
        await engine.until("the sealing of every slice that has ended", lambda: _sealed(engine), 120.0)
        measured = [await inventory.memory(engine.client, engine.generation, one) for one in range(load.partitions)]
        consumer.stop()
        used = await used_bytes(engine.client)
        yield Sized(
            added([one for one in measured if one is not None]), used, _live_s(engine.generation, now_ms), load,
            engine.generation,
        )  # fmt: skip
    finally:
        await engine.close()


def _chunks(load: Load, generation: Generation, now_ms: int, count: int) -> Iterator[Sequence[produce.Event]]:
    from ranker.core.home import home

    drawn = Drawn(load, seed=7)
    span_ms = _span_ms(generation)
    begin = now_ms - span_ms
    for first in range(0, count, _CHUNK):
        events = []
        for number in range(first, min(count, first + _CHUNK)):
            key, value = drawn.event(begin + span_ms * number // count)
            events.append((home(key, load.partitions), key, value))
        yield events


def _span_ms(generation: Generation) -> int:
    """From the first event to the last: no event is late when it is counted."""
    return generation.longest.length_ms - 60_000


async def _counted(engine: Engine, count: int) -> bool:
    return sum(max(0, n) for n in await engine.applied()) >= count


async def _sealed(engine: Engine) -> bool:
    """Whether each slice but the latest is one compressed delta."""
    now_ms = int(time.time() * 1000)
    for partition in range(engine.partitions):
        keys = ShardKeys(engine.generation.id, partition)
        for member in await engine.client.smembers(keys.slices):
            tier, number = map(int, member.split(b":"))
            ended = (number + 1) * engine.generation.windows[tier].grain_ms + 70_000 < now_ms
            if ended and tier == 0 and (await engine.client.lindex(keys.slice(tier, number), 0))[:1] == b"\0":
                return False
    return True


def _live_s(generation: Generation, now_ms: int) -> float:
    rules = memory_rules(generation)
    if rules is None:
        return 0.0
    first = (now_ms - rules.grace_ms) // rules.per_ms * rules.per_ms
    return (now_ms - first) / 1000


async def used_bytes(client: Any) -> int:
    """used_memory, when nothing is being freed any more."""
    last, same = -1, 0
    while same < 3:
        memory = await client.info("memory")
        used = (
            int(memory["used_memory"]) - int(memory.get("mem_clients_normal", 0)) - int(memory.get("mem_aof_buffer", 0))
        )
        same = same + 1 if abs(used - last) < 4096 else 0
        last = used
        await asyncio.sleep(0.05)
    return last


def with_sites_of(load: Load) -> Load:
    return replace(load, members=1, site_bytes=4 if load.sites == 1 else 9)
