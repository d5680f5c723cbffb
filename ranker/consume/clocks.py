"""The wall clock of this process and of its store, measured once a second."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ranker.core import clock


class Clocks:
    """`store_time_ms` asks the store for its time, milliseconds since the epoch."""

    def __init__(self, store_time_ms: Callable[[], Awaitable[int]]) -> None:
        self._ask = store_time_ms
        self._ahead_ms = 0.0
        """How far the store's clock is ahead of ours."""

    async def measure(self) -> None:
        before = time.time()
        store = await self._ask()
        self._ahead_ms = store - (before + time.time()) * 500

    def wall_ms(self) -> int:
        """The lesser of both clocks."""
        now = time.time() * 1000
        return int(clock.wall_ms(int(now), int(now + self._ahead_ms)))

    @property
    def offset_s(self) -> float:
        """Our clock less the store's."""
        return -self._ahead_ms / 1000

    @property
    def agree(self) -> bool:
        return clock.clocks_agree(0, int(self._ahead_ms))
