"""Sends dead letters back to their topic and marks them: in one transaction where the broker has transactions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from ranker.log.closing import stop
from ranker.log.dead_letter_writer import MAX_BYTES
from ranker.log.delivery import deliver
from ranker.log.errors import LogRefusedError, translated
from ranker.log.letters import MARK, Letter

_TRANSACTION_MS = 15_000
"""A resend that is killed holds readers of its partitions back for so long, unless the next resend comes before."""
_PORTION_S = 12.0
"""How long a portion may take: less than its transaction lives."""
_START_S = 30.0
_STOP_S = 5.0


class Resender:
    """Sends portions of letters. `transactional`: records and marks of a portion become visible together, or never.

    Else (the embedded broker) records are acknowledged before they are marked, and a kill between the two makes the
    next resend send that portion once more.
    """

    def __init__(self, producer: Any, source: str, *, transactional: bool) -> None:
        self._producer = producer
        self._source = source
        self.transactional = transactional

    async def send(self, letters: Sequence[Letter]) -> None:
        """Returns once the letters and their marks are acknowledged, and committed.

        Raises LogRefusedError where another resend of the same topic has begun meanwhile.
        """
        with _fenced(self._source), translated():
            async with asyncio.timeout(_PORTION_S):
                if not self.transactional:
                    await self._deliver(map(self._record, letters))
                    await self._deliver(map(self._mark, letters))
                    return
                await self._producer.begin_transaction()
                manager = self._producer._txn_manager  # noqa: SLF001  # as the client's own context manager does it
                manager.wait_for_transaction_end().add_done_callback(_retrieved)
                try:
                    await self._deliver(chain(map(self._record, letters), map(self._mark, letters)))
                except errors.KafkaError:
                    # Else readers of these partitions wait for the transaction's time to be over.
                    if not manager.is_fatal_error():
                        await self._producer.abort_transaction()
                    raise
                await self._producer.commit_transaction()

    def _record(self, letter: Letter) -> dict[str, Any]:
        headers = [("resent", letter.position.encode())]
        return {"topic": self._source, "key": letter.key, "value": letter.value, "headers": headers}

    def _mark(self, letter: Letter) -> dict[str, Any]:
        return {
            "topic": f"{self._source}.dead",
            "partition": letter.home,
            "key": f"{letter.position}{MARK}".encode(),
            "value": b"",  # a null value would be a tombstone
            "headers": [("append_ms", str(letter.append_ms).encode())],
        }

    async def _deliver(self, records: Iterable[dict[str, Any]]) -> None:
        """Returns once each of them is acknowledged; raises what was refused first."""
        for error in await deliver(self._producer, records):
            if error is not None:
                raise error


def _retrieved(transaction: asyncio.Future[None]) -> None:
    """The client tells a refused transaction to whoever waits for its end, and asyncio complains where nobody does."""
    if not transaction.cancelled():
        transaction.exception()


@contextlib.asynccontextmanager
async def opened(bootstrap: str, source: str) -> AsyncIterator[Resender]:
    """A Resender for the length of the block.

    Where there are transactions, all resends of a topic have the same transactional id: from here on any earlier one
    is refused by Kafka, and what it had not committed is gone. So what is read from now on has all earlier marks.
    """
    producer, transactional = await _start(bootstrap, source)
    try:
        yield Resender(producer, source, transactional=transactional)
    finally:
        with contextlib.suppress(TimeoutError, errors.KafkaError):
            async with asyncio.timeout(_STOP_S):
                await stop(producer)


async def _start(bootstrap: str, source: str) -> tuple[Any, bool]:
    producer = _producer(bootstrap, transactional_id=f"ranker-resend-{source}", transaction_timeout_ms=_TRANSACTION_MS)
    with translated():
        try:
            async with asyncio.timeout(_START_S):
                await producer.start()
        except (errors.UnknownError, errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError):
            await stop(producer)  # a broker that answers, and has no transactions
        except BaseException:
            await stop(producer)
            raise
        else:
            return producer, True
        producer = _producer(bootstrap)
        await producer.start()
        return producer, False


def _producer(bootstrap: str, **more: Any) -> Any:
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, client_id="ranker-resend", acks="all", max_request_size=MAX_BYTES, **more
    )


@contextlib.contextmanager
def _fenced(source: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, errors.ProducerFenced):
            cause = cause.__cause__
        if cause is None:
            raise
        raise LogRefusedError(
            f"another resend to {source} has begun, or this portion took more than {_TRANSACTION_MS // 1000} s; "
            "nothing of the portion was sent, run it again"
        ) from error
