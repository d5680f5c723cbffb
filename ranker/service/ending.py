"""Ends the tasks of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

_AGAIN_S = 5.0
"""Longer than leaving a consumer group in order takes."""


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels those that still run and waits for them; raises the first error that one of all ended with."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        # again: wait_for, which the clients use, swallows a cancellation now and then before Python 3.12
        await asyncio.wait(left, timeout=_AGAIN_S)
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
