"""The consumer with its kernel and without, with rules and none, one process and two, beside bare aiokafka."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from dataclasses import asdict
from typing import NamedTuple

from tests.bench import backlog, produce
from tests.bench.backlog import PARTITIONS, Consumed
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.rules import PRESS
from tests.bench.stack import Stack
from tests.bench.traffic import Backlog


class Way(NamedTuple):
    """One configuration of the consumer."""

    name: str
    kernel: bool
    rules: str = PRESS
    consumers: int = 1


WAYS = (
    Way("kernel, press", kernel=True),
    Way("kernel, none", kernel=True, rules=""),
    Way("kernel, press, two processes", kernel=True, consumers=2),
    Way("plain, press", kernel=False),
    Way("plain, none", kernel=False, rules=""),
)
SIZES = ("big", "16k")


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Rounds in which every way and the bare loop have one turn; ratios are within the round, the median of rounds."""
    part = Part("folds")
    for name in SIZES:
        _one_size(stack, produce.BATCHES[name], events, repeats, part, progress)
    part.notes.append(
        "Events as a collector writes them: event_id, a reader's key, producer_id and sequence, some 0.3 (article, minute) "
        "pairs an event, each of another reader: press drops nothing and remembers two keys an event. Kafka, Redis (AOF "
        "everysec) and the consumer share the cores."
    )
    return part


def _one_size(stack: Stack, size: produce.BatchSize, events: int, repeats: int, part: Part, progress: Progress) -> None:
    topic = "folds-" + size.name.lower().replace(" ", "-")
    made = Backlog(events, PARTITIONS, int(time.time() * 1000))
    bootstrap = stack.kafka.bootstrap
    with progress.task(f"writing {events:,} events in batches of {size.name}", events) as written:
        asyncio.run(produce.make_topics(bootstrap, [topic, f"{topic}.dead"], PARTITIONS))
        asyncio.run(produce.write(bootstrap, topic, PARTITIONS, made.real_chunks(), size, written))
    bare: list[float] = []
    runs: dict[Way, list[Consumed]] = defaultdict(list)
    with progress.task(f"reading them, batches of {size.name}", repeats * (len(WAYS) + 1)) as done:
        for _ in range(repeats):
            counting = backlog.plain(stack, "count", topic, events)
            bare.append(counting["events"] / counting["seconds"])
            done(1)
            for way in WAYS:
                more = way.rules
                runs[way].append(
                    backlog.consume(stack, topic, made, more=more, consumers=way.consumers, kernel=way.kernel)
                )
                done(1)
    _figures(part, size, events, bare, runs)
    part.details[size.name] = {
        "events": events,
        "bare": bare,
        **{way.name: [asdict(one) for one in found] for way, found in runs.items()},
    }


def _figures(
    part: Part, size: produce.BatchSize, events: int, bare: list[float], runs: dict[Way, list[Consumed]]
) -> None:
    label, is_big = f"{size.name}: ", size is produce.BATCHES["big"]
    part.add(label + "bare getmany", statistics.median(bare), "events/s")
    for way, found in runs.items():
        own = f"{label}{way.name}: "
        rates = [events / one.seconds for one in found]
        part.add(own + "rate", statistics.median(rates), "events/s", _least_rate(way) if is_big else "")
        ratio = statistics.median(rate / beside for rate, beside in zip(rates, bare, strict=True))
        part.add(own + "of bare", ratio, "times", _least_ratio(way, is_big=is_big))
        per_cpu = statistics.median(events / one.cpu_s for one in found)
        part.add(own + "a CPU second", per_cpu, "events", ">= 1000000" if way is WAYS[0] and is_big else "")
        redis = statistics.median(one.redis_cpu_s * 1e6 / events for one in found)
        part.add(own + "Redis", redis, "CPU s / million", "<= 0.25" if is_big else "")
        longest = max(one.longest_script_ms for one in found)
        part.add(own + "longest script", longest, "ms", "<= 30" if is_big else "")
        memory = max(one.resident_bytes for one in found) / 1e6
        part.add(own + "memory", memory, "MB", "<= 300" if way is WAYS[0] else "")
    pairs = zip(runs[WAYS[0]], runs[WAYS[1]], strict=True)
    share = statistics.median(none.seconds / press.seconds for press, none in pairs)
    part.add(label + "press beside none, kernel", share, "times", ">= 0.8" if is_big else "")


def _least_rate(way: Way) -> str:
    if way.kernel:
        return ">= 1500000" if way.consumers == 2 else ""
    return ">= 200000" if way.rules else ">= 250000"


def _least_ratio(way: Way, *, is_big: bool) -> str:
    if way is not WAYS[0]:
        return ""
    return ">= 2.0" if is_big else ">= 1.8"
