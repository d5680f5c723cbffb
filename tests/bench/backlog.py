"""Events per second of the real consumer from a backlog, beside two simple loops, by size of the producers' batches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import statistics
import sys
import time
from dataclasses import asdict, dataclass

import redis

from deploy.local import waiting
from ranker import settings
from tests.bench import counted, processes, produce
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.stack import Stack
from tests.bench.traffic import Backlog

PARTITIONS = 4
SHARE = {"big": 1.0, "16k": 0.5, "ten": 0.1}
"""How much of the backlog is also written with smaller batches: those take long to write."""
ZINCRBY_EVENTS = 200_000
WITHIN_S = 900.0


@dataclass(frozen=True)
class Consumed:
    """One run of `ranker consume` over a backlog, from the first begun shard to the last applied event."""

    seconds: float
    cpu_s: float
    redis_cpu_s: float
    resident_bytes: int
    longest_script_ms: float
    mean_script_ms: float
    scripts: int


def run(stack: Stack, events: int, repeats: int, batches: tuple[str, ...], profiler: str, progress: Progress) -> Part:
    """All batch sizes; rates are the median of `repeats` runs, the loops and the consumer taking turns.

    `profiler` is a command that looks at the consumer while it works; its {pid} is replaced.
    """
    part = Part("backlog")
    part.details["consumed"] = {}
    for name in batches:
        size = produce.BATCHES[name]
        _one_size(stack, size, max(100_000, int(events * SHARE[name])), repeats, profiler, part, progress)
    part.notes.append(
        "Kafka, Redis and the measured process share the cores. Rates begin when partitions are assigned and the first "
        "shard has begun; starting Python and joining the group are not in them."
    )
    return part


def _one_size(
    stack: Stack,
    size: produce.BatchSize,
    events: int,
    repeats: int,
    profiler: str,
    part: Part,
    progress: Progress,
) -> None:
    topic = "bench-" + size.name.lower().replace(" ", "-")
    backlog = Backlog(events, PARTITIONS, int(time.time() * 1000))
    bootstrap = stack.kafka.bootstrap
    with progress.task(f"writing {events:,} events in batches of {size.name}", events) as written:
        asyncio.run(produce.make_topics(bootstrap, [topic, f"{topic}.dead"], PARTITIONS))
        asyncio.run(produce.write(bootstrap, topic, PARTITIONS, backlog.chunks(), size, written))
    bare, bare_cpu, consumed = [], [], []
    with progress.task(f"reading them, batches of {size.name}", 2 * repeats + 1) as done:
        for _ in range(repeats):
            counting = plain(stack, "count", topic, events)
            bare.append(counting["events"] / counting["seconds"])
            bare_cpu.append(1e6 * counting["cpu_s"] / counting["events"])
            done(1)
            consumed.append(consume(stack, topic, backlog, profiler))
            done(1)
        stack.empty_redis()
        looped = plain(stack, "zincrby", topic, min(events, ZINCRBY_EVENTS))
        zincrby = looped["events"] / looped["seconds"]
        done(1)
    part.details["consumed"][size.name] = {"events": events, "runs": [asdict(one) for one in consumed], "bare": bare}
    _figures(part, size, events, consumed, statistics.median(bare), statistics.median(bare_cpu), zincrby)
    part.details["consumed"][size.name]["zincrby_events"] = looped["events"]


def _figures(
    part: Part,
    size: produce.BatchSize,
    events: int,
    consumed: list[Consumed],
    bare: float,
    bare_cpu: float,
    zincrby: float,
) -> None:
    big, small = size is produce.BATCHES["big"], size is produce.BATCHES["16k"]
    label = f"{size.name}: "
    rate = statistics.median(events / one.seconds for one in consumed)
    cpu = statistics.median(one.cpu_s for one in consumed) * 1e6 / events
    part.add(label + "ranker consume", rate, "events/s", beside=f"{events:,} events, {len(consumed)} runs")
    part.add(label + "(a) bare getmany", bare, "events/s")
    part.add(
        label + "(b) ZINCRBY per event", zincrby, "events/s", beside=f"first {min(events, ZINCRBY_EVENTS):,} events"
    )
    part.add(label + "consume / (a)", rate / bare, "times", ">= 2.0" if big else ">= 1.4" if small else "")
    part.add(label + "consume / (b)", rate / zincrby, "times", ">= 16" if big else "")
    part.add(label + "events per CPU second of the consumer", 1e6 / cpu, "events/s", ">= 1000000" if big else "")
    part.add(label + "CPU of the consumer", cpu, "s / million", beside=f"(a) {bare_cpu:.3g}")
    redis_cpu = statistics.median(one.redis_cpu_s for one in consumed) * 1e6 / events
    part.add(label + "CPU of Redis", redis_cpu, "s / million", "<= 0.5" if big else "")
    part.add(
        label + "longest script",
        max(one.longest_script_ms for one in consumed),
        "ms",
        beside=f"mean {statistics.median(one.mean_script_ms for one in consumed):.3g} ms",
    )
    part.add(label + "memory of the consumer", max(one.resident_bytes for one in consumed) / 1e6, "MB")


def plain(stack: Stack, what: str, topic: str, events: int) -> dict[str, float]:
    """One run of a simple loop (tests/bench/plain.py)."""
    argv = [sys.executable, "-m", "tests.bench.plain", what, stack.kafka.bootstrap, topic, str(PARTITIONS), str(events)]
    log = stack.directory / f"{what}.log"
    log.unlink(missing_ok=True)
    with processes.running(f"the {what} loop", [*argv, stack.redis.url], log, {}) as child:
        waiting.until(f"the end of the {what} loop", lambda: child.returncode() is not None, WITHIN_S)
        if child.returncode():
            processes.check(child)
    result: dict[str, float] = json.loads(log.read_text())
    return result


CONSUME = ("consume", "--admin-port", "0")


def consume(
    stack: Stack,
    topic: str,
    backlog: Backlog,
    profiler: str = "",
    more: str = "",
    consumers: int = 1,
    command: tuple[str, ...] = CONSUME,
    *,
    kernel: bool = True,
) -> Consumed:
    """One run of so many consumers (`ranker COMMAND`) on an empty Redis, `more` in their ranker.toml.
    Without `kernel` the plain fold counts.

    Raises if the counts at its end are not exactly those that were sent.
    """
    stack.empty_redis()
    env = stack.configure(topic, more) | ({} if kernel else {"RANKER_KERNEL": "off"})
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    argv = processes.ranker(*command)
    log = stack.directory / f"consume-{topic}.log"
    with stack.redis.client() as client, contextlib.ExitStack() as beside:
        children = [
            beside.enter_context(
                processes.running(f"ranker {command[0]}", argv, log.with_suffix(f".{number}.log"), env)
            )
            for number in range(consumers)
        ]

        def applied() -> list[int | None]:
            for child in children:
                processes.check(child)
            return counted.next_offsets(client, generation, backlog.partitions)

        waiting.until("the beginning of a shard", lambda: any(n is not None for n in applied()), 120.0)
        began, redis_cpu = time.perf_counter(), processes.cpu_s(stack.redis.pid)
        cpu = sum(processes.cpu_s(child.pid) for child in children)
        if profiler:
            words = shlex.split(profiler.format(pid=children[0].pid))
            looking = beside.enter_context(processes.running("the profiler", words, stack.directory / "look.log", {}))
            beside.callback(waiting.until, "the profile", lambda: looking.returncode() is not None, WITHIN_S)
        waiting.until("the end of the backlog", lambda: sum(n or 0 for n in applied()) >= backlog.events, WITHIN_S)
        seconds = time.perf_counter() - began
        cpu = sum(processes.cpu_s(child.pid) for child in children) - cpu
        redis_cpu = processes.cpu_s(stack.redis.pid) - redis_cpu
        resident = sum(processes.resident_bytes(child.pid) for child in children)
        faults = counted.faults(client, generation, backlog.partitions, backlog.known)
        if faults:
            raise RuntimeError("the counts are wrong: " + "; ".join(faults))
        return Consumed(seconds, cpu, redis_cpu, resident, *scripts(client))


def scripts(client: redis.Redis) -> tuple[float, float, int]:
    """Longest and mean duration in ms of the scripts since the statistics were reset, and their number."""
    slow = [entry["duration"] for entry in client.slowlog_get(100_000) if entry["command"].startswith(b"EVALSHA")]
    stats = client.info("commandstats").get("cmdstat_evalsha", {"usec_per_call": 0.0, "calls": 0})
    mean = stats["usec_per_call"] / 1000
    return max(slow, default=0) / 1000 or mean, mean, stats["calls"]
