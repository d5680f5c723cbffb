"""Slices, lanes and floors: plain integers. A floor is `slice * lanes + lane`; counts below it have left the window.

lane 63 |  .  .  x  x  x
    ... |  .  .  x  x  x        . retired    x counted
 lane 1 |  .  .  x  x  x        floor = slice 2, lane 1
 lane 0 |  .  .  .  x  x
        +--0--1--2--3--4-- slices of one tier
"""

from __future__ import annotations

import zlib

from ranker.core.generation import Generation, Window
from ranker.core.rules import memory_rules

Floors = tuple[int, ...]
"""One floor per window, shortest window first."""


def lane(article: str, lanes: int) -> int:
    return zlib.crc32(article.encode()) % lanes


def floor_at(window: Window, lanes: int, watermark_ms: int) -> int:
    """The floor at this T: a slice leaves when its end is no later than T minus the window's length."""
    return (watermark_ms - window.length_ms) // window.grain_ms * lanes


def floors_at(generation: Generation, watermark_ms: int) -> Floors:
    return tuple(floor_at(window, generation.lanes, watermark_ms) for window in generation.windows)


def start_ms(floor: int, window: Window, lanes: int) -> int:
    """Start of the floor's slice, milliseconds since the epoch: the `from` of a list."""
    return floor // lanes * window.grain_ms


def first_append_ms(generation: Generation, floors: Floors, future_ms: int) -> int:
    """The earliest append time of a record that can count at or above these floors, or decide whether one does."""
    oldest = min(start_ms(floor, w, generation.lanes) for floor, w in zip(floors, generation.windows, strict=True))
    return first_append_of_ms(generation, oldest, future_ms)


def first_append_of_ms(generation: Generation, occurred_ms: int, future_ms: int) -> int:
    """The earliest append time of a record of this event time or a later one, or that decides whether one counts."""
    rules = memory_rules(generation)
    if rules is not None:
        occurred_ms -= occurred_ms % rules.per_ms  # what rules know of a count may lie anywhere in its bucket
    return occurred_ms - future_ms
