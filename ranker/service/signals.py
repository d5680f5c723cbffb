"""Ctrl-C and SIGTERM as an event, so that a command can still deliver what it has sent."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


class Stop(asyncio.Event):
    """Set by the first SIGINT or SIGTERM; `number` is that signal's."""

    number = 0


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
