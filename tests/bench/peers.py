"""Flink, Kafka Streams, one native thread and a bare loop beside the consumer: the same topic, in turns, sums checked.

The peers are programs of their own in peers/, which say how they were tuned. Each counts the page views by
(article, event type, minute of event time) and prints one line of JSON: `events`, `rows` (counts), `squares` (the sum of
the counts' squares, which no other division of the same events has), `seconds` from the first record to the last,
`cpu_s` of the whole process in that time, `process_cpu_s` from its start to its end.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import children, waiting
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_jars import CHECKOUT, java
from tests.bench import backlog, processes, produce
from tests.bench.backlog import PARTITIONS, WITHIN_S
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.rules import PRESS
from tests.bench.stack import Stack
from tests.bench.traffic import TYPES, Backlog

SOURCES = CHECKOUT / "tests" / "bench" / "peers"
BUILT = CHECKOUT / "build" / "peers"
KERNEL = CHECKOUT / "ranker" / "kernel"
BUILD_WITHIN_S = 900.0
TOPIC = "bench-peers"
MINUTE_MS = 60_000
JVM = ("-Xms2g", "-Xmx2g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
"""A heap that neither fills, and the collector with the most throughput."""


class Sums(NamedTuple):
    """What the counts of a topic add up to."""

    events: int
    rows: int
    squares: int


@dataclass(frozen=True)
class Run:
    """One run of one contender: CPU of all its processes, in the window that its rate is of."""

    events: int
    seconds: float
    cpu_s: float
    process_cpu_s: float | None = None
    """With start and end, where that is known."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds


