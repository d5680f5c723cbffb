"""The collector's events per second, beside a bare producer with acks=all and the same server without a way out."""

from __future__ import annotations

import asyncio
import json
import statistics
from dataclasses import dataclass

from deploy.local import children
from tests.bench import processes
from tests.bench.collector import Collector, collector, posted, posting
from tests.bench.figures import Part
from tests.bench.produce import make_topics
from tests.bench.progress import Progress
from tests.bench.stack import Stack

PARTITIONS = 4
SIZES = (1, 10, 100)
CONNECTIONS = 32
OURS, NOWHERE, BARE = "producers collect", "the same server without writing", "bare aiokafka producer"


@dataclass(frozen=True)
class Turn:
    """Events per second, and how long one request took (for the bare producer: one round of as many events)."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float = 0.0


def run(stack: Stack, repeats: int, quick: bool, progress: Progress) -> Part:
    """Of several turns the median."""
    seconds = 2.0 if quick else 8.0
    topic = "bench-collect"
    asyncio.run(make_topics(stack.kafka.bootstrap, [topic], PARTITIONS))
    ours, nowhere = collector(stack, topic), collector(stack, topic, writes=False)
    part = Part("collect")
    with progress.task("the collector", repeats * len(SIZES) * 3) as done:
        for size in SIZES:
            turns: dict[str, list[Turn]] = {OURS: [], NOWHERE: [], BARE: []}
            for _ in range(repeats):
                turns[OURS].append(_over_http(stack, ours, size, seconds))
                done(1)
                turns[NOWHERE].append(_over_http(stack, nowhere, size, seconds))
                done(1)
                turns[BARE].append(_bare(stack, topic, size, seconds))
                done(1)
            _add(part, size, turns)
    part.notes.append(
        f"{CONNECTIONS} kept connections, each with one request under way, from a client process in Python that shares the "
        f"cores; the bare producer has {CONNECTIONS} tasks, each waiting for as many events as a request has: as many are "
        f"in flight. All are acknowledged by Apache Kafka (acks=all, {PARTITIONS} partitions) before they count. The client "
        "takes a core of its own at most; if the server is faster, it is the client that is measured."
    )
    return part


def _over_http(stack: Stack, server: Collector, size: int, seconds: float) -> Turn:
    with server.running() as child:
        _post(stack, server, size, 1.0)  # so that nothing is cold, and the way to Kafka is straight
        before, cpu = server.metrics(), processes.cpu_s(child.pid)
        turn = _post(stack, server, size, seconds)
        cpu = processes.cpu_s(child.pid) - cpu
        if server.metrics()["collector_spool_events"] or before["collector_spool_events"]:
            raise RuntimeError("events of the bench went to the spool although Kafka was there")
        return Turn(turn.per_s, turn.p50_ms, turn.p99_ms, 1e6 * cpu / (turn.per_s * seconds))


def _post(stack: Stack, server: Collector, size: int, seconds: float) -> Turn:
    client = posting(server.port, size, CONNECTIONS, 1 << 40, seconds, stack.directory / "posting.log")
    saw = posted(client, seconds + 30.0)
    if saw.refused or saw.unanswered:
        raise RuntimeError(f"{saw.refused} requests of the bench were refused, {saw.unanswered} not answered")
    return Turn(len(saw.accepted) * size / saw.seconds, saw.p50_ms, saw.p99_ms)


def _bare(stack: Stack, topic: str, size: int, seconds: float) -> Turn:
    log = stack.directory / "acked.log"
    log.unlink(missing_ok=True)
    argv = processes.module(
        "tests.bench.acked", stack.kafka.bootstrap, topic, str(size), str(CONNECTIONS), str(seconds)
    )
    child = children.run("the bare producer", argv, log, processes.environment(), seconds + 60.0)
    if child.returncode() != 0:
        raise RuntimeError(f"the bare producer failed: {child.tail()}")
    return Turn(**json.loads(log.read_text()))


def _add(part: Part, size: int, turns: dict[str, list[Turn]]) -> None:
    what = f"requests of {size} event{'s' if size > 1 else ''}"

    def median(name: str, figure: str) -> float:
        return float(statistics.median(getattr(turn, figure) for turn in turns[name]))

    for name in turns:
        beside = f"p50 {median(name, 'p50_ms'):.1f} ms, p99 {median(name, 'p99_ms'):.1f} ms"
        if name != BARE:
            beside += f", {median(name, 'cpu_us'):.0f} us of CPU an event"
        part.add(f"{what}: {name}", median(name, "per_s"), "events/s", beside=beside)
    part.add(f"{what}: p99", median(OURS, "p99_ms"), "ms")
    for name in (BARE, NOWHERE):
        part.add(f"{what}: / {name}", median(OURS, "per_s") / median(name, "per_s"), "times")
    part.details[f"turns of {size}"] = {name: [vars(turn) for turn in each] for name, each in turns.items()}
