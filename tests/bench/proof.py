"""What proof takes: a generation rebuilt, verified and compared, with the rules of press."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from ranker import settings
from tests.bench import backlog, processes, produce
from tests.bench.cost import Readers
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.stack import Stack

TOPIC = "bench-proof"
PRESS = '[rules]\npreset = "press"\n'
COMPARE = ("compare", "--rules", "press", "--rules", "none", "--since", "1d", "--json")
WEEK_S = 7 * 86_400


@dataclass(frozen=True)
class Ended:
    """A command that ran to its end; `resident_bytes` is its peak."""

    seconds: float
    cpu_s: float
    resident_bytes: int


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Rates are the median of `repeats` runs, taken in turns, of whole processes; a rebuild's from its first shard on."""
    part = Part("proof")
    traffic = Readers(events, backlog.PARTITIONS, int(time.time() * 1000))
    bootstrap = stack.kafka.bootstrap
    with progress.task(f"writing {events:,} events with readers", events) as written:
        asyncio.run(produce.make_topics(bootstrap, [TOPIC, f"{TOPIC}.dead"], backlog.PARTITIONS))
        chunks, size = traffic.chunks(), produce.BATCHES["big"]
        asyncio.run(produce.write(bootstrap, TOPIC, backlog.PARTITIONS, chunks, size, written))
    rebuilt: list[backlog.Consumed] = []
    found: dict[str, list[Ended]] = {"verify": [], "compare press and none": []}
    with progress.task("rebuilding, verifying and comparing them", 3 * repeats) as done:
        for _ in range(repeats):
            rebuilt.append(backlog.consume(stack, TOPIC, traffic, more=PRESS, command=("rebuild", "--yes")))
            done(1)
            env = stack.configure(TOPIC, PRESS)
            generation = settings.load(env["RANKER_CONFIG"], env).generation.id
            verify = ("verify", "--generation", generation, "--json")
            for name, words in (("verify", verify), ("compare press and none", COMPARE)):
                ended, printed = to_its_end(words, env)
                found[name].append(ended)
                if printed["records"] != events:
                    raise RuntimeError(f"{name} read {printed['records']} records of {events}")
                done(1)
    rate = statistics.median(events / one.seconds for one in rebuilt)
    week(part, "rebuild", rate, f"{events:,} events, {repeats} runs")
    part.add("rebuild: CPU", 1e6 * statistics.median(one.cpu_s for one in rebuilt) / events, "s / million")
    part.add("rebuild: memory", max(one.resident_bytes for one in rebuilt) / 1e6, "MB")
    for name, runs in found.items():
        week(part, name, statistics.median(events / one.seconds for one in runs), "")
        part.add(f"{name}: CPU", 1e6 * statistics.median(one.cpu_s for one in runs) / events, "s / million")
        part.add(f"{name}: peak memory", max(one.resident_bytes for one in runs) / 1e6, "MB")
    part.notes.append(
        "One process each; Kafka and Redis share the cores. Every event has a reader of its own, so everything is remembered. "
        "A week's time is its number of events divided by the rate."
    )
    return part


def week(part: Part, name: str, rate: float, beside: str) -> None:
    part.add(f"{name}: events", rate, "events/s", beside=beside)
    for views_s in (1_000, 10_000):
        part.add(f"{name}: a week at {views_s:,} views/s", views_s * WEEK_S / rate / 3600, "h")


def to_its_end(words: tuple[str, ...], env: dict[str, str]) -> tuple[Ended, dict[str, Any]]:
    """What it took, and the JSON that it printed."""
    began = time.perf_counter()
    argv = processes.ranker(*words)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, env={**os.environ, **processes.environment(), **env}
    ) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ranker {words[0]} ended with code {process.returncode}: {text[:2000]!r}")
    seconds = time.perf_counter() - began
    return Ended(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024), json.loads(text)
