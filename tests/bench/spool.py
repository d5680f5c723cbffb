"""A collector without Kafka: what it accepts, what that takes on disk, how fast it is sent later, and that all is counted.

The collector is killed twice with SIGKILL: while it accepts, and while it sends. `ranker consume` counts at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import waiting
from ranker import settings
from ranker.store.keys import ShardKeys
from tests.bench import counted, processes
from tests.bench.collector import Collector, Posted, collector, posted, posting
from tests.bench.figures import Part
from tests.bench.posting import event_id
from tests.bench.produce import make_topics
from tests.bench.progress import Progress
from tests.bench.stack import Stack

PARTITIONS = 4
EVENTS = 1_000_000
SIZE = 100
CONNECTIONS = 16
WITHIN_S = 900.0


@dataclass
class Seen:
    """The collector's metrics on the way."""

    bytes_per_event: float = 0.0
    drained: int = 0
    drain_s: float = 0.0
    resent: int = 0
    log: Counter[str] = field(default_factory=Counter)


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Raises if anything accepted is not counted, or more repeats are in the log than the metric says."""
    events = 100_000 if quick else EVENTS
    topic = "bench-spool"
    asyncio.run(make_topics(stack.kafka.bootstrap, [topic], PARTITIONS))
    server, seen = collector(stack, topic), Seen()
    with progress.task(f"{events:,} events without Kafka", 4) as done:
        stack.kafka.stop()
        try:
            saw = _accept(stack, server, events)
            done(1)
            with server.running() as child:
                values = server.metrics()
                seen.bytes_per_event = values["collector_spool_bytes"] / values["collector_spool_events"]
                stack.kafka.start()
                _until(server, lambda now: now["collector_spool_events"] < values["collector_spool_events"])
                child.kill()
        finally:
            stack.kafka.start()
        done(1)
        with server.running():
            _drain(server, seen)
        done(1)
        seen.log = asyncio.run(_log(stack.kafka.bootstrap, topic))
        views = _counted(stack, topic, seen.log.total())
        done(1)
    return _part(saw, seen, views)


def _accept(stack: Stack, server: Collector, events: int) -> Posted:
    """Post until so many were accepted; kill the collector when two fifths are there, and start it again."""
    with server.running() as first:
        client = posting(
            server.port, SIZE, CONNECTIONS, events // SIZE, WITHIN_S, stack.directory / "posting-spool.log"
        )
        _until(server, lambda now: now["collector_spool_events"] >= 0.4 * events)
        first.kill()
    with server.running():
        saw = posted(client, WITHIN_S)
    if saw.refused:
        raise RuntimeError(f"{saw.refused} requests of the bench were refused")
    if not saw.unanswered:
        raise RuntimeError("the collector was killed when the bench had nothing under way")
    return saw


def _drain(server: Collector, seen: Seen) -> None:
    """Wait until the spool is empty, and note how fast that was, from the first event sent on."""
    last = first = server.metrics()["collector_spool_events"]
    began = ended = time.perf_counter()
    while last:
        now = server.metrics()
        if now["collector_spool_events"] == first:
            began = time.perf_counter()
        elif now["collector_spool_events"] < last:
            last, ended = now["collector_spool_events"], time.perf_counter()
        time.sleep(0.02)
    seen.drained, seen.drain_s = int(first), ended - began
    seen.resent = int(server.metrics()["collector_resent_events_total"])


def _until(server: Collector, condition: Callable[[dict[str, float]], bool]) -> None:
    waiting.until("The next step of the spool", lambda: condition(server.metrics()), WITHIN_S)


async def _log(bootstrap: str, topic: str) -> Counter[str]:
    """How often each event id stands in the log."""
    found: Counter[str] = Counter()
    tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False) as consumer:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.update(orjson.loads(record.value)["event_id"] for record in records)
    return found


def _counted(stack: Stack, topic: str, records: int) -> int:
    """How many views the real consumer has counted when it has read so many records."""
    stack.empty_redis()
    env = stack.configure(topic)
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    argv = processes.ranker("consume", "--admin-port", "0")
    with (
        stack.redis.client() as client,
        processes.running("ranker consume", argv, stack.directory / "consume-spool.log", env) as child,
    ):

        def all_read() -> bool:
            processes.check(child)
            return sum(n or 0 for n in counted.next_offsets(client, generation, PARTITIONS)) >= records

        waiting.until("the end of the spool's log", all_read, WITHIN_S)
        views = 0
        for partition in range(PARTITIONS):
            sums: Any = client.hgetall(ShardKeys(generation.id, partition).sums)
            views += int(sums.get(f"demo:{generation.windows[0].name}:view".encode(), 0))
        return views


def _part(saw: Posted, seen: Seen, views: int) -> Part:
    accepted = {event_id(n) for number in saw.accepted for n in range(number * SIZE, (number + 1) * SIZE)}
    missing = len(accepted - seen.log.keys())
    repeats = seen.log.total() - len(seen.log)
    unknown = len(seen.log.keys() - accepted)
    if missing or views != seen.log.total() or repeats > seen.resent or unknown > saw.unanswered * SIZE:
        raise RuntimeError(
            f"{missing} accepted events are missing; {views} of {seen.log.total()} records are counted; {repeats} repeats, "
            f"the metric says {seen.resent}; {unknown} events were not accepted, {saw.unanswered} requests not answered"
        )
    part = Part("spool")
    part.add(
        "events accepted without Kafka", len(accepted), "", beside=f"requests of {SIZE}, {CONNECTIONS} connections"
    )
    rate = len(accepted) / (saw.seconds - saw.away_s)
    part.add("accepted", rate, "events/s", beside=f"on disk before each answer; p99 {saw.p99_ms:.1f} ms")
    part.add("on disk", seen.bytes_per_event, "bytes/event", beside="SQLite's log included")
    part.add("sent when Kafka was back", seen.drained / seen.drain_s, "events/s", beside=f"{seen.drained:,} events")
    part.add("accepted events that are not counted", missing, "", "<= 0")
    part.add("events in the log twice", repeats, "", f"<= {seen.resent}", beside="what the metric said at most")
    part.add("resent, as the metric says", seen.resent, "", beside="one chunk was under way at the kill")
    part.add("collector away after SIGKILL", saw.away_s, "s", beside="until the first answer of its successor")
    part.notes.append(
        f"Kafka stopped; the collector killed with SIGKILL when two fifths were accepted ({saw.unanswered} requests had no "
        f"answer then, {unknown} of their events are in the log) and again when it had begun to send. `ranker consume` has "
        f"counted {views:,} views: every record of the log."
    )
    return part
