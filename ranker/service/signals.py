"""Ctrl-C and SIGTERM as an event, so that a command can still deliver what it has sent, and serve a little longer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

DRAINING = "draining: asked to end, and serving a little longer"
"""Why a process is not ready then."""


class Stop(asyncio.Event):
    """Set by the first SIGINT or SIGTERM; `number` is that signal's."""

    number = 0

    async def drained(self, drain_s: float) -> None:
        """Returns when the process is to end: at Ctrl-C, or `drain_s` after SIGTERM."""
        await self.wait()
        if drain_s and self.number == signal.SIGTERM:
            log.info("draining", extra={"seconds": drain_s})
            await asyncio.sleep(drain_s)


@contextlib.contextmanager
def stop_event(at_once: Callable[[], object] = lambda: None) -> Iterator[Stop]:
    """The first signal sets the event and calls `at_once`; the second one kills the process."""
    loop, stop = asyncio.get_running_loop(), Stop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def first(number: int) -> None:
        for each in signals:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        stop.number = number
        stop.set()
        at_once()

    for number in signals:
        loop.add_signal_handler(number, first, number)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
