"""Topics of the bench, filled with record batches of a chosen size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder

Event = tuple[int, bytes | None, bytes]
"""(partition, key, value)."""


@dataclass(frozen=True)
class BatchSize:
    """How large the producers' batches are: in bytes, and in records if that is less."""

    name: str
    bytes: int
    records: int


BATCHES = {
    "big": BatchSize("256 KiB", 256 << 10, 1 << 30),
    "16k": BatchSize("16 KiB", 16 << 10, 1 << 30),
    "ten": BatchSize("10 events", 16 << 10, 10),
}


async def make_topics(bootstrap: str, names: Iterable[str], partitions: int) -> None:
    """Create topics as schemas/topics has them: stamped by the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        stamped = {"message.timestamp.type": "LogAppendTime"}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=stamped) for name in names])
    finally:
        await admin.close()


async def write(
    bootstrap: str,
    topic: str,
    partitions: int,
    chunks: Iterable[Sequence[Event]],
    size: BatchSize,
    written: Callable[[int], None],
) -> None:
    """Write every event to its partition; `written` is called with how many more are in the broker's hands."""
    producers = [
        AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=size.bytes, acks=1, linger_ms=0)
        for _ in range(partitions)
    ]  # one connection for each partition: with tiny batches the time goes into waiting for answers
    queues: list[asyncio.Queue[BatchBuilder | None]] = [asyncio.Queue(8) for _ in range(partitions)]
    open_: list[BatchBuilder] = [producer.create_batch() for producer in producers]
    for producer in producers:
        await producer.start()
    senders = [
        asyncio.create_task(_send(producer, topic, partition, queues[partition], written))
        for partition, producer in enumerate(producers)
    ]
    try:
        for events in chunks:
            for partition, key, value in events:
                batch = open_[partition]
                full = batch.record_count() == size.records
                if full or batch.append(key=key, value=value, timestamp=None) is None:
                    await queues[partition].put(batch)
                    batch = open_[partition] = producers[partition].create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            await asyncio.sleep(0)
        for queue, batch in zip(queues, open_, strict=True):
            await queue.put(batch)
            await queue.put(None)
        await asyncio.gather(*senders)
    finally:
        for sender in senders:
            sender.cancel()
        for producer in producers:
            await producer.stop()


async def _send(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    queue: asyncio.Queue[BatchBuilder | None],
    written: Callable[[int], None],
) -> None:
    while (batch := await queue.get()) is not None:
        if batch.record_count():
            count = batch.record_count()
            await (await producer.send_batch(batch, topic, partition=partition))
            written(count)
