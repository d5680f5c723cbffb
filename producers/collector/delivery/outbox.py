"""Sends accepted events to Kafka, directly or through the spool: in order, and without loss.

    start ──► diverting ── Kafka is reached ──► draining ── last of the spool handed over ──► direct
              new events: to the spool          new events: to the spool                  new events: to Kafka
                  ▲                             its oldest: to Kafka                           │
                  │                                 │                                          │
                  ├───── Kafka fails ───────────────┘                                          │
                  └───── Kafka fails, or no acknowledgement in time: what is under way goes ───┘
                         to the spool, in order

What was under way when the outbox left direct is marked as doubtful in the spool: the log may have it. Draining ends
and direct begins at one point: when the last of the spool is handed over, new events follow on the same connection. For
that moment accepting waits, or a steady stream of events would keep the spool from ever being empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from producers.client.batches import Delivery
from producers.client.producer import Producer
from producers.collector.delivery.spool import CHUNK_EVENTS, Chunk, Record, Spool, SpoolError, SpoolFullError
from producers.collector.metrics import CollectorMetrics
from producers.errors import ProducerError
from producers.event import PageView
from ranker.connect.kafka import KafkaSettings

DELIVERY_S = 2.0
"""How long Kafka may take before an event goes to the spool instead."""

PATIENCE_S = 10.0
"""The same for events of the spool, for which no request waits: each attempt may write them once more."""

SWITCH_S = 0.25
"""How long `accept` waits while the last chunk of the spool is sent; after that its events go to the spool."""

RETRY_S = (0.25, 5.0)
"""The first and the longest pause between two attempts to connect to Kafka."""

STOP_S = 3.0
"""How long to wait at the end for acknowledgements of events under way."""

_log = logging.getLogger("producers.collector")


class OutboxFullError(Exception):
    """Neither Kafka nor the spool accepts these events; the text says why. Some may be in Kafka's log all the same."""


@dataclass(eq=False)
class _Pending:
    """The events of one call of `accept`. `acknowledged` resolves to None once they are durable, or to why not."""

    records: list[Record]
    sent: bool = False
    acknowledged: asyncio.Future[str | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, fault: str | None) -> None:
        if not self.acknowledged.done():
            self.acknowledged.set_result(fault)


