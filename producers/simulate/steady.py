"""Sending that outlives an outage: what fails is tried again until it succeeds, and both are said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from producers.client.producer import Producer
from producers.errors import ProducerError
from producers.replay.replaying import pause
from producers.simulate.collector_sender import CollectorRefusedError

AGAIN_S = 1.0

Say = Callable[[str], None]


class Steady:
    """A producer that is made anew, by `new`, when its delivery has failed. `aclose` closes the last one."""

    def __init__(self, new: Callable[[], Producer]) -> None:
        self._new = new
        self._opened = contextlib.AsyncExitStack()
        self._producer: Producer | None = None

    async def producer(self) -> Producer:
        """The one that is open. Raises ProducerError where none is and none can be opened."""
        if self._producer is None:
            self._producer = await self._opened.enter_async_context(self._new())
        return self._producer

    async def deliver(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Return when Kafka has acknowledged these records. Raises ProducerError; the next call may succeed."""
        producer = await self.producer()
        try:
            await producer.send_records(records)
            await producer.flush()
        except ProducerError:
            self._producer = None
            with contextlib.suppress(ProducerError):
                await self._opened.aclose()
            raise

    async def aclose(self) -> None:
        """Flush and close; raises DeliveryError where that fails."""
        await self._opened.aclose()


async def insist(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event, say: Say) -> bool:
    """Attempt until it succeeds; False where `stop` came first. What is sent again may be in the log twice.

    Raises CollectorRefusedError, which no waiting mends.
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
