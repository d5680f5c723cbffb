"""Rejected records go to a topic of their own, with their original bytes, before the step that passes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from ranker.core.tally import Rejected
from ranker.log.closing import stop
from ranker.log.errors import translated

MAX_BYTES = 8 << 20
"""As the topic's max.message.bytes (schemas/topics): room for a record of the source and its headers."""


class DeadLetters:
    """Writes with acks=all. The key is topic/partition/offset, so compaction keeps one letter for a record."""

    def __init__(self, bootstrap: str, source: str) -> None:
        self._topic = f"{source}.dead"
        self._source = source
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, client_id="ranker-dead", acks="all", max_request_size=MAX_BYTES
        )

    async def start(self) -> None:
        with translated():
            await self._producer.start()

    async def stop(self) -> None:
        await stop(self._producer)

    async def write(self, partition: int, rejected: Sequence[Rejected]) -> None:
        """Returns once Kafka has acknowledged every one of them."""
        with translated():
            deliveries = [
                await self._producer.send(
                    self._topic,
                    key=f"{self._source}/{partition}/{letter.offset}".encode(),
                    value=letter.value or b"",  # a null value would be a tombstone
                    headers=[
                        ("reason", letter.reason.encode()),
                        ("position", f"{self._source}/{partition}/{letter.offset}".encode()),
                        ("append_ms", str(letter.append_ms).encode()),
                        ("key", letter.key or b""),
                    ],
                )
                for letter in rejected
            ]
            await asyncio.gather(*deliveries)