class Outbox:
    """A collector's outgoing events: `async with Outbox(…) as outbox`. It starts even if Kafka is away.

    `name` begins the producer_id of all events; they are numbered in the order of acceptance. `kafka_up`: there is a
    connection to Kafka. Leaving gives Kafka some seconds for events under way; the rest stays in the spool.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        spool: Spool,
        metrics: CollectorMetrics,
        *,
        name: str,
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self.kafka_up = False
        self._new_producer = functools.partial(Producer, kafka, topic, name=name, delivery_s=PATIENCE_S)
        # One run of sequences for the life of the process, over all connections.
        self._stamp = self._new_producer().stamp
        self._spool = spool
        self._metrics = metrics
        self._delivery_s = delivery_s
        self._direct = False
        self._pending: dict[_Pending, None] = {}
        self._unsent: list[_Pending] = []
        self._wake = asyncio.Event()
        self._switching: asyncio.Future[None] | None = None
        self._deadline_missed: asyncio.Future[None]
        self._tried = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep_connected())
        # So that readiness is right from the start if Kafka is there.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._delivery_s):
                await self._tried.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        under_way = [pending.acknowledged for pending in self._pending]
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_S)
        # The first cancellation leaves time for an orderly close, the second none.
        for patience_s in (1.0, None):
            self._keeper.cancel()
            await asyncio.wait({self._keeper}, timeout=patience_s)
        if under_way:
            await asyncio.wait(under_way)

    async def accept(self, events: Iterable[PageView]) -> None:
        """Returns when Kafka has acknowledged all of these events, or they are on disk.

        It takes SWITCH_S, `delivery_s` and the disk's time for a commit at most. Cancelling it does not undo it.
        Raises OutboxFullError: none of them is known to be durable.
        """
        if self._switching is not None:
            await asyncio.wait({self._switching}, timeout=SWITCH_S)
        if not self._direct and self._spool.full:
            # Before they are numbered: the sequences would be missing in the log.
            raise OutboxFullError(f"Kafka is away, and the spool {self._spool.path} is full.")
        pending = _Pending([self._stamp(event) for event in events])
        if self._direct:
            self._pending[pending] = None
            self._unsent.append(pending)
            self._wake.set()
            await asyncio.wait({pending.acknowledged}, timeout=self._delivery_s)
            if pending in self._pending and not self._deadline_missed.done():
                self._deadline_missed.set_exception(ProducerError(f"no acknowledgement within {self._delivery_s:g} s"))
        else:
            self._store(pending)
        fault = await asyncio.shield(pending.acknowledged)
        if fault is not None:
            raise OutboxFullError(fault)

    def _store(self, pending: _Pending) -> None:
        def stored(done: asyncio.Future[None]) -> None:
            if (error := done.exception()) is not None:
                pending.settle(str(error))
                return
            self._metrics.events.labels(to="spool").inc(len(pending.records))
            pending.settle(None)

        try:
            self._spool.enqueue(pending.records, doubtful=pending.sent).add_done_callback(stored)
        except SpoolFullError as error:
            pending.settle(str(error))

    def _divert_to_spool(self) -> None:
        """Ends direct sending: events under way go to the spool, in order and before all later ones."""
        self._direct = False
        self._unsent.clear()
        under_way, self._pending = self._pending, {}
        for pending in under_way:
            self._store(pending)

    async def _keep_connected(self) -> None:
        """Keeps a connection to Kafka, for ever."""
        pause, logged = RETRY_S[0], ""
        while True:
            self._deadline_missed = asyncio.get_running_loop().create_future()
            try:
                async with self._new_producer() as producer:
                    try:
                        self._set_kafka_up(up=True)
                        async with asyncio.TaskGroup() as tasks:
                            tasks.create_task(_until(self._deadline_missed))
                            tasks.create_task(self._send_direct(producer, tasks))
                            await self._drain(producer)
                            if logged:
                                _log.warning("Kafka takes events again; the spool is empty")
                            pause, logged = RETRY_S[0], ""
                    finally:
                        # At once: closing the connection may take some seconds.
                        self._set_kafka_up(up=False)
                        self._divert_to_spool()
            # Broad, since events must be diverted to the spool after any error; a fault of ours is logged as such.
            except* Exception as errors:
                self._set_kafka_up(up=False)
                ours = errors.split((ProducerError, SpoolError))[1]
                why = str(errors.exceptions[0]).removesuffix(".")
                if ours is not None or why != logged:
                    _log.warning("Events go to the spool until Kafka takes them: %s", why, exc_info=ours)
                    logged = why
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that collectors do not come at once
            pause = min(2 * pause, RETRY_S[1])

    def _set_kafka_up(self, *, up: bool) -> None:
        self.kafka_up = up
        self._metrics.kafka_up.set(up)
        self._tried.set()

    async def _drain(self, producer: Producer) -> None:
        """Sends the events of the spool, the oldest first; returns when it is empty and sending is direct."""
        done: Chunk | None = None
        while not self._direct:
            if self._spool.events - (len(done.records) if done else 0) <= CHUNK_EVENTS:
                self._switching = asyncio.get_running_loop().create_future()
            try:
                chunk = await self._spool.take(done)
                self._metrics.resent_events.inc(chunk.doubtful)
                delivery = await producer.send_records(chunk.records)
                self._direct = self._spool.events == len(chunk.records)
            finally:
                if self._switching is not None:
                    self._switching.set_result(None)
                    self._switching = None
            await delivery
            done = chunk
        if done is not None and done.records:
            await self._spool.forget(done)

    async def _send_direct(self, producer: Producer, tasks: asyncio.TaskGroup) -> None:
        """Sends events while sending is direct; those that arrive during one call go with the next."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._unsent = self._unsent, []
            if not batch:
                continue
            for pending in batch:
                pending.sent = True
            delivery = await producer.send_records(record for pending in batch for record in pending.records)
            tasks.create_task(self._acknowledge(batch, delivery))

    async def _acknowledge(self, batch: list[_Pending], delivery: Delivery) -> None:
        await delivery
        for pending in batch:
            # Events that were diverted to the spool meanwhile stay there.
            if self._pending.pop(pending, pending) is None:
                self._metrics.events.labels(to="kafka").inc(len(pending.records))
                pending.settle(None)


async def _until(future: asyncio.Future[None]) -> None:
    await future
