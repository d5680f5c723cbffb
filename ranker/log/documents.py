"""Topic `best-of`: reads every document, and adds new ones so that each is there once, whichever process makes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TypeVar

from ranker.connect.kafka import KafkaSettings
from ranker.core.best_of import TOPIC, Key, fault
from ranker.core.fold import Record
from ranker.log import transactions
from ranker.log.errors import translated
from ranker.log.stretch import Part, reading
from ranker.log.transactions import Transactions
from ranker.service.printable import printable

log = logging.getLogger(__name__)

MAX_BYTES = 8 << 20
"""As the topic's max.message.bytes (schemas/topics)."""
_T = TypeVar("_T")
_TRANSACTION_MS = 60_000
_WRITE_S = 50.0
"""How long all documents of a run may take: less than the transaction lives."""


async def records(kafka: KafkaSettings, topic: str) -> AsyncGenerator[Record, None]:
    """Every record of a topic, oldest first in each partition, up to its end as it is now."""
    async with reading(kafka, topic) as log:
        for partition in range(log.partitions):
            held = await log.held(partition)
            part = Part(partition, held.start, held.stop)
            async with contextlib.aclosing(log.part_chunks(part)) as chunks:
                async for chunk in chunks:
                    for record in chunk.records:
                        yield record


async def read_documents(kafka: KafkaSettings, take: Callable[[Key, bytes], _T]) -> dict[Key, _T]:
    """What `take` makes of each document (canonical JSON), by key: all of them may be more than fits into memory.

    The first record of a key holds. Only without transactions can there be two.
    """
    found: dict[Key, _T] = {}
    async with contextlib.aclosing(records(kafka, TOPIC)) as every:
        async for record in every:
            if wrong := fault(record.key, record.value):
                log.warning("%s, offset %d, is left out: %s", TOPIC, record.offset, printable(wrong))
                continue
            key = Key.parse((record.key or b"").decode())
            if record.value is None:
                found.pop(key, None)
            elif key not in found:
                found[key] = take(key, record.value)
    return found


class DocumentWriter:
    """For the length of `writing`."""

    def __init__(self, kafka: Transactions) -> None:
        self._kafka = kafka

    async def write(self, documents: Mapping[Key, bytes]) -> None:
        """Returns once all of them are committed, and so visible; none is if it fails.

        Raises LogRefusedError if another run has begun meanwhile.
        """
        values = [
            {"topic": TOPIC, "partition": 0, "key": str(key).encode(), "value": value}
            for key, value in documents.items()
        ]
        with translated("Write"):
            async with asyncio.timeout(_WRITE_S), self._kafka.transaction():
                await self._kafka.deliver(values)


@contextlib.asynccontextmanager
async def writing(kafka: KafkaSettings, *, may_lack_transactions: bool) -> AsyncIterator[DocumentWriter]:
    """A writer for the length of the block; what is read of the topic from here on has all that others have written.

    Raises LogUnavailableError if the broker has no transactions, unless it may lack them (the embedded one).
    """
    fenced = f"another `ranker freeze` has begun, or writing took more than {_TRANSACTION_MS // 1000} s; run it again"
    async with transactions.opened(
        kafka,
        f"ranker-{TOPIC}",
        "ranker-freeze",
        timeout_ms=_TRANSACTION_MS,
        max_bytes=MAX_BYTES,
        fenced=fenced,
        may_lack_transactions=may_lack_transactions,
    ) as opened:
        yield DocumentWriter(opened)
