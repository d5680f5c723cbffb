"""A run of known size: a week of events in small, counted by the real consumer, and what Redis takes for it by kind."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.memory_estimate import added
from ranker.core.rules import memory_rules
from ranker.core.sizing.load import RANDOM, Load
from ranker.core.sizing.redis_memory import RedisMemory, redis_memory
from ranker.store import history, inventory
from ranker.store.keys import CopyKeys, ShardKeys
from ranker.store.topic_copy import Change, CopyState, TopicCopy
from tests.bench import produce
from tests.bench.sized_events import Drawn
from tests.integration.consume.engine import Engine

TOML = """
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
"""Six hours instead of a week: as many events in each slice, and slices enough, are made in seconds."""
PRESS = '[rules]\npreset = "press"\n'
MATTERS_BYTES = 100_000
"""Smaller kinds are not compared: they are a few keys, and what these take is the server's own."""
QUICK = {
    "one site, paths": (Load(6, 3_000, 40, partitions=2, catalogue=500), False),
    "some sites, short ids, rules": (Load(6, 1_500, 12, partitions=4, sites=5, bots=0.1, repeats=0.15), True),
}
WIDE = {
    "many articles, random ids": (Load(6, 20_000, 120, ids=RANDOM, partitions=2, catalogue=3_000), False),
    "few articles, one shard": (Load(10, 200, 20, partitions=1, catalogue=200), False),
    "many sites": (Load(10, 5_000, 60, partitions=2, sites=50, zipf=0.8), False),
    "rules, paths, many shards": (Load(20, 4_000, 40, partitions=8, bots=0.2, repeats=0.1), True),
    "no skew": (Load(10, 10_000, 30, partitions=4, zipf=0.0), False),
    "much skew, long ids": (Load(20, 10_000, 200, partitions=4, zipf=1.5), True),
    "dense": (Load(20, 500, 80, partitions=4, types={"view": 0.8, "share": 0.1, "comment": 0.1}), False),
}
"""Name to a load, and whether rules of the press are in force. The wide ones are marked long."""
LINEAGE = "00000000000000aa"
_CHUNK = 5_000
WITHIN_S = 300.0


@dataclass(frozen=True)
class Sized:
    """Bytes that Redis took, and what the formulas say of the same load; by kind."""

    took: dict[str, int]
    formula: RedisMemory

    def errors(self, least_bytes: int) -> dict[str, float]:
        """Kind to how far the formula is off, of what was taken; of kinds with so many bytes at least."""
        return {kind: getattr(self.formula, kind) / took - 1 for kind, took in self.took.items() if took >= least_bytes}


async def run(bootstrap: str, redis_url: str, directory: Path, load: Load, *, press: bool) -> Sized:
    """Of an empty Redis that nobody else uses."""
    load = replace(load, members=1, site_bytes=4 if load.sites == 1 else 9)
    toml = TOML + PRESS * press
    engine = Engine(bootstrap, redis_url, directory, config=toml, session_timeout_ms=10_000, idempotent=False)
    drawn, generation = Drawn(load, seed=7), engine.generation
    try:
        await engine.create_topic(load.partitions)
        now_ms = int(time.time() * 1000)
        chunks = _chunks(drawn, load, generation, now_ms)
        await produce.write(bootstrap, engine.topic, load.partitions, chunks, produce.BATCHES["big"], lambda _: None)
        consumer = engine.consume(environment="development")
        count = _events(load, generation)
        await engine.until(f"the counting of {count} events", lambda: _counted(engine, count), WITHIN_S)
        await engine.until("the sealing of every slice that has ended", lambda: _sealed(engine), WITHIN_S)
        consumer.stop()
        shards = [await inventory.memory(engine.client, generation, one) for one in range(load.partitions)]
        await _write_catalogue(engine.client, drawn, load)
        await _write_history(engine.client, generation, drawn)
        whole = added([one for one in shards if one is not None])
        keys = CopyKeys(0)
        took = {
            "totals": sum(whole.totals.values()),
            "slices": sum(whole.slices.values()),
            "remembered": whole.remembered,
            "rest": whole.rest,
            "catalogue": sum([await engine.client.memory_usage(key) or 0 for key in (keys.values, keys.changes)]),
            "history": await inventory.history_bytes(engine.client, generation.id) or 0,
            "whole": await _used_bytes(engine.client),
        }
        return Sized(took, redis_memory(load, generation, _live_s(generation, now_ms)))
    finally:
        await engine.close()


