"""The watermark T of a shard: all that Kafka had committed by T is counted.

Not all that was appended: a record gets its append time before the followers have it, and until then no consumer can
see it. It is counted when it is committed, in the window of its event time. Times are milliseconds since the epoch.

T and floors never go back, so a wall clock that jumps ahead for a moment must not move them: see `WallClock`.
"""

from __future__ import annotations

_DAY_MS = 86_400_000
TOLERANCE_MS = 2_000
"""How far the clocks of consumer, store and broker may differ."""


def wall_ms(process_ms: int, store_ms: int) -> int:
    """The wall clock is the lesser of two: one fast clock must not retire counts for good."""
    return min(process_ms, store_ms)


def clocks_agree(process_ms: int, store_ms: int) -> bool:
    return abs(process_ms - store_ms) <= TOLERANCE_MS


def behind_ms(append_ms: int, wall: int) -> int:
    """T while records wait: the last applied one's append time less the tolerance, never ahead of the wall clock.

    0 if that time lies more than a day ahead: it is a producer's wrong clock, and those that wait may be older.
    """
    return min(append_ms - TOLERANCE_MS, wall) if append_ms <= wall + _DAY_MS else 0


STEADY_MS = 600_000
"""How long a wall clock that has stepped must run evenly before T follows it."""
LEAP_MS = 600_000
"""How far a clock that was not yet watched for `STEADY_MS` may move T beyond what state and log prove."""


class WallClock:
    """A wall clock compared with a monotonic one. After a step only the time without that step is believed.

    wall less monotonic    ┌───┐                      believed: the lower line while it is held
                       ────┴ ─ ┴──────────────
                           |held             | ten minutes after the last step
    """

    def __init__(self) -> None:
        self.held = False
        self._offset_ms: int | None = None
        self._before_ms = 0
        self._since_ms = 0

    def believed_ms(self, wall_ms: int, monotonic_ms: int) -> int:
        """The time that may move T; to be called often, since a step is seen only between two calls."""
        offset_ms = wall_ms - monotonic_ms
        if self._offset_ms is None:
            self._since_ms = monotonic_ms
        elif abs(offset_ms - self._offset_ms) > TOLERANCE_MS:
            if not self.held:
                self._before_ms = self._offset_ms
            self.held, self._since_ms = True, monotonic_ms
        elif self.steady(monotonic_ms):
            self.held = False
        self._offset_ms = offset_ms
        return monotonic_ms + (min(offset_ms, self._before_ms) if self.held else offset_ms)

    def steady(self, monotonic_ms: int) -> bool:
        """Whether the clock was watched for ten minutes without a step."""
        return self._offset_ms is not None and monotonic_ms - self._since_ms >= STEADY_MS


def may_follow(wall_ms: int, known_ms: int, *, steady: bool) -> bool:
    """Whether T may become the wall clock once all is applied: a process that has just started has seen no step yet.

    `known_ms` is the latest time that something else proves: T, floors, append times.
    """
    return steady or wall_ms - known_ms <= LEAP_MS


def age_ms(now_ms: int, watermark_ms: int) -> int:
    """The age of T; below zero only if T lies further ahead than clocks may differ, which is a fault."""
    age = now_ms - watermark_ms
    return age if age < -TOLERANCE_MS else max(0, age)
