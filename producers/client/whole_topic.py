"""Reads a small topic from its beginning to where it ends now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from producers.client.connection import STOP_S, name
from producers.errors import ProducerError
from ranker.connect.kafka import KafkaRefusedError, KafkaSettings, grant
from ranker.connect.kafka_start import start
from ranker.service import endpoints

SILENT_S = 40.0
"""How long the broker may send nothing before reading fails."""
_POLL_MS = 500
_RECORDS = 2_000


async def values(kafka: KafkaSettings, topic: str, partitions: int) -> AsyncIterator[bytes]:
    """The value of each record, those of one partition in order. Raises ProducerError."""
    consumer: Any = AIOKafkaConsumer(
        **kafka.arguments(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        client_id="producers",
    )
    try:
        await start(consumer, kafka)
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        loop = asyncio.get_running_loop()
        received_s = loop.time()
        while left := [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            found = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_RECORDS)
            for records in found.values():
                for record in records:
                    if record.value:
                        yield record.value
            if found:
                received_s = loop.time()
            elif loop.time() - received_s > SILENT_S:
                raise ProducerError(f"Topic {topic} cannot be read: nothing came within {SILENT_S:.0f} s. Try again.")
    except TopicAuthorizationFailedError as error:
        raise ProducerError(f"Topic {topic} cannot be read; {grant(f'Read on topic {topic}')}.") from error
    except (KafkaError, KafkaRefusedError, OSError) as error:
        raise ProducerError(
            f"Topic {topic} at {endpoints.shown(kafka.bootstrap)} cannot be read: {name(error)}."
        ) from error
    finally:
        await asyncio.wait([asyncio.create_task(consumer.stop())], timeout=STOP_S)
