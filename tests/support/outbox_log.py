"""Brokers that pause, a topic that an outbox writes to, and what its log holds."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeAlias

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from tests.support.outbox_process import Out, views

Broker: TypeAlias = ApacheKafka | EmbeddedKafka

PARTITIONS = 3
ROOT = Path(__file__).parents[2]


async def new_topic(bootstrap: str, name: str = "") -> str:
    name = name or f"outbox.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
    return name


async def log_of(bootstrap: str, topic: str) -> list[list[dict[str, object]]]:
    """The events of each partition, from its start to its end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    found: list[list[dict[str, object]]] = [[] for _ in tps]
    try:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        async with asyncio.timeout(60):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.partition] += [orjson.loads(record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def check(bootstrap: str, topic: str, accepted: set[str], resent: int) -> Counter[object]:
    """All that was accepted is in the log, in the order of its numbers where it stands first; repeats were counted."""
    partitions = await log_of(bootstrap, topic)
    ids = Counter(event["event_id"] for events in partitions for event in events)
    assert accepted <= ids.keys(), f"{len(accepted - ids.keys())} are missing"
    assert ids.total() - len(ids) <= resent
    for events in partitions:
        seen: set[object] = set()
        latest: dict[object, int] = {}
        for event in events:
            if event["event_id"] in seen:
                continue
            seen.add(event["event_id"])
            number = event["sequence"]
            assert isinstance(number, int)
            assert number > latest.get(event["producer_id"], -1)
            latest[event["producer_id"]] = number
    return ids


async def until(what: str, condition: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return condition()

    await waiting.until_async(what, ask, 60)


async def suspend(broker: Broker) -> None:
    """Not before all of it has stopped can a test count on its silence."""
    broker.suspend()
    threads = Path(f"/proc/{broker.pid}/task")
    await until("The stop of the broker", lambda: states_of(threads) == {"T"})


def states_of(threads: Path) -> set[str]:
    return {file.read_text().rpartition(")")[2].split()[0] for file in threads.glob("*/stat")}


async def straight(out: Out) -> None:
    await until("The way straight to Kafka", lambda: out.outbox._direct and out.spool.events == 0)


def ids(first: int, count: int) -> set[str]:
    return {str(n) for n in range(first, first + count)}


class Stream:
    """Senders that never stop: each sends its next request 10 ms after the one before is accepted."""

    def __init__(self, out: Out) -> None:
        self.accepted: set[str] = set()
        self.slowest_s = 0.0
        self._out = out
        self._stopped = False

    async def __aenter__(self) -> Self:
        self._senders = [asyncio.create_task(self._send(n * 1_000_000)) for n in range(8)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await asyncio.gather(*self._senders)

    async def _send(self, first: int) -> None:
        while not self._stopped:
            began = time.monotonic()
            await self._out.outbox.accept(views(first, 5))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.accepted |= ids(first, 5)
            first += 5
            await asyncio.sleep(0.01)

    async def more(self, to: str) -> None:
        """Wait for a thousand events more on this way."""
        before = self._out.value("events_total", to=to)
        await until(f"More events to {to}", lambda: self._out.value("events_total", to=to) > before + 1000)
