"""A compacted topic (`articles`, `best-of`) as the consumer copies it: every partition, by every process, no group."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition, errors

from ranker.connect.kafka import KafkaSettings
from ranker.connect.kafka_start import start
from ranker.core.fold import Record
from ranker.log.errors import LogRefusedError, LogUnavailableError, stop, translated

MAX_RECORDS = 500
"""Per partition and poll: what one step of the copy holds at most."""
ANSWER_MS = 40_000
"""How long Kafka may be away before a request fails, and reading starts over."""
ASSIGNED_S = 10.0
"""How long the client may take to learn the topic's partitions."""


class CopiedTopic:
    """Reads from the offsets sought. Without a group: these topics are small, and Redis keeps the offset.

    Making one raises LogRefusedError if a file that the login needs cannot be used.
    """

    def __init__(self, kafka: KafkaSettings, name: str = "articles", *, answer_ms: int = ANSWER_MS) -> None:
        self.name = name
        self._kafka = kafka
        with translated():
            self._consumer: Any = AIOKafkaConsumer(
                **kafka.arguments(),
                group_id=None,
                client_id="ranker-copy",
                enable_auto_commit=False,
                request_timeout_ms=answer_ms,
                # If an offset is gone, reading restarts at the beginning; the caller sees that, and checks.
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )

    async def start(self) -> int:
        """Connects; returns the number of partitions. LogRefusedError if the topic does not exist."""
        with translated():
            await start(self._consumer, self._kafka)
            # Checked first: the client waits for a missing topic for ever, and brokers may create a requested one.
            if self.name not in await self._consumer.topics():
                raise LogRefusedError(self._kafka.no_topic(self.name))
            self._consumer.subscribe([self.name])
            async with asyncio.timeout(ASSIGNED_S):
                while not self._consumer.assignment():  # noqa: ASYNC110  # the client has no event for it
                    await asyncio.sleep(0.02)
            return len(self._consumer.assignment())

    async def stop(self) -> None:
        with contextlib.suppress(LogUnavailableError), translated():
            await stop(self._consumer)

    def seek(self, partition: int, offset: int) -> None:
        """The next poll of this partition starts at `offset`."""
        with contextlib.suppress(errors.IllegalStateError):  # between two metadata updates; the next poll shows it
            self._consumer.seek(self._tp(partition), offset)

    async def poll(self, partition: int, timeout_ms: int, limit: int = MAX_RECORDS) -> Sequence[Record]:
        """The next records of one partition, up to `limit`; empty if none came in time."""
        tp = self._tp(partition)
        with translated():
            fetched: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                tp, timeout_ms=timeout_ms, max_records=limit
            )
        return fetched.get(tp, [])

    async def is_at_end(self, partition: int) -> bool:
        """Whether all that the topic has was returned by `poll`; what ends a transaction is passed over by itself."""
        tp = self._tp(partition)
        with translated():
            return bool(await self._consumer.position(tp) >= (await self._consumer.end_offsets([tp]))[tp])

    async def end(self, partition: int) -> int:
        """The offset that the next record will get."""
        tp = self._tp(partition)
        with translated():
            return int((await self._consumer.end_offsets([tp]))[tp])

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self.name, partition)
