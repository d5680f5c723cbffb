"""The one way out: records go to a topic in record batches of our own, acknowledged by every replica in sync.

A record batch is built here rather than by `AIOKafkaProducer.send`, which makes a future per record: 0.55 million
records a second instead of 0.06, on the same core. Memory is bounded by three batches for each partition: one
filling, one waiting, one under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import murmur2

BATCH_BYTES = 256 * 1024
"""Size of a record batch: below the 1 MiB that brokers accept unasked; larger ones are no faster."""

START_S = 15.0
"""How long a broker may take to answer the first time."""

DELIVERY_S = 40.0
"""How long a batch is tried again, through elections and restarts, before it counts as failed."""

STOP_S = 5.0
"""How long closing may take; everything was acknowledged before, or the failure is already known."""

KNOWN_KEYS = 200_000
"""How many keys remember their partition, since murmur2 is pure Python (4 µs for a key of 20 bytes)."""


class SinkError(Exception):
    """Kafka could not be reached, or did not take a record. The text says what to do."""


class Sink:
    """An open way to one topic. `sent` counts the records handed over, `delivered` those that Kafka acknowledged."""

    def __init__(self, producer: Any, topic: str, partitions: int, *, idempotent: bool) -> None:
        self.topic = topic
        self.partitions = partitions
        self.idempotent = idempotent
        self.sent = 0
        self.delivered = 0
        self._producer = producer
        self._batches: list[Any] = [producer.create_batch() for _ in range(partitions)]
        self._under_way: set[asyncio.Future[Any]] = set()
        self._error: BaseException | None = None
        self._known: dict[bytes, int] = {}

    def partition_of(self, key: bytes) -> int:
        """The partition of a key, as every Kafka client computes it: murmur2, sign bit off, modulo."""
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= KNOWN_KEYS:
                self._known.clear()
            known = self._known[key] = (murmur2(key) & 0x7FFFFFFF) % self.partitions
        return known

    async def send(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Hand over (key, value) pairs, in order for each key; waits while Kafka is slower than the caller.

        Records may stay in a batch that is not full until `flush`. Raises SinkError when an earlier or a present
        record could not be delivered.
        """
        batches, known, partition_of = self._batches, self._known, self.partition_of
        sent = 0
        for key, value in records:
            partition = known.get(key)
            if partition is None:
                partition = partition_of(key)
            if batches[partition].append(timestamp=None, key=key, value=value) is None:
                await self._dispatch(partition)
                # An empty batch takes any record; whether it is too large is for the broker to say.
                batches[partition].append(timestamp=None, key=key, value=value)
            sent += 1
        self.sent += sent
        self._check()

    async def flush(self) -> None:
        """Wait until Kafka has acknowledged everything handed over; raises SinkError where it did not."""
        for partition, batch in enumerate(self._batches):
            if batch.record_count():
                await self._dispatch(partition)
        if self._under_way:
            await asyncio.wait(self._under_way)
        # A future's callbacks run one turn of the loop after the future itself.
        await asyncio.sleep(0)
        self._check()

    async def _dispatch(self, partition: int) -> None:
        self._check()
        batch, self._batches[partition] = self._batches[partition], self._producer.create_batch()
        count = batch.record_count()
        try:
            future = await self._producer.send_batch(batch, self.topic, partition=partition)
        except KafkaError as error:
            self._error = error
            self._check()
            return

        def done(delivery: asyncio.Future[Any]) -> None:
            self._under_way.discard(delivery)
            if delivery.cancelled():
                return
            if error := delivery.exception():
                self._error = self._error or error
            else:
                self.delivered += count

        self._under_way.add(future)
        future.add_done_callback(done)

    def _check(self) -> None:
        if self._error is not None:
            raise SinkError(
                f"Kafka did not take records for topic {self.topic} ({_name(self._error)}); "
                f"{self.delivered} of {self.sent} were acknowledged. Check the broker, then send again."
            )


@contextlib.asynccontextmanager
async def open_sink(bootstrap: str, topic: str, *, delivery_s: float = DELIVERY_S) -> AsyncIterator[Sink]:
    """A sink to `topic`, flushed and closed at the end; raises SinkError where Kafka or the topic is missing.

    Idempotent (a retry inside Kafka's client writes no second record) where the broker can; the embedded one cannot.
    """
    producer, idempotent = await _start(bootstrap, delivery_s)
    try:
        cluster = await producer.client.fetch_all_metadata()
        partitions = cluster.partitions_for_topic(topic)
        # Asked for among all topics: naming a missing topic would make some brokers create it, with wrong settings.
        if not partitions:
            raise SinkError(f"Kafka at {bootstrap} has no topic {topic}. Create it with: ranker topics apply")
        sink = Sink(producer, topic, len(partitions), idempotent=idempotent)
        yield sink
        await sink.flush()
    except KafkaError as error:
        raise SinkError(f"Kafka at {bootstrap} failed: {_name(error)}. Check the broker, then send again.") from error
    finally:
        # After a failure the client still holds batches, and would wait for a broker that may never answer.
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(STOP_S):
                await producer.stop()


async def _start(bootstrap: str, delivery_s: float) -> tuple[Any, bool]:
    """A started producer, and whether it is idempotent."""
    for idempotent in (True, False):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(delivery_s * 1000),
            client_id="producers",
        )
        try:
            async with asyncio.timeout(START_S):
                await producer.start()
        except (KafkaError, OSError, ValueError, TimeoutError) as error:
            await producer.stop()
            # A broker that was reached and refused a producer id may still take plain records. One that only takes
            # long, as while it starts, is not to be given up for that.
            if idempotent and isinstance(error, KafkaError) and producer.client.cluster.brokers():
                continue
            raise SinkError(
                f"Kafka cannot be reached at {bootstrap}{_why(error)}. "
                "Start a broker there, or name another with --bootstrap or RANKER_KAFKA_BOOTSTRAP."
            ) from error
        except BaseException:
            await producer.stop()
            raise
        return producer, idempotent
    raise AssertionError("unreachable: the second turn returns or raises")


def _why(error: BaseException) -> str:
    """What adds to "cannot be reached", with its own punctuation."""
    if isinstance(error, KafkaConnectionError):
        return ""
    return f": no answer within {START_S:.0f} s" if isinstance(error, TimeoutError) else f": {_name(error)}"


def _name(error: BaseException) -> str:
    # Errors of Kafka begin with their own name.
    return str(error).strip().rstrip(".") or type(error).__name__
