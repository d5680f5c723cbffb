"""Counts of a few articles by the hour, from slices: which slices to read, and their sum.

Hours are full hours UTC. Either a slice lies inside one of them, or its tier is too coarse for hours.

          first_ms                                as_of
             |  1  |  2  |   ...    | 23  | 24 .    24 hours, the last one under way
 ..:..:..:..:|::::::::::::::::::::::::::::::::      slices of a minute
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from ranker.core.delta import counts_of
from ranker.core.floors import Floors, lane
from ranker.core.generation import Generation
from ranker.core.step import SliceId

HOUR_MS = 3_600_000
HOURS = 24

Hours = list[Counter[str]]
"""Outcome to count, for each hour, oldest first."""


def no_hours() -> Hours:
    return [Counter() for _ in range(HOURS)]


def first_ms(as_of_ms: int) -> int:
    """Start of the first of the hours that end with the one of `as_of_ms`."""
    return (as_of_ms // HOUR_MS - HOURS + 1) * HOUR_MS


def inside(generation: Generation, live: Iterable[SliceId], from_ms: int) -> list[SliceId] | None:
    """The live slices of the hours from `from_ms` on, oldest first; None if one of them covers more than an hour."""
    to_ms = from_ms + HOURS * HOUR_MS
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
    hours: Hours,
    generation: Generation,
    site: str,
    articles: Collection[str],
    from_ms: int,
    slices: Mapping[SliceId, Sequence[bytes]],
    floors: Floors,
) -> None:
    """Adds the articles' counts in these slices to `hours`, as far as they lie at or above the floors."""
    lanes = {article: lane(article, generation.lanes) for article in articles}
    for (tier, slice_), deltas in slices.items():
        first_lane = floors[tier] - slice_ * generation.lanes
        alive = [article for article in articles if lanes[article] >= first_lane]
        hour = hours[(slice_ * generation.windows[tier].grain_ms - from_ms) // HOUR_MS]
        for delta in deltas if alive else ():
            for outcome, counted in counts_of(delta, site, alive).items():
                hour[outcome] += sum(counted.values())


def weighed(hours: Hours, boards: Mapping[str, Mapping[str, int]]) -> list[dict[str, int]]:
    """Board to its weighted count, for each hour."""
    return [
        {board: sum(weight * hour[outcome] for outcome, weight in weights.items()) for board, weights in boards.items()}
        for hour in hours
    ]
