"""An article's movement in one list, from the rank history: previous rank, since when it is listed, best rank.

Everything is exact to an hour, the grain of the history, and None if the history does not contain it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from ranker.core.times import HOUR_MS
from ranker.lists import names
from ranker.store.history import PLACES
from schemas.article_id import DEFAULT, IdRule

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

    `rule` is the site's for article ids: entries may have other spellings of them. `since_ms` and `newest_ms` are the
    times of the oldest and the newest entry; None if there is none.
    """

    def __init__(self, entries: Mapping[int, Sequence[str]], rule: IdRule = DEFAULT) -> None:
        places = _first_places(entries, rule)
        hours = sorted(entries)
        self.since_ms = hours[0] * HOUR_MS if hours else None
        self.newest_ms = hours[-1] * HOUR_MS if hours else None
        self._best: dict[str, int] = {}
        for ranks in places.values():
            for article, rank in ranks.items():
                if rank < self._best.get(article, rank + 1):
                    self._best[article] = rank
        self._recent = [
            (hour * HOUR_MS, places[hour] | {article: rank for rank, article in enumerate(entries[hour], 1)})
            for hour in reversed(hours)
            if (hours[-1] - hour) * HOUR_MS <= COMPARED_MS[1]
        ]
        self._entered = _entered(places, hours[-1]) if hours else {}

    def about(self, article_id: str, rank: int | None, now_ms: int, own_name: str = "") -> Movement:
        """The movement of an article that is at `rank` now; None: below all places that were read.

        Its own name is needed if that is not its id.

        `previous_rank` and `trend` compare with the newest entry that is half an hour to two hours old: with the place
        of this id, or else with the first one of another spelling. An article that it lacks is new, unless it ranks
        lower now than entries reach. `entered_at_ms` is the first hour of the unbroken run of entries that ends with
        the newest one; unknown if the run begins at a missing hour, and once the newest entry is older than two hours.
        `best_rank` is the best of all entries and of now.
        """
        if self.newest_ms is None:
            return Movement(None, None, None, None)
        compared = next(
            (ranks for at_ms, ranks in self._recent if COMPARED_MS[0] <= now_ms - at_ms <= COMPARED_MS[1]), None
        )
        name = own_name or article_id
        previous = None if compared is None else compared.get(article_id, compared.get(name))
        best = self._best.get(name)
        trend: Trend | None = None
        if rank is not None and previous is not None:
            trend = "up" if rank < previous else "down" if rank > previous else "same"
        if rank is not None and rank <= PLACES:
            best = rank if best is None else min(best, rank)
            if compared is not None and previous is None:
                trend = "new"
        fresh = now_ms - self.newest_ms <= COMPARED_MS[1]
        return Movement(previous, self._entered.get(name) if fresh else None, best, trend)


def _first_places(entries: Mapping[int, Sequence[str]], rule: IdRule) -> dict[int, dict[str, int]]:
    """Hour to the first rank of each article by its own name: several rows may be spellings of one."""
    named = {one: names.own_name(one, rule) for one in set(chain.from_iterable(entries.values()))}
    places: dict[int, dict[str, int]] = {}
    for hour, listed in entries.items():
        ranks = places[hour] = {}
        for rank, one in enumerate(listed, 1):
            ranks.setdefault(named[one], rank)
    return places


def _entered(entries: Mapping[int, Mapping[str, int]], newest: int) -> dict[str, int]:
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
