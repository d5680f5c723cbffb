"""The wall clock of this process and of its store, measured once a second."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ranker.core import clock


class Clocks:
    """`store_time_ms` asks the store for its time, ms since the epoch; `process_time_s` is this process' clock."""

    def __init__(
        self, store_time_ms: Callable[[], Awaitable[int]], process_time_s: Callable[[], float] = time.time
    ) -> None:
        self._ask = store_time_ms
        self._process_time_s = process_time_s
        self._ahead_ms = 0.0
        """How far the store's clock is ahead of ours, as well as a question and an answer can tell."""
        self._least_ahead_ms = 0.0
        """The same if the answer took no time to come: by no more than that may T follow the store's clock."""

    async def measure(self) -> None:
        before = self._process_time_s()
        store = await self._ask()
        after = self._process_time_s()
        self._ahead_ms = store - (before + after) * 500
        self._least_ahead_ms = store - after * 1000

    def wall_ms(self) -> int:
        """The lesser of both clocks, never ahead of the store's."""
        now = self._process_time_s() * 1000
        return int(clock.wall_ms(int(now), int(now + self._least_ahead_ms)))

    @property
    def offset_s(self) -> float:
        """Our clock less the store's."""
        return -self._ahead_ms / 1000

    @property
    def agree(self) -> bool:
        return clock.clocks_agree(0, int(self._ahead_ms))
