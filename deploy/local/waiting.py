"""Waiting for something named, with a deadline; never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from deploy.local.faults import LocalFault

T = TypeVar("T")
PAUSE_S = 0.02


class NotInTime(LocalFault):
    """What was waited for did not happen before its deadline."""


def until(what: str, ask: Callable[[], T], deadline_s: float = 30.0, pause_s: float = PAUSE_S) -> T:
    """Ask until the answer is true, and return it. `what` begins the sentence "… did not happen within 30 s".

    An exception raised by `ask` ends the wait: a condition that can fail for a while catches that itself.
    """
    end = time.monotonic() + deadline_s
    while not (answer := ask()):
        if time.monotonic() >= end:
            raise NotInTime(f"{what} did not happen within {deadline_s:g} s")
        time.sleep(pause_s)
    return answer


async def until_async(what: str, ask: Callable[[], Awaitable[T]], deadline_s: float = 30.0) -> T:
    """Like `until`, for a condition that is awaited."""
    end = time.monotonic() + deadline_s
    while not (answer := await ask()):
        if time.monotonic() >= end:
            raise NotInTime(f"{what} did not happen within {deadline_s:g} s")
        await asyncio.sleep(PAUSE_S)
    return answer
