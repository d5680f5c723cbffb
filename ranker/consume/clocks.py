"""The wall clocks of this process and of its store, measured once a second and compared with a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ranker.core import watermark

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Runs on while the machine is suspended, so that waking up looks like no step of the wall clock."""


def monotonic_s() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(_BOOT)


class Clocks:
    """`store_time_ms` reads the store's clock, ms since the epoch; `process_time_s` is this process' clock.

    A store that does not tell its time (None) counts as having ours.
    """

    def __init__(
        self,
        store_time_ms: Callable[[], Awaitable[int | None]],
        process_time_s: Callable[[], float] = time.time,
        monotonic_time_s: Callable[[], float] = monotonic_s,
    ) -> None:
        self._store_time_ms = store_time_ms
        self._process_time_s = process_time_s
        self._monotonic_time_s = monotonic_time_s
        self._ahead_ms = 0.0
        """How far the store's clock is ahead of ours, to within half a round trip."""
        self._store_offset_ms: float | None = None
        """The store's clock less the monotonic one, as if the reply took no time."""
        self._wall = watermark.WallClock()

    async def measure(self) -> None:
        before, sent_ms = self._process_time_s(), self._monotonic_time_s() * 1000
        store = await self._store_time_ms()
        after = self._process_time_s()
        if store is None:
            store = int(after * 1000)
        self._ahead_ms = store - (before + after) * 500
        took_ms = self._monotonic_time_s() * 1000 - sent_ms
        if self._store_offset_ms is None or took_ms < watermark.TOLERANCE_MS / 2:  # a slow reply looks like a step
            self._store_offset_ms = store - took_ms - sent_ms
        self.wall_ms()

    def wall_ms(self) -> int:
        """The lesser of both clocks, never ahead of the store's; after a step, what it would be without the step."""
        now_ms, monotonic_ms = self._process_time_s() * 1000, self._monotonic_time_s() * 1000
        if self._store_offset_ms is None:
            return int(now_ms)
        store_ms = monotonic_ms + self._store_offset_ms
        return self._wall.believed_ms(watermark.wall_ms(int(now_ms), int(store_ms)), int(monotonic_ms))

    def may_follow(self, wall_ms: int, known_ms: int) -> bool:
        """Whether T may become `wall_ms` once all is applied; `known_ms` is the time that state and log prove."""
        steady = self._wall.steady(int(self._monotonic_time_s() * 1000))
        return watermark.may_follow(wall_ms, known_ms, steady=steady)

    def proven_ms(self, known_ms: int) -> int:
        """The wall clock, as far as it alone may move floors, which never go back."""
        wall_ms = self.wall_ms()
        return wall_ms if self.may_follow(wall_ms, known_ms) else known_ms

    @property
    def held(self) -> bool:
        """A clock stepped less than ten minutes ago."""
        return self._wall.held

    @property
    def offset_s(self) -> float:
        """Our clock less the store's."""
        return -self._ahead_ms / 1000

    @property
    def agree(self) -> bool:
        return watermark.clocks_agree(0, int(self._ahead_ms))
