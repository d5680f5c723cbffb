"""Work that a process repeats beside its main work."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def periodic(
    every_s: float,
    work: Callable[[], Awaitable[object]],
    failure: str = "",
    expected: tuple[type[Exception], ...] = (),
    *,
    at_most_s: float = 0.0,
    spread: float = 0.0,
    never_ends: bool = False,
) -> None:
    """Runs `work`, waits `every_s`, and goes on until it is cancelled.

    An `expected` error is logged after `failure`, once until it changes or the work succeeds. Any other ends this, or
    is logged with its traceback if this `never_ends`. While work fails or returns False, each wait is twice as long as
    the last, up to `at_most_s`. Each is then longer or shorter by chance, by a share of up to `spread`.
    """
    wait_s, logged = every_s, ""
    while True:
        try:
            done, fault = await work() is not False, ""
        except Exception as error:
            if not (never_ends or isinstance(error, expected)):
                raise
            done, fault = False, repr(error)
            if fault != logged:
                log.warning("%s: %s", failure, error, exc_info=not isinstance(error, expected))
        logged = fault
        wait_s = every_s if done else max(every_s, min(at_most_s, wait_s * 2))
        await asyncio.sleep(wait_s * random.uniform(1 - spread, 1 + spread))  # noqa: S311  # nothing to guess
