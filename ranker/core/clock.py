"""The clock T of a shard: all that Kafka had committed by T is counted.

Not all that was appended: a record has its append time before its followers have it, and until then no reader of the
log can see it or know of it. It is counted when it is committed, in the window of its event time. Times are
milliseconds since the epoch.
"""

from __future__ import annotations

TOLERANCE_MS = 2_000
"""How far the clocks of consumer, store and broker may differ."""


def wall_ms(process_ms: int, store_ms: int) -> int:
    """The wall clock is the lesser of two: one fast clock must not be able to retire for good."""
    return min(process_ms, store_ms)


def clocks_agree(process_ms: int, store_ms: int) -> bool:
    return abs(process_ms - store_ms) <= TOLERANCE_MS


def behind_ms(append_ms: int, wall: int) -> int:
    """T while records wait: the last applied one's append time less the tolerance, never ahead of the wall."""
    return min(append_ms - TOLERANCE_MS, wall)
