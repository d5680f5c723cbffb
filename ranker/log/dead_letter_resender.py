"""Sends dead letters back to their topic and marks them: in one transaction if the broker has transactions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from ranker.connect.kafka import KafkaSettings
from ranker.log import transactions
from ranker.log.dead_letter_reader import MARK, DeadLetter
from ranker.log.dead_letter_writer import MAX_BYTES
from ranker.log.errors import translated
from ranker.log.transactions import Transactions

_TRANSACTION_MS = 15_000
"""A resend that is killed holds readers of its partitions back for so long, unless the next resend comes before."""
_PORTION_S = 12.0
"""How long a portion may take: less than its transaction lives."""


class DeadLetterResender:
    """Sends portions of letters. `transactional`: records and marks of a portion become visible together, or never.

    Else (the embedded broker) records are acknowledged before they are marked, and a kill between the two makes the
    next resend send that portion once more.
    """

    def __init__(self, kafka: Transactions, source: str) -> None:
        self._kafka = kafka
        self._source = source

    @property
    def transactional(self) -> bool:
        return self._kafka.transactional

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Returns once the letters and their marks are acknowledged, and committed.

        Raises LogRefusedError if another resend of the same topic has begun meanwhile.
        """
        with translated("Write"):
            async with asyncio.timeout(_PORTION_S), self._kafka.transaction():
                for records in (map(self._record, letters), map(self._mark, letters)):
                    await self._kafka.deliver(records)

    def _record(self, letter: DeadLetter) -> dict[str, Any]:
        headers = [("resent", letter.position.encode()), *letter.headers]
        return {"topic": self._source, "key": letter.key, "value": letter.value, "headers": headers}

    def _mark(self, letter: DeadLetter) -> dict[str, Any]:
        return {
            "topic": f"{self._source}.dead",
            "partition": letter.home,
            "key": letter.position.encode() + MARK,
            "value": b"",  # a null value would be a tombstone
            "headers": [("append_ms", str(letter.append_ms).encode())],
        }


@contextlib.asynccontextmanager
async def opened(kafka: KafkaSettings, source: str) -> AsyncIterator[DeadLetterResender]:
    """A resender for the length of the block. All of a topic have one transactional id: what is read from here on has
    all earlier marks.
    """
    fenced = (
        f"another resend to {source} has begun, or this portion took more than {_TRANSACTION_MS // 1000} s; nothing of "
        "the portion was sent, run it again"
    )
    async with transactions.opened(
        kafka,
        f"ranker-resend-{source}",
        "ranker-resend",
        timeout_ms=_TRANSACTION_MS,
        max_bytes=MAX_BYTES,
        fenced=fenced,
    ) as opening:
        yield DeadLetterResender(opening, source)
