"""Ctrl-C and SIGTERM as an event, so that a command can still deliver what it has sent."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stop_event() -> Iterator[asyncio.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def first() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, first)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
