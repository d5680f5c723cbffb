"""Rules that remember: how long a takeover takes by what is remembered, its memory, and what they cost in a backlog."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import redis

from ranker import settings
from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.core.memory import MemoryChange
from ranker.core.step import Changes
from ranker.store.keys import ShardKeys
from tests.bench import backlog, processes, produce
from tests.bench.backlog import PARTITIONS, Consumed
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.remembering import GENERATION, HOUR_MS
from tests.bench.shards import Shard, begin
from tests.bench.stack import Stack
from tests.bench.traffic import OWN_FORM, Backlog, form
from tests.support.redis_at import redis_at

TOPIC = "bench-rules"
KEYS = (1_000_000, 5_000_000, 10_000_000)
STEP_KEYS = 695
"""A shard at its bound: 1,390 events/s, of two keys each, applied four times a second."""
FEW_KEYS = 20
"""A shard with 40 events/s."""
FORMULA_BYTES = 8
STRETCH_MINUTES = 60
PRESS = '[rules]\npreset = "press"\n'


def run(stack: Stack, events: int, quick: bool, progress: Progress) -> Part:
    """Takeovers by size, on shards filled by the real script; then a stretch of an hour without rules and with them."""
    part = Part("rules")
    sizes = [(keys // (100 if quick else 1), STEP_KEYS) for keys in KEYS]
    sizes.append((sizes[0][0], FEW_KEYS))
    with progress.task("takeovers, by what rules remember", len(sizes)) as done:
        for keys, of_step in sizes:
            stack.empty_redis()
            _takeover(stack, keys, of_step, part)
            done(1)
    _stretch(stack, events, part, progress)
    part.notes.append(
        "A takeover is what `ranker consume` does before a partition counts on: everything that rules remember of it is "
        f"read and held. Redis has it in elements of {STEP_KEYS} keys, as a shard at its bound writes them, or of "
        f"{FEW_KEYS}. The event loop's longest block is the longest time for which a task that wants to run every "
        "millisecond did not, while the memory was loaded."
    )
    part.notes.append(
        f"The stretch: {events:,} events in {STRETCH_MINUTES} minutes of event time, each of another reader, on {PARTITIONS} "
        "partitions: nothing is dropped, everything is remembered. One consumer process holds all of it."
    )
    return part


def _takeover(stack: Stack, keys: int, of_step: int, part: Part) -> None:
    asyncio.run(_fill(stack.redis.url, keys, of_step))
    label = f"{keys / 1e6:g} million keys" + ("" if of_step == STEP_KEYS else f", elements of {of_step}") + ": "
    with stack.redis.client() as client:
        stored = _stored_bytes(client, GENERATION, 1)
    argv = processes.module("tests.bench.remembering", stack.redis.url, "0")
    env = {**os.environ, **processes.environment()}
    loaded = json.loads(subprocess.run(argv, env=env, check=True, capture_output=True).stdout)
    if loaded["keys"] != keys:
        raise RuntimeError(f"{loaded['keys']} of {keys} keys were loaded")
    part.add(label + "takeover", loaded["seconds"], "s", beside=f"CPU {loaded['cpu_s']:.3g} s")
    part.add(label + "takeover of a million", loaded["seconds"] * 1e6 / keys, "s", "< 1")
    part.add(label + "longest block of the event loop", loaded["longest_block_ms"], "ms", "<= 50")
    part.add(
        label + "in the process",
        loaded["resident_bytes"] / keys,
        "bytes/key",
        "<= 24",
        f"resident, {loaded['resident_bytes'] / 1e6:,.0f} MB; {loaded['bytes'] / keys:.3g} by its own count",
    )
    part.add(label + "in Redis", stored / keys, "bytes/key", beside=f"{FORMULA_BYTES} by formula")
    part.details[label.removesuffix(": ")] = loaded


async def _fill(url: str, keys: int, of_step: int) -> None:
    """One shard with so many random keys, half of them in each of two hours."""
    now_ms = int(time.time() * 1000)
    async with connect(redis_at(url)) as client:
        (shard,) = await begin(client, GENERATION, 1, now_ms)
        for first in range(0, keys, of_step):
            count = min(of_step, keys - first)
            bucket = now_ms // HOUR_MS - (first < keys // 2)
            await _remember(shard, MemoryChange(now_ms, 0, {bucket: bytearray(os.urandom(8 * count))}))


async def _remember(shard: Shard, change: MemoryChange) -> None:
    await shard.advance(replace(shard.step(Changes(), change.size), memory=change))


def _stored_bytes(client: redis.Redis, generation: Generation, partitions: int) -> int:
    """Bytes that the lists of all live buckets take in Redis."""
    found = 0
    for partition in range(partitions):
        shard = ShardKeys(generation.id, partition)
        members: set[bytes] = client.smembers(shard.buckets)  # type: ignore[assignment]
        for bucket in map(int, members):
            found += int(client.memory_usage(shard.remembered(bucket), samples=0) or 0)
    return found


def _stretch(stack: Stack, events: int, part: Part, progress: Progress) -> None:
    made = Backlog(events, PARTITIONS, int(time.time() * 1000), per_minute=events // STRETCH_MINUTES)
    bootstrap = stack.kafka.bootstrap
    with progress.task(f"writing {events:,} events of an hour", events) as written:
        asyncio.run(produce.make_topics(bootstrap, [TOPIC, f"{TOPIC}.dead"], PARTITIONS))
        chunks = _with_readers(made)
        asyncio.run(produce.write(bootstrap, TOPIC, PARTITIONS, chunks, produce.BATCHES["big"], written))
    with progress.task("reading them without rules and with", 2) as done:
        plain = backlog.consume(stack, TOPIC, made)
        done(1)
        ruled = backlog.consume(stack, TOPIC, made, more=PRESS)
        done(1)
    env = stack.configure(TOPIC, PRESS)
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    with stack.redis.client() as client:
        stored = _stored_bytes(client, generation, PARTITIONS)
    keys = sum(2 if kind == "view" else 1 for kind in made.known for _ in range(made.known[kind].total()))
    _compare(part, events, plain, ruled)
    held = ruled.resident_bytes - plain.resident_bytes
    part.add("stretch: keys", keys, "", beside=f"{keys / events:.3g} an event")
    beside = f"{held / 1e6:,.0f} MB more than without rules"
    part.add("stretch: in the process", held / keys, "bytes/key", "<= 24", beside)
    beside = f"{stored / 1e6:,.0f} MB; {FORMULA_BYTES} by formula"
    part.add("stretch: in Redis", stored / keys, "bytes/key", beside=beside)
    part.details["stretch"] = {"without": asdict(plain), "with": asdict(ruled)}


def _compare(part: Part, events: int, plain: Consumed, ruled: Consumed) -> None:
    cost: list[tuple[str, str, Callable[[Consumed], float]]] = [
        ("ranker consume", "events/s", lambda one: events / one.seconds),
        ("CPU of the consumer", "s / million", lambda one: one.cpu_s * 1e6 / events),
        ("CPU of Redis", "s / million", lambda one: one.redis_cpu_s * 1e6 / events),
        ("longest script", "ms", lambda one: one.longest_script_ms),
        ("memory of the consumer", "MB", lambda one: one.resident_bytes / 1e6),
    ]
    for name, unit, figure in cost:
        part.add(f"stretch: {name}", figure(ruled), unit, beside=f"{figure(plain):,.4g} without rules")


def _with_readers(made: Backlog) -> Iterator[list[produce.Event]]:
    """The events, keyed, each with a reader of its own."""
    homes, value = made.homes(), form(OWN_FORM, made.end_ms)
    for drawn in made.drawn():
        yield [
            (
                *homes[article],
                b'%s,"repeat_key":"%016x"}' % (value(number, kind, article, time_ms)[:-1], number),
            )
            for number, kind, article, time_ms in drawn
        ]
