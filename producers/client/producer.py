"""Sends typed events and encoded records to a topic, acknowledged by every replica in sync.

Record batches are built here rather than by `AIOKafkaProducer.send`, which makes a future per record and is 9 times
slower. A batch is sent at once if its partition has none under way; otherwise it fills until that one is acknowledged.
So a single event does not wait, and many events travel in large batches. Memory is bounded by three batches for each
partition.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from producers import event
from producers.client import connection
from producers.client.batches import Batch, Delivery, Homes, Outbox
from producers.client.connection import Connection
from producers.errors import DeliveryError, ProducerError
from producers.event import PageView
from ranker.connect.kafka import DEFAULT as DEFAULT_KAFKA
from ranker.connect.kafka import KafkaSettings, grant
from schemas.article_id import DEFAULT, IdRule

DELIVERY_S = 40.0
"""How long a batch is retried, through elections and restarts, before it counts as failed."""

STEPS = 20
"""Steps in which a delivery's time is measured; while the event loop is blocked, however long, one step passes."""

TURN_EVENTS = 64
"""After so many events `send` lets other tasks run although it need not wait: otherwise a loop would block them."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CLOSED = "This producer is not open; use it within: async with Producer(…) as producer"


class Producer:
    """A connection to one topic, for one event loop: `async with Producer("kafka:9092") as producer`.

    Entering raises ProducerError if Kafka or the topic is missing. Leaving flushes, raises DeliveryError if that
    fails, and takes at most `delivery_s` for a batch that Kafka does not acknowledge.

    `kafka` is HOST:PORT, several separated by commas, or KafkaSettings for TLS and logins. `name` begins the
    `producer_id` that events carry, so that losses are detected: 1 to 64 of A-Z a-z 0-9 . _ -, one for each program
    that sends. `delivery_s` is how long a batch may stay without acknowledgement. `ids` is how `send` makes ids of
    addresses, as `sites.NAME.ids` in ranker.toml. A failed delivery is final, since later records must not overtake it:
    every later call raises DeliveryError. To continue, open a new producer.
    """

    def __init__(
        self,
        kafka: str | KafkaSettings = DEFAULT_KAFKA,
        topic: str = "page-views",
        *,
        name: str = "python",
        delivery_s: float = DELIVERY_S,
        ids: IdRule = DEFAULT,
    ) -> None:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a producer; it has 1 to 64 of A-Z a-z 0-9 . _ -")
        self.topic = topic
        self.producer_id = new_producer_id(name)
        self.idempotent = False
        self.partitions = 0
        self.delivered = 0
        self._kafka = KafkaSettings(kafka) if isinstance(kafka, str) else kafka
        self._delivery_s = delivery_s
        self._ids = ids
        self._sequence = 0
        self._fault: ProducerError | None = ProducerError(_CLOSED)
        self._outboxes: list[Outbox] = []
        self._carriers: dict[int, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        if self.partitions:
            raise ProducerError("A producer is opened once; make a new one.")
        self._connection = await connection.connect(self._kafka, self.topic, self._delivery_s)
        self.partitions, self.idempotent = self._connection.partitions, self._connection.idempotent
        self._homes = Homes(self.partitions)
        self._outboxes = [Outbox(partition, self._new_batch) for partition in range(self.partitions)]
        self._fault = None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.flush()
            else:
                # Records sent before are still delivered if Kafka accepts them; the exception is raised all the same.
                with contextlib.suppress(ProducerError, TimeoutError):
                    async with asyncio.timeout(connection.STOP_S):
                        await self.flush()
        finally:
            failed = bool(self._fault or self._carriers)
            self._fail(ProducerError(_CLOSED))
            await self._connection.close(failed=failed)

    @property
    def sent(self) -> int:
        """Number of records passed to this producer; `delivered` of them were acknowledged."""
        return self.delivered + sum(len(batch) for outbox in self._outboxes for batch in outbox.batches())

    def next_sequence(self) -> int:
        """The next sequence to send with `producer_id`, for callers that encode events without `stamp`."""
        self._sequence += 1
        return self._sequence - 1

    def stamp(self, view: PageView) -> tuple[bytes, bytes]:
        """The record (key, value) of an event, with this producer's id and the next sequence instead of its own."""
        record = event.stamped(view, self.producer_id, self._sequence)
        self._sequence += 1
        return record

    async def send(self, view: PageView) -> Delivery:
        """Sends an event, stamped; waits while Kafka is slower than the caller. Raises DeliveryError.

        An article_id that is an address gets its normal form. Anything but a PageView is a TypeError, since it was not
        validated. One whose time looks like seconds is an InvalidEventError: valid by the contract, it would count
        nowhere.
        """
        self._check()
        if not isinstance(view, PageView):
            raise TypeError(f"send takes a PageView, not a {type(view).__name__}; make one: PageView(**fields)")
        view = event.with_normal_id(view, self._ids)
        if unit := event.other_unit(view.occurred_at):
            raise event.InvalidEventError(
                f"occurred_at is {view.occurred_at}, which looks like {unit}; give milliseconds since 1970."
            )
        outbox = self._outboxes[self._homes[event.key(view.site_id, view.article_id)]]
        while True:
            # The sequence is used only once the record is in a batch.
            key, value = event.stamped(view, self.producer_id, self._sequence)
            batch = outbox.filling
            if batch.append(timestamp=None, key=key, value=value) is not None:
                break
            await self._make_room(outbox)
        self._sequence += 1
        self._wake(outbox)
        if self._sequence % TURN_EVENTS == 0:
            await asyncio.sleep(0)
        return Delivery([batch])

    async def send_records(self, records: Iterable[tuple[bytes, bytes]], timestamp_ms: int | None = None) -> Delivery:
        """Sends encoded (key, value) pairs, in order for each key; waits while Kafka is slower than the caller.

        One delivery for all of them. Raises DeliveryError; records before the failure may have been delivered.
        `timestamp_ms` is the time at which they count as appended, by default now; a topic with LogAppendTime has the
        broker's time instead.
        """
        self._check()
        homes, outboxes = self._homes, self._outboxes
        # The last batch of each partition is enough: batches are acknowledged in order, and a failure is final.
        last: dict[int, Batch] = {}
        try:
            for key, value in records:
                partition = homes[key]
                batch = outboxes[partition].filling
                while batch.append(timestamp=timestamp_ms, key=key, value=value) is None:
                    await self._make_room(outboxes[partition])
                    # An empty batch accepts any record; the broker decides whether it is too large.
                    batch = outboxes[partition].filling
                last[partition] = batch
        finally:
            # Only now that all are in: otherwise the first record would travel alone, the others in a second batch.
            for partition in last:
                self._wake(outboxes[partition])
        return Delivery(last.values())

    async def flush(self) -> None:
        """Waits until Kafka has acknowledged all records sent so far; raises DeliveryError if it did not."""
        await Delivery(batches[-1] for outbox in self._outboxes if (batches := outbox.batches()))
        self._check()

    async def _make_room(self, outbox: Outbox) -> None:
        """Returns when another batch may have replaced the full one; the caller tries again."""
        if outbox.start_new_batch():
            self._wake(outbox)
        else:
            await outbox.wait_for_room()
            self._check()

    def _new_batch(self) -> Batch:
        return Batch(self._connection.client.create_batch())

    def _wake(self, outbox: Outbox) -> None:
        """Starts the task that sends an outbox's batches, unless it runs."""
        # A task starts in the loop's next iteration: records that other tasks add in this one are included.
        if outbox.partition not in self._carriers and self._fault is None:
            self._carriers[outbox.partition] = asyncio.create_task(self._carry(outbox, self._connection))

    async def _carry(self, outbox: Outbox, way: Connection) -> None:
        """Sends an outbox's batches one after the other until nothing is left."""
        while (batch := outbox.take()) is not None:
            try:
                async with _running(self._delivery_s):
                    await (await way.client.send_batch(batch.builder, self.topic, partition=outbox.partition))
            # Broad: whatever ends this task, no delivery may wait for ever.
            except BaseException as error:
                del self._carriers[outbox.partition]
                self._fail(self._undelivered(error))
                if isinstance(error, Exception):
                    return
                raise
            self.delivered += len(batch)
            batch.acknowledged.set_result(None)
        del self._carriers[outbox.partition]

    def _fail(self, fault: ProducerError) -> None:
        """Ends the producer: fails all records that are not acknowledged, and all waits for them."""
        if self._fault is not None:
            return
        self._fault = fault
        for carrier in self._carriers.values():
            carrier.cancel()
        for outbox in self._outboxes:
            outbox.fail(str(fault))

    def _undelivered(self, error: BaseException) -> DeliveryError:
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            why, fix = "a record is too large", f"Send smaller ones, or raise max.message.bytes of {self.topic}."
        elif isinstance(error, TopicAuthorizationFailedError):
            why, fix = "it refuses this user a right", f"To send, {grant(f'Write on topic {self.topic}')}."
        elif isinstance(error, asyncio.CancelledError):
            why, fix = "the task that sends was cancelled", "Open a new producer, and send them again."
        else:
            late = isinstance(error, TimeoutError) and not isinstance(error, KafkaError)
            why = f"no acknowledgement within {self._delivery_s:g} s" if late else connection.name(error)
            fix = "Check the broker, then send again."
        fault = DeliveryError(
            f"Kafka did not take records for topic {self.topic} ({why}); "
            f"{self.delivered} of {self.sent} were acknowledged. {fix}"
        )
        fault.__cause__ = error
        return fault

    def _check(self) -> None:
        if self._fault is not None:
            raise type(self._fault)(str(self._fault)) from self._fault.__cause__


@contextlib.asynccontextmanager
async def _running(limit_s: float) -> AsyncIterator[None]:
    """As asyncio.timeout, but for time in which the loop ran: a reply that came while it was blocked is read first."""
    loop, left = asyncio.get_running_loop(), STEPS
    timer: asyncio.TimerHandle

    def step() -> None:
        nonlocal left, timer
        left -= 1
        if left:
            timer = loop.call_later(limit_s / STEPS, step)
        else:
            limit.reschedule(loop.time())

    timer = loop.call_later(limit_s / STEPS, step)
    try:
        async with asyncio.timeout(None) as limit:
            yield
    finally:
        timer.cancel()


def new_producer_id(name: str) -> str:
    """NAME/RUN of a run that begins now; of two in one millisecond one would else seem to repeat events."""
    number, digits = time.time_ns() // 1_000_000, ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return f"{name}/{digits}-{os.urandom(4).hex()}"
