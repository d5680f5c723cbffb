"""A producer with one transactional id for all processes of a kind: the newest one refuses all earlier ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from ranker.connect.kafka import KafkaSettings
from ranker.connect.kafka_start import start
from ranker.log.delivery import deliver
from ranker.log.errors import LogRefusedError, stop, translated

_START_S = 30.0
_STOP_S = 5.0


class Transactions:
    """`transactional`: what a transaction sends becomes visible together, or never. Else (the embedded broker) records
    are visible one by one.
    """

    def __init__(self, producer: Any, fenced: str, *, transactional: bool) -> None:
        self.producer = producer
        self.transactional = transactional
        self._fenced = fenced

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commits at the end of the block; raises LogRefusedError if a newer process has begun, or it took too long."""
        if not self.transactional:
            yield
            return
        await self.producer.begin_transaction()
        manager = self.producer._txn_manager  # noqa: SLF001  # as the client's own context manager does it
        try:
            yield
            await self.producer.commit_transaction()
        except errors.KafkaError as error:
            # Looked at in any case: asyncio complains of an error that nobody has seen.
            ended = manager.wait_for_transaction_end()
            if ended.done() and isinstance(ended.exception(), errors.ProducerFenced):
                raise LogRefusedError(self._fenced) from error
            if not manager.is_fatal_error():
                await self.producer.abort_transaction()  # else readers wait for the transaction's time to be over
            raise

    async def deliver(self, records: Iterable[dict[str, Any]]) -> None:
        """Returns once all records are acknowledged; raises the first error of one, or of the transaction."""
        sending = asyncio.ensure_future(deliver(self.producer, records))
        awaited: set[asyncio.Future[Any]] = {sending}
        if self.transactional:
            # A transaction that fails leaves its records without an outcome.
            awaited.add(self.producer._txn_manager.wait_for_transaction_end())  # noqa: SLF001  # as above
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for ended in awaited - {sending}:
                if ended.done():
                    ended.result()
            for error in await sending:
                if error is not None:
                    raise error
        finally:
            if not sending.done():
                sending.cancel()
            await asyncio.wait([sending])
            if not sending.cancelled():
                sending.exception()  # looked at: asyncio complains of an error that nobody has seen


@contextlib.asynccontextmanager
async def opened(
    kafka: KafkaSettings,
    transactional_id: str,
    client_id: str,
    *,
    timeout_ms: int,
    max_bytes: int,
    fenced: str,
    may_lack_transactions: bool = True,
) -> AsyncIterator[Transactions]:
    """For the length of the block. `fenced` is the message if another process has the id.

    Without transactions (`may_lack_transactions`) nothing is fenced.

    From here on any earlier process with this id is refused by Kafka, and what it had not committed is gone: what is
    read from now on has all that they wrote.
    """

    def producer(**more: Any) -> Any:
        return AIOKafkaProducer(
            **kafka.arguments(), client_id=client_id, acks="all", max_request_size=max_bytes, **more
        )

    opening = producer(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
    transactional = True
    try:
        with translated():
            try:
                async with asyncio.timeout(_START_S):
                    await start(opening, kafka)
            except (errors.UnknownError, errors.IncompatibleBrokerVersion, errors.UnsupportedVersionError):
                if not may_lack_transactions:
                    raise
                await stop(opening)  # a broker that replies, and has no transactions
                opening, transactional = producer(), False
                await start(opening, kafka)
        yield Transactions(opening, fenced, transactional=transactional)
    finally:
        with contextlib.suppress(TimeoutError, errors.KafkaError):
            async with asyncio.timeout(_STOP_S):
                await stop(opening)
