"""Counts of a few articles by the hour, from slices: which slices to read, and their sum.

Hours are full hours UTC. Either a slice lies inside one of them, or its tier is too coarse for hours.

          first_ms                                as_of
             |  1  |  2  |   ...    | 23  | 24 .    24 hours, the last one under way
 ..:..:..:..:|::::::::::::::::::::::::::::::::      slices of a minute
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ranker.core.delta import counts_of
from ranker.core.floors import Floors, lane
from ranker.core.generation import Generation
from ranker.core.step import SliceId
from ranker.core.times import HOUR_MS

HOURS = 24

Hours = list[Counter[str]]
"""Outcome to count, for each hour, oldest first."""


def no_hours(number: int = HOURS) -> Hours:
    return [Counter() for _ in range(number)]


def together(each: Iterable[Hours], number: int = HOURS) -> Hours:
    """The sum, hour by hour."""
    summed = no_hours(number)
    for hours in each:
        for total, hour in zip(summed, hours, strict=True):
            total.update(hour)
    return summed


def first_ms(as_of_ms: int) -> int:
    """Start of the first of the hours that end with the one of `as_of_ms`."""
    return (as_of_ms // HOUR_MS - HOURS + 1) * HOUR_MS


def inside(generation: Generation, live: Iterable[SliceId], from_ms: int, number: int = HOURS) -> list[SliceId] | None:
    """The live slices of the hours from `from_ms` on, oldest first; None if one of them covers more than an hour."""
    to_ms = from_ms + number * HOUR_MS
    found = []
    for tier, slice_ in live:
        grain_ms = generation.windows[tier].grain_ms
        start_ms = slice_ * grain_ms
        if start_ms + grain_ms > from_ms and start_ms < to_ms:
            if HOUR_MS % grain_ms:
                return None
            found.append((start_ms, (tier, slice_)))
    return [slice_id for _, slice_id in sorted(found)]


def add_up(
    found: Mapping[str, Hours],
    generation: Generation,
    site: str,
    from_ms: int,
    slices: Mapping[SliceId, Sequence[bytes]],
    floors: Floors,
) -> None:
    """Adds each article's counts in these slices to its hours, as far as they lie at or above the floors."""
    lanes = {article: lane(article, generation.lanes) for article in found}
    for (tier, slice_), deltas in slices.items():
        first_lane = floors[tier] - slice_ * generation.lanes
        alive = [article for article in found if lanes[article] >= first_lane]
        hour = (slice_ * generation.windows[tier].grain_ms - from_ms) // HOUR_MS
        for delta in deltas if alive else ():
            for outcome, counted in counts_of(delta, site, alive).items():
                for article, count in counted.items():
                    found[article][hour][outcome] += count


def weighed(hours: Hours, boards: Mapping[str, Mapping[str, int]]) -> list[dict[str, int]]:
    """Board to its weighted count, for each hour."""
    return [
        {board: sum(weight * hour[outcome] for outcome, weight in weights.items()) for board, weights in boards.items()}
        for hour in hours
    ]
