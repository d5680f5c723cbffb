"""What rules with a memory cost: one backlog, counted with preset none and with press, by one consumer and by two."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator

from tests.bench import backlog, produce
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.stack import Stack
from tests.bench.traffic import Backlog

TOPIC = "bench-cost"
RUNS = (("none", 1), ("press", 1), ("none", 2), ("press", 2))
"""Preset and number of consumers."""
LEAST = ">= 200000"


class Readers(Backlog):
    """Every event has a reader of its own: nothing is dropped, and each view adds two keys to the memory."""

    def chunks(self) -> Iterator[list[tuple[int, bytes, bytes]]]:
        number = 0
        for chunk in super().chunks():
            with_reader = []
            for partition, key, value in chunk:
                head, tail = value.split(b',"agent_class"')
                reader = b',"repeat_key":"%016x","agent_class"' % number  # where the contract and the collector have it
                with_reader.append((partition, key, head + reader + tail))
                number += 1
            yield with_reader


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Rates are the median of `repeats` runs, taken in turns."""
    part = Part("cost")
    size = produce.BATCHES["big"]
    traffic = Readers(events, backlog.PARTITIONS, int(time.time() * 1000))
    with progress.task(f"writing {events:,} events with readers", events) as written:
        bootstrap = stack.kafka.bootstrap
        asyncio.run(produce.make_topics(bootstrap, [TOPIC, f"{TOPIC}.dead"], backlog.PARTITIONS))
        asyncio.run(produce.write(bootstrap, TOPIC, backlog.PARTITIONS, traffic.chunks(), size, written))
    found: dict[tuple[str, int], list[backlog.Consumed]] = {one: [] for one in RUNS}
    with progress.task("counting them by preset", repeats * len(RUNS)) as done:
        for _ in range(repeats):
            for preset, consumers in RUNS:
                rules = f'[rules]\npreset = "{preset}"\n'
                found[preset, consumers].append(backlog.consume(stack, TOPIC, traffic, more=rules, consumers=consumers))
                done(1)
    for (preset, consumers), runs in found.items():
        label = f"{preset}, {consumers} consumer{'s' * (consumers > 1)}: "
        rate = statistics.median(events / one.seconds for one in runs)
        part.add(label + "events", rate, "events/s", LEAST if preset == "press" else "", beside=f"{events:,} events")
        for name, cpu_s in (
            ("the consumers", [one.cpu_s for one in runs]),
            ("Redis", [one.redis_cpu_s for one in runs]),
        ):
            part.add(label + f"CPU of {name}", 1e6 * statistics.median(cpu_s) / events, "s / million")
        part.add(label + "memory of the consumers", max(one.resident_bytes for one in runs) / 1e6, "MB")
    part.notes.append("Every event has a reader of its own, so nothing is dropped and each view adds two keys.")
    return part
