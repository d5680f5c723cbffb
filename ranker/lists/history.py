"""An article's movement in one list, from the rank history: previous rank, since when it is listed, best rank.

Everything is exact to an hour, the grain of the history, and None if the history does not contain it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from ranker.lists.names import own_name
from ranker.store.history import HOUR_MS, PLACES
from schemas.article_id import IdRule

GRAIN_S = HOUR_MS // 1000
COMPARED_MS = (HOUR_MS // 2, 2 * HOUR_MS)
"""Age of the entry that ranks are compared with: against a younger one nearly everything would be the same."""

Trend = Literal["up", "down", "new", "same"]


class Movement(NamedTuple):
    """Of one article in one list. Ranks count from 1; `entered_at_ms` is ms since the epoch, a full hour."""

    previous_rank: int | None
    entered_at_ms: int | None
    best_rank: int | None
    trend: Trend | None


class Ranks:
    """The history of one list. `entries` are hour to ids in rank order, from `read_ranks`; they are not kept.

    `since_ms` and `newest_ms` are the times of the oldest and the newest entry; None if there is none.
    """

    def __init__(self, entries: Mapping[int, Sequence[str]]) -> None:
        hours = sorted(entries)
        self.since_ms = hours[0] * HOUR_MS if hours else None
        self.newest_ms = hours[-1] * HOUR_MS if hours else None
        self._best: dict[str, int] = {}
        for ids in entries.values():
            for rank, article in enumerate(ids, 1):
                if rank < self._best.get(article, rank + 1):
                    self._best[article] = rank
        self._recent = [
            (hour * HOUR_MS, {article: rank for rank, article in enumerate(entries[hour], 1)})
            for hour in reversed(hours)
            if (hours[-1] - hour) * HOUR_MS <= COMPARED_MS[1]
        ]
        self._entered = _entered(entries, hours[-1]) if hours else {}

    def about(self, article_id: str, rank: int | None, now_ms: int) -> Movement:
        """The movement of an article that is at `rank` now; None: below all places that were read.

        `previous_rank` and `trend` compare with the newest entry that is half an hour to two hours old. An article
        that it lacks is new, unless it ranks lower now than entries reach. `entered_at_ms` is the first hour of the
        unbroken run of entries that ends with the newest one; unknown if the run begins at a missing hour, and
        once the newest entry is older than two hours. `best_rank` is the best of all entries and of now.
        """
        if self.newest_ms is None:
            return Movement(None, None, None, None)
        compared = next(
            (ranks for at_ms, ranks in self._recent if COMPARED_MS[0] <= now_ms - at_ms <= COMPARED_MS[1]), None
        )
        previous = None if compared is None else compared.get(article_id)
        best = self._best.get(article_id)
        trend: Trend | None = None
        if rank is not None and previous is not None:
            trend = "up" if rank < previous else "down" if rank > previous else "same"
        if rank is not None and rank <= PLACES:
            best = rank if best is None else min(best, rank)
            if compared is not None and previous is None:
                trend = "new"
        fresh = now_ms - self.newest_ms <= COMPARED_MS[1]
        return Movement(previous, self._entered.get(article_id) if fresh else None, best, trend)


def by_name(entries: Mapping[int, Sequence[str]], rule: IdRule) -> Mapping[int, Sequence[str]]:
    """The same entries with names instead of ids; an article that had several places keeps the first."""
    ids = set(chain.from_iterable(entries.values()))
    names = {one: named for one in ids if (named := own_name(one, rule)) != one}
    if not names:
        return entries
    return {hour: list(dict.fromkeys(names.get(one, one) for one in listed)) for hour, listed in entries.items()}


def _entered(entries: Mapping[int, Sequence[str]], newest: int) -> dict[str, int]:
    """Each article of the newest entry to the time its run of entries began, if known."""
    entered: dict[str, int] = {}
    running = set(entries[newest])
    hour = newest
    while running and hour - 1 in entries:
        before = running.intersection(entries[hour - 1])
        for article in running - before:
            entered[article] = hour * HOUR_MS
        running = before
        hour -= 1
    return entered
