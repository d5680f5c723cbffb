"""CPU of consumer and Redis under a steady load: what an event, an increment, a shard cost, by runs of several rates."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from deploy.local import waiting
from ranker import settings
from ranker.core.sizing.load import Load
from tests.bench import counted, processes, produce
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.sized_events import Drawn
from tests.bench.stack import Stack

WINDOWS = """
[windows.short]
length_s = 15
grain_s = 1

[windows.long]
length_s = 40
grain_s = 5
"""
"""Short, so that in a minute's run as many counts leave as come, as they do after a week of the usual windows."""
WARM_S, MEASURED_S = 45.0, 40.0
TICK_S = 0.1
REFERENCE = 2_000_000


@dataclass(frozen=True)
class Steady:
    """One run: a rate, partitions, rules."""

    rate: int
    partitions: int
    press: bool

    @property
    def name(self) -> str:
        return f"{self.rate:,} events/s, {self.partitions} partitions, {'press' if self.press else 'none'}"


RUNS = (
    Steady(0, 4, False),
    Steady(0, 24, False),
    Steady(500, 4, False),
    Steady(2_000, 4, False),
    Steady(6_000, 4, False),
    Steady(2_000, 4, True),
    Steady(6_000, 4, True),
)


def reference_s() -> float:
    """CPU seconds of a loop of known size: what other machines, and busier moments of this one, are compared by."""
    began = time.process_time()
    total = 0
    for number in range(REFERENCE):
        total += number & 7
    return time.process_time() - began


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Every run on an empty Redis; CPU from the processes' own times, so that a busy machine matters little."""
    part = Part("steady")
    runs = RUNS[:3] if quick else RUNS
    with progress.task("steady loads", len(runs)) as done:
        for number, one in enumerate(runs):
            _one(stack, number, one, 2.0 if quick else WARM_S, 3.0 if quick else MEASURED_S, part)
            done(1)
    part.notes.append(
        f"Ids of 40 bytes, 5,000 articles by Zipf's law with exponent 1. Windows of 15 s and 40 s, so that in {MEASURED_S:g} s as "
        f"many counts leave as come. The reference loop adds {REFERENCE:,} numbers, before and after each run."
    )
    return part


def _one(stack: Stack, number: int, one: Steady, warm_s: float, measured_s: float, part: Part) -> None:
    stack.empty_redis()
    topic = f"bench-steady-{number}"
    env = stack.configure(topic, WINDOWS + ('[rules]\npreset = "press"\n' if one.press else ""))
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    asyncio.run(produce.make_topics(stack.kafka.bootstrap, [topic, f"{topic}.dead"], one.partitions))
    argv = processes.ranker("consume", "--admin-port", "0")
    with (
        stack.redis.client() as client,
        processes.running("ranker consume", argv, stack.directory / f"{topic}.log", env) as child,
    ):
        waiting.until(
            "the beginning of every shard",
            lambda: all(n is not None for n in counted.next_offsets(client, generation, one.partitions)),
            120.0,
        )
        before = reference_s()
        figures = asyncio.run(_load(stack, topic, one, (child.pid, stack.redis.pid), warm_s, measured_s))
        processes.check(child)
        resident = processes.resident_bytes(child.pid)
        label = f"{one.name}: "
        sent, took, consumer_s, redis_s = figures
        part.add(label + "sent", sent / took, "events/s")
        part.add(label + "CPU of the consumer", 1000 * consumer_s / took, "ms/s")
        part.add(label + "CPU of Redis", 1000 * redis_s / took, "ms/s")
        part.add(label + "memory of the consumer", resident / 1e6, "MB")
        stats = client.info("commandstats").get("cmdstat_evalsha", {"usec": 0, "calls": 0})
        part.add(label + "scripts", stats["calls"] / (took + warm_s), "per s")
        part.add(label + "reference loop", 1000 * (before + reference_s()) / 2, "ms")


async def _load(
    stack: Stack, topic: str, one: Steady, pids: tuple[int, int], warm_s: float, measured_s: float
) -> tuple[int, float, float, float]:
    """Events sent, seconds, CPU seconds of both processes in the measured part."""
    drawn = Drawn(Load(one.rate, 5_000, 40), seed=1)
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap, acks=1, linger_ms=5)
    await producer.start()
    began, sent, marks = time.monotonic(), 0, [0.0, 0.0]
    measured_at: float | None = None
    sent_at = 0
    try:
        while (passed := time.monotonic() - began) < warm_s + measured_s:
            if measured_at is None and passed >= warm_s:
                measured_at, sent_at, marks = time.monotonic(), sent, [processes.cpu_s(pid) for pid in pids]
            for _ in range(int(passed * one.rate) - sent):
                key, value = drawn.event(int(time.time() * 1000))
                await producer.send(topic, key=key, value=value)
                sent += 1
            await asyncio.sleep(TICK_S)
        took = time.monotonic() - (measured_at or began)
        consumer_s, redis_s = (processes.cpu_s(pid) - mark for pid, mark in zip(pids, marks, strict=True))
    finally:
        await producer.stop()
    return sent - sent_at, took, consumer_s, redis_s
