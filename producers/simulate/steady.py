"""Sending through outages: a failed attempt is repeated until it succeeds, and both are reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from producers.client.producer import Producer
from producers.errors import ProducerError
from producers.replay.replaying import pause
from producers.simulate.collector_sender import CollectorRefusedError

AGAIN_S = 1.0

Say = Callable[[str], None]


class Steady:
    """A producer that is replaced, by `new`, when a delivery has failed.

    Leaving closes the last one as leaving that one does: it learns of the exception that ends the block.
    """

    def __init__(self, new: Callable[[], Producer]) -> None:
        self._new = new
        self._opened = contextlib.AsyncExitStack()
        self._producer: Producer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(kind, error, traceback)

    async def producer(self) -> Producer:
        """The open producer; opens one if necessary. Raises ProducerError if that fails."""
        if self._producer is None:
            self._producer = await self._opened.enter_async_context(self._new())
        return self._producer

    async def deliver(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Returns when Kafka has acknowledged these records. Raises ProducerError; the next call may succeed."""
        producer = await self.producer()
        try:
            await producer.send_records(records)
            await producer.flush()
        except ProducerError:
            self._producer = None
            with contextlib.suppress(ProducerError):
                await self._opened.aclose()
            raise


async def insist(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event, say: Say) -> bool:
    """Repeats `attempt` until it succeeds; False if `stop` came first. Repeated records may be in the log twice.

    Raises CollectorRefusedError, since waiting would not help.
    """
    failed = False
    while True:
        try:
            await attempt()
        except CollectorRefusedError:
            raise
        except ProducerError as error:
            if not failed:
                say(f"{error} Trying again until it does.")
            failed = True
            await pause(stop, AGAIN_S)
            if stop.is_set():
                return False
        else:
            if failed:
                say("It takes events again; those of the outage follow.")
            return True
