"""Sends dead letters back to their topic and marks them: in one transaction if the broker has transactions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from ranker.log.closing import stop
from ranker.log.dead_letter_reader import MARK, DeadLetter
from ranker.log.dead_letter_writer import MAX_BYTES
from ranker.log.delivery import deliver
from ranker.log.errors import LogRefusedError, translated

_TRANSACTION_MS = 15_000
"""A resend that is killed holds readers of its partitions back for so long, unless the next resend comes before."""
_PORTION_S = 12.0
"""How long a portion may take: less than its transaction lives."""
_START_S = 30.0
_STOP_S = 5.0


class DeadLetterResender:
    """Sends portions of letters. `transactional`: records and marks of a portion become visible together, or never.

    Else (the embedded broker) records are acknowledged before they are marked, and a kill between the two makes the
    next resend send that portion once more.
    """

    def __init__(self, producer: Any, source: str, *, transactional: bool) -> None:
        self._producer = producer
        self._source = source
        self.transactional = transactional

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Returns once the letters and their marks are acknowledged, and committed.

        Raises LogRefusedError if another resend of the same topic has begun meanwhile.
        """
        with translated():
            async with asyncio.timeout(_PORTION_S), self._transaction():
                for records in (map(self._record, letters), map(self._mark, letters)):
                    for error in await deliver(self._producer, records):
                        if error is not None:
                            raise error

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        if not self.transactional:
            yield
            return
        await self._producer.begin_transaction()
        manager = self._producer._txn_manager  # noqa: SLF001  # as the client's own context manager does it
        try:
            yield
            await self._producer.commit_transaction()
        except errors.KafkaError as error:
            # Looked at in any case: asyncio complains of an error that nobody has seen.
            ended = manager.wait_for_transaction_end()
            if ended.done() and isinstance(ended.exception(), errors.ProducerFenced):
                raise LogRefusedError(
                    f"another resend to {self._source} has begun, or this portion took more than "
                    f"{_TRANSACTION_MS // 1000} s; nothing of the portion was sent, run it again"
                ) from error
            if not manager.is_fatal_error():
                await self._producer.abort_transaction()  # else readers wait for the transaction's time to be over
            raise

    def _record(self, letter: DeadLetter) -> dict[str, Any]:
        headers = [("resent", letter.position.encode())]
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
async def opened(bootstrap: str, source: str) -> AsyncIterator[DeadLetterResender]:
    """A resender for the length of the block.

    If there are transactions, all resends of a topic have the same transactional id: from here on any earlier one is
    refused by Kafka, and what it had not committed is gone. So what is read from now on has all earlier marks.
    """
    producer = _producer(bootstrap, transactional_id=f"ranker-resend-{source}", transaction_timeout_ms=_TRANSACTION_MS)
    transactional = True
    try:
        with translated():
            try:
                async with asyncio.timeout(_START_S):
                    await producer.start()
            except (errors.UnknownError, errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError):
                await stop(producer)  # a broker that replies, and has no transactions
                producer, transactional = _producer(bootstrap), False
                await producer.start()
        yield DeadLetterResender(producer, source, transactional=transactional)
    finally:
        with contextlib.suppress(TimeoutError, errors.KafkaError):
            async with asyncio.timeout(_STOP_S):
                await stop(producer)


def _producer(bootstrap: str, **more: Any) -> Any:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, client_id="ranker-resend", acks="all", max_request_size=MAX_BYTES, **more
    )
