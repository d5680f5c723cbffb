"""Accepted events go to Kafka, or to the spool and from there to Kafka: in their order, and none is lost.

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

DELIVERY_S = 2.0
"""How long Kafka may take before an event goes to the spool instead."""

PATIENCE_S = 10.0
"""How long it may take with events of the spool, for which nobody waits: each attempt may write them once more."""

HANDOVER_S = 0.25
"""How long accepting waits while the last of the spool is handed over; who has waited so long goes to the spool."""

RETRY_S = (0.25, 5.0)
"""From the first to the longest pause between two attempts to reach Kafka."""

STOP_S = 3.0
"""How long Kafka may still acknowledge what is under way at the end."""

_log = logging.getLogger("producers.collector")


class OutboxFullError(Exception):
    """Neither Kafka nor the spool takes these events; the text says why. Some may be in Kafka's log all the same."""


@dataclass(eq=False)
class _Pending:
    """What one call of `accept` brought. `fault` is None once it is durable, else the sentence why it is not."""

    records: list[Record]
    handed_over: bool = False
    fault: asyncio.Future[str | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def settle(self, fault: str | None) -> None:
        if not self.fault.done():
            self.fault.set_result(fault)


class Outbox:
    """The way out of a collector: `async with Outlet(…) as outlet`. It starts also where Kafka is away.

    `name` begins the producer_id of all events; they are numbered in the order of acceptance. `kafka_up` says whether
    the last that was heard of Kafka was good. Leaving gives Kafka some seconds for what is under way; the rest stays
    in the spool.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        spool: Spool,
        metrics: CollectorMetrics,
        *,
        name: str,
        delivery_s: float = DELIVERY_S,
    ) -> None:
        self.kafka_up = False
        self._new_producer = functools.partial(Producer, bootstrap, topic, name=name, delivery_s=PATIENCE_S)
        # One run of numbers for as long as the process lives, whichever connection takes them.
        self._stamp = self._new_producer().stamp
        self._spool = spool
        self._metrics = metrics
        self._delivery_s = delivery_s
        self._direct = False
        self._pending: dict[_Pending, None] = {}
        self._to_hand_over: list[_Pending] = []
        self._wake = asyncio.Event()
        self._handover: asyncio.Future[None] | None = None
        self._deadline_missed: asyncio.Future[None]
        self._tried = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep())
        # Whoever asks for readiness at once should hear of a Kafka that is there.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._delivery_s):
                await self._tried.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        under_way = [flight.fault for flight in self._pending]
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_S)
        # Cancelled, it still gives Kafka some time to close politely; cancelled again, none.
        for patience_s in (1.0, None):
            self._keeper.cancel()
            await asyncio.wait({self._keeper}, timeout=patience_s)
        if under_way:
            await asyncio.wait(under_way)

    async def accept(self, events: Iterable[PageView]) -> None:
        """Returns when Kafka has acknowledged all of these events, or they are on disk.

        At the latest after HANDOVER_S, `delivery_s` and the disk's time for a commit. Cancelling it takes nothing back.
        Raises OutletFullError: none of them is known to be durable.
        """
        if self._handover is not None:
            await asyncio.wait({self._handover}, timeout=HANDOVER_S)
        if not self._direct and self._spool.full:
            # Before they are numbered, or the numbers would be missed in the log.
            raise OutboxFullError(f"Kafka is away, and the spool {self._spool.path} is full.")
        flight = _Pending([self._stamp(event) for event in events])
        if self._direct:
            self._pending[flight] = None
            self._to_hand_over.append(flight)
            self._wake.set()
            await asyncio.wait({flight.fault}, timeout=self._delivery_s)
            if flight in self._pending and not self._deadline_missed.done():
                self._deadline_missed.set_exception(ProducerError(f"no acknowledgement within {self._delivery_s:g} s"))
        else:
            self._store(flight)
        fault = await asyncio.shield(flight.fault)
        if fault is not None:
            raise OutboxFullError(fault)

    def _store(self, flight: _Pending) -> None:
        def stored(done: asyncio.Future[None]) -> None:
            if (error := done.exception()) is not None:
                flight.settle(str(error))
                return
            self._metrics.events.labels(to="spool").inc(len(flight.records))
            flight.settle(None)

        try:
            self._spool.enqueue(flight.records, doubtful=flight.handed_over).add_done_callback(stored)
        except SpoolFullError as error:
            flight.settle(str(error))

    def _divert_to_spool(self) -> None:
        """Off the straight way: what is under way goes to the spool, in its order and before all that comes."""
        self._direct = False
        self._to_hand_over.clear()
        flights, self._pending = self._pending, {}
        for flight in flights:
            self._store(flight)

    async def _keep(self) -> None:
        """Keep a connection to Kafka, for ever."""
        pause, told = RETRY_S[0], False
        while True:
            self._deadline_missed = asyncio.get_running_loop().create_future()
            try:
                async with self._new_producer() as producer:
                    try:
                        self._hear(up=True)
                        async with asyncio.TaskGroup() as tasks:
                            tasks.create_task(_until(self._deadline_missed))
                            tasks.create_task(self._hand_over(producer, tasks))
                            await self._drain(producer)
                            if told:
                                _log.warning("Kafka takes events again; the spool is empty")
                            pause, told = RETRY_S[0], False
                    finally:
                        # At once: closing the connection may take some seconds.
                        self._hear(up=False)
                        self._divert_to_spool()
            # Broad, since events must go on to the spool whatever it is; an error of ours is logged as such.
            except* Exception as errors:
                self._hear(up=False)
                ours = errors.split((ProducerError, SpoolError))[1]
                if ours is not None or not told:
                    why = str(errors.exceptions[0]).removesuffix(".")
                    _log.warning("Events go to the spool until Kafka takes them: %s", why, exc_info=ours)
                    told = True
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that collectors do not come at once
            pause = min(2 * pause, RETRY_S[1])

    def _hear(self, *, up: bool) -> None:
        self.kafka_up = up
        self._metrics.kafka_up.set(up)
        self._tried.set()

    async def _drain(self, producer: Producer) -> None:
        """Send what the spool holds, the oldest first; return when it is empty and events go straight."""
        done: Chunk | None = None
        while not self._direct:
            if self._spool.events - (len(done.records) if done else 0) <= CHUNK_EVENTS:
                self._handover = asyncio.get_running_loop().create_future()
            try:
                chunk = await self._spool.take(done)
                self._metrics.resent_events.inc(chunk.doubtful)
                delivery = await producer.send_records(chunk.records)
                self._direct = self._spool.events == len(chunk.records)
            finally:
                if self._handover is not None:
                    self._handover.set_result(None)
                    self._handover = None
            await delivery
            done = chunk
        if done is not None and done.records:
            await self._spool.forget(done)

    async def _hand_over(self, producer: Producer, tasks: asyncio.TaskGroup) -> None:
        """Send what comes while the way is straight; what came during one call goes with the next."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            flights, self._to_hand_over = self._to_hand_over, []
            if not flights:
                continue
            for flight in flights:
                flight.handed_over = True
            delivery = await producer.send_records(record for flight in flights for record in flight.records)
            tasks.create_task(self._acknowledged(flights, delivery))

    async def _acknowledged(self, flights: list[_Pending], delivery: Delivery) -> None:
        await delivery
        for flight in flights:
            # What is in the spool by now stays there.
            if self._pending.pop(flight, flight) is None:
                self._metrics.events.labels(to="kafka").inc(len(flight.records))
                flight.settle(None)


async def _until(future: asyncio.Future[None]) -> None:
    await future