OURS, OURS_TWO, BARE = "ranker consume", "ranker consume, two processes", "bare getmany"
FLINK, STREAMS, NATIVE = "Flink", "Kafka Streams", "one native thread"
LEAST = {BARE: ">= 2.0", FLINK: ">= 2.5", STREAMS: ">= 5"}
"""What one process of ours has to reach beside them."""


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Rounds in which each has one turn; ratios are within the round, the median of rounds. Raises for a wrong sum."""
    _build(progress)
    part = Part("peers")
    made = Backlog(events, PARTITIONS, int(time.time() * 1000))
    with progress.task(f"writing {events:,} events for the peers", events) as written:
        asyncio.run(produce.make_topics(stack.kafka.bootstrap, [TOPIC, f"{TOPIC}.dead"], PARTITIONS))
        size = produce.BATCHES["big"]
        asyncio.run(produce.write(stack.kafka.bootstrap, TOPIC, PARTITIONS, made.real_chunks(), size, written))
    expected = _sums(made)
    turns: dict[str, Callable[[str], Run]] = {
        BARE: lambda _: _bare(stack, events),
        OURS: lambda _: _ours(stack, made, 1),
        FLINK: lambda label: _flink(stack, expected, label),
        OURS_TWO: lambda _: _ours(stack, made, 2),
        STREAMS: lambda label: _streams(stack, expected, label),
        NATIVE: lambda label: _native(stack, expected, label),
    }
    runs: dict[str, list[Run]] = defaultdict(list)
    with progress.task("reading them, in turns", repeats * len(turns)) as done:
        for number in range(repeats):
            for name, turn in turns.items():
                runs[name].append(turn(f"peer-{number}"))
                done(1)
    _figures(part, runs)
    versions = {FLINK: _version("flink", "flink-core"), STREAMS: _version("streams", "kafka-streams")}
    part.notes.append(", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    part.details = {
        "versions": versions,
        "sums": expected._asdict(),
        **{name: [asdict(one) for one in found] for name, found in runs.items()},
    }
    return part


def _sums(made: Backlog) -> Sums:
    """Drawn once more, a minute after the other; what was sent is known already, and has to be as many."""
    again = replace(made, known={kind: Counter() for kind in TYPES})
    rows = squares = 0
    minute, counts = -1, Counter[tuple[str, str]]()
    for drawn in again.drawn():
        for _, kind, article, time_ms in drawn:
            if time_ms // MINUTE_MS != minute:
                rows, squares = rows + len(counts), squares + sum(count * count for count in counts.values())
                minute, counts = time_ms // MINUTE_MS, Counter()
            counts[kind, article] += 1
    rows, squares = rows + len(counts), squares + sum(count * count for count in counts.values())
    if again.known != made.known:
        raise RuntimeError("the backlog is not the same when it is drawn again")
    return Sums(sum(sent.total() for sent in made.known.values()), rows, squares)


def _build(progress: Progress) -> None:
    """Builds into build/peers what has changed. The first time needs a network. Raises MissingTool without Maven or cargo."""
    maven, cargo = shutil.which("mvn"), shutil.which("cargo")
    if maven is None or cargo is None:
        raise MissingTool("the peers need Maven (Debian: apt-get install maven) and cargo (rustup)")
    BUILT.mkdir(parents=True, exist_ok=True)
    with progress.task("building the kernel, Flink's, Kafka Streams' and the native program", 4) as done:
        _command("kernel", [CHECKOUT / "deploy" / "kernel.sh"])
        done(1)
        for name in ("flink", "streams"):
            shutil.rmtree(BUILT / name / "jars", ignore_errors=True)  # of an earlier pom
            _command(name, [maven, "-q", "-B", "-f", SOURCES / name / "pom.xml", "package"])
            done(1)
        # The kernel's crates in the kernel's versions; cargo leaves out what is not needed.
        shutil.copyfile(KERNEL / "Cargo.lock", SOURCES / "native" / "Cargo.lock")
        argv: list[str | Path] = [
            cargo,
            "build",
            "--quiet",
            "--release",
            "--manifest-path",
            SOURCES / "native" / "Cargo.toml",
        ]
        _command("native", [*argv, "--target-dir", BUILT / "native"])
        done(1)


def _command(name: str, argv: list[str | Path]) -> None:
    log = BUILT / f"{name}.log"
    log.unlink(missing_ok=True)
    ended = children.run(f"the build of {name}", argv, log, deadline_s=BUILD_WITHIN_S)
    if ended.returncode():
        raise ended.death()


def _ours(stack: Stack, made: Backlog, consumers: int) -> Run:
    """`backlog.consume` compares the totals of every article."""
    found = backlog.consume(stack, TOPIC, made, more=PRESS, consumers=consumers)
    return Run(made.events, found.seconds, found.cpu_s)


def _bare(stack: Stack, events: int) -> Run:
    found = backlog.plain(stack, "count", TOPIC, events)
    return Run(events, found["seconds"], found["cpu_s"])


def _flink(stack: Stack, expected: Sums, label: str) -> Run:
    checkpoints = stack.directory / f"{label}-checkpoints"
    checkpoints.mkdir()
    words = [stack.kafka.bootstrap, TOPIC, str(checkpoints)]
    try:
        return _peer(stack, FLINK, [*_jvm("flink", "FlinkCount"), *words], expected)
    finally:
        shutil.rmtree(checkpoints)


def _streams(stack: Stack, expected: Sums, label: str) -> Run:
    state = stack.directory / f"{label}-state"
    words = [stack.kafka.bootstrap, TOPIC, str(state), label, str(expected.events)]
    try:
        return _peer(stack, STREAMS, [*_jvm("streams", "StreamsCount"), *words], expected)
    finally:
        shutil.rmtree(state, ignore_errors=True)
        # Else the broker would compact it while others are measured.
        asyncio.run(_delete_topic(stack.kafka.bootstrap, f"{label}-counts-changelog"))


def _native(stack: Stack, expected: Sums, label: str) -> Run:
    program = BUILT / "native" / "release" / "native-count"
    words = [stack.kafka.bootstrap, TOPIC, str(PARTITIONS), str(expected.events)]
    return _peer(stack, NATIVE, [str(program), *words], expected)


def _jvm(name: str, program: str) -> list[str]:
    jars = [BUILT / name / f"{name}-count-1.jar", BUILT / name / "jars" / "*"]
    return [str(java()), *JVM, "-cp", ":".join(map(str, jars)), program]


def _version(name: str, jar: str) -> str:
    return next((BUILT / name / "jars").glob(f"{jar}-[0-9]*.jar")).stem.removeprefix(f"{jar}-")


def _peer(stack: Stack, name: str, argv: list[str], expected: Sums) -> Run:
    """One run of a program that prints its figures as its last line. Raises if its sums are not the expected ones."""
    log = stack.directory / "peer.log"
    log.unlink(missing_ok=True)
    with processes.running(name, argv, log, {}) as child:
        waiting.until(f"the end of {name}", lambda: child.returncode() is not None, WITHIN_S)
        if child.returncode():
            raise child.death()
    lines = log.read_text().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise LocalFault(f"{name} printed no figures:\n" + "\n".join(lines[-20:]))
    found = json.loads(lines[-1])
    sums = Sums(found["events"], found["rows"], found["squares"])
    if sums != expected:
        raise RuntimeError(f"the counts of {name} are wrong: {sums}, and not {expected}")
    return Run(sums.events, found["seconds"], found["cpu_s"], found["process_cpu_s"])


async def _delete_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()


def _figures(part: Part, runs: dict[str, list[Run]]) -> None:
    for name, found in runs.items():
        rates = [one.rate for one in found]
        beside = f"{found[0].events:,} events, {len(found)} runs, {min(rates):,.0f} to {max(rates):,.0f}"
        part.add(f"{name}: rate", statistics.median(rates), "events/s", beside=beside)
    for name, found in runs.items():
        cpu = statistics.median(one.cpu_s * 1e6 / one.events for one in found)
        whole = [one.process_cpu_s * 1e6 / one.events for one in found if one.process_cpu_s is not None]
        beside = f"{statistics.median(whole):.3g} from start to end" if whole else ""
        part.add(f"{name}: CPU", cpu, "s / million", beside=beside)
    for ours, least in ((OURS, LEAST), (OURS_TWO, {})):
        for name in (BARE, FLINK, STREAMS, NATIVE):
            ratios = [one.rate / peer.rate for one, peer in zip(runs[ours], runs[name], strict=True)]
            beside = f"{min(ratios):.3g} to {max(ratios):.3g}"
            part.add(f"{ours} / {name}", statistics.median(ratios), "times", least.get(name, ""), beside)
    part.notes.append(
        "One topic, events as a collector writes them, batches of 256 KiB. Kafka, Redis and the measured process share the "
        "cores. Rates are from the first record to the last: ours to the last event applied in Redis, Flink's to the last "
        "window's count, Kafka Streams' to the last event processed and not yet committed, the native thread's from its "
        "first request on. A JVM's warm-up is in its rate, its start is not; CPU is of the same time."
    )
    part.notes.append(
        "Bare getmany counts nothing. Ours: preset press, totals of each article compared in Redis, where lists are served "
        "from. Flink: throws its output away. Kafka Streams: its output is its changelog. The native thread: fetches, checks "
        "and folds with the kernel's code, without rules, and writes nothing. Theirs is compared by the number of counts, "
        "their sum, and that of their squares."
    )