def _span_ms(generation: Generation) -> int:
    """From the first event to the last: no event is late when it is counted."""
    return generation.longest.length_ms - 60_000


def _events(load: Load, generation: Generation) -> int:
    return int(load.rate * _span_ms(generation) / 1000)


def _chunks(drawn: Drawn, load: Load, generation: Generation, now_ms: int) -> Iterator[Sequence[produce.Event]]:
    span_ms, count = _span_ms(generation), _events(load, generation)
    for first in range(0, count, _CHUNK):
        events = []
        for number in range(first, min(count, first + _CHUNK)):
            key, value = drawn.event(now_ms - span_ms + span_ms * number // count)
            events.append((home(key, load.partitions), key, value))
        yield events


async def _counted(engine: Engine, count: int) -> bool:
    return sum(max(0, n) for n in await engine.applied()) >= count


async def _sealed(engine: Engine) -> bool:
    """Whether the first delta of each slice that has ended is compressed."""
    now_ms = int(time.time() * 1000)
    for partition in range(engine.partitions):
        keys = ShardKeys(engine.generation.id, partition)
        for member in await engine.client.smembers(keys.slices):
            tier, number = map(int, member.split(b":"))
            if (number + 1) * engine.generation.windows[tier].grain_ms + 70_000 < now_ms:
                first = await engine.client.lindex(keys.slice(tier, number), 0)
                if first is not None and first[:1] == b"\0":
                    return False
    return True


def _live_s(generation: Generation, now_ms: int) -> float:
    """How much of the time of events up to now rules remember."""
    rules = memory_rules(generation)
    if rules is None:
        return 0.0
    first_ms = (now_ms - rules.grace_ms) // rules.per_ms * rules.per_ms
    return (now_ms - first_ms) / 1000


async def _write_catalogue(client: Any, drawn: Drawn, load: Load) -> None:
    """`load.catalogue` records of `load.record_bytes`, as the consumer copies them."""
    keys = CopyKeys(0)
    await client.delete(keys.meta, keys.values, keys.changes)
    copy, state = TopicCopy(client, 0), CopyState(LINEAGE, 0, "")
    await copy.begin(LINEAGE, 1)
    for first in range(0, load.catalogue, 500):
        ranks = range(first, min(load.catalogue, first + 500))
        records = [
            Change(f"{drawn.sites[rank % load.sites]}/{drawn.ids[rank]}".encode(), b"x" * load.record_bytes, rank)
            for rank in ranks
        ]
        await copy.advance(state, ranks.stop, "", records)
        state = CopyState(LINEAGE, ranks.stop, "")


async def _write_history(client: Any, generation: Generation, drawn: Drawn) -> None:
    """192 hours of lists as long as those that are counted, in an order of each hour's own."""
    reach = {}
    for site in drawn.sites:
        for window in generation.windows:
            for board in generation.boards:
                keys = [
                    ShardKeys(generation.id, one).total(window.name, site, board) for one in range(drawn.partitions)
                ]
                rows = [row for key in keys for row in await client.zrange(key, 0, history.PLACES - 1, desc=True)]
                reach[ListName(site, board, window.name)] = [row.decode() for row in rows][: history.PLACES]
    rng, newest = random.Random(1), int(time.time() // 3600)
    for hour in range(newest - history.KEPT_HOURS + 1, newest + 1):
        for ids in reach.values():
            rng.shuffle(ids)
        await history.write_ranks(client, generation.id, hour, reach)


async def _used_bytes(client: Any) -> int:
    """used_memory without connections' buffers, once nothing is being freed any more."""
    last, same = -1, 0
    while same < 3:
        memory = await client.info("memory")
        used = int(memory["used_memory"]) - int(memory["mem_aof_buffer"])
        same, last = same + 1 if abs(used - last) < 65_536 else 0, used
        await asyncio.sleep(0.05)
    return last
