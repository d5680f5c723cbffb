"""How many different articles so many events are about: Zipf's law, corrected by what is known of a site."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from math import exp, expm1, log

_SINGLE = 256
"""Ranks that have a weight of their own; those behind share that of a stretch."""
_STRETCH = 1.03
"""Of ranks behind: each stretch ends so much further than it begins."""


class Popularity:
    """`articles` of which the one of rank r gets r^-`zipf` of the events.

    `seen` has, if it is known, seconds to the number of different articles with an event in so long, at `rate` events a
    second: between such lengths of time what the law says is corrected in proportion.
    """

    def __init__(
        self, articles: int, zipf: float, rate: float = 0.0, seen: Mapping[float, float] | None = None
    ) -> None:
        self.articles = articles
        stretches = list(_stretches(articles))
        weights: list[float] = [ranks * middle**-zipf for middle, ranks in stretches]
        whole = sum(weights)
        self._shares = [(ranks, weight / whole / ranks) for (_, ranks), weight in zip(stretches, weights, strict=True)]
        self._computed: dict[float, float] = {}
        self._known: list[tuple[float, float]] = []
        """Logarithms: of events, of the factor."""
        self._known = sorted(
            (log(rate * seconds), log(known / self._by_law(rate * seconds))) for seconds, known in (seen or {}).items()
        )

    def distinct(self, events: float) -> float:
        """The expected number of different articles among so many events."""
        if events <= 0:
            return 0.0
        return min(self._by_law(events) * self._factor(events), float(self.articles), events)

    def first(self) -> float:
        """The share of the events that the first article has."""
        return self._shares[0][1]

    def _by_law(self, events: float) -> float:
        if events not in self._computed:
            self._computed[events] = sum(-ranks * expm1(-events * share) for ranks, share in self._shares)
        return self._computed[events]

    def _factor(self, events: float) -> float:
        if not self._known:
            return 1.0
        at = log(events)
        place = bisect_left(self._known, (at, 0.0))
        if place in (0, len(self._known)):
            return exp(self._known[max(0, place - 1)][1])
        (left, low), (right, high) = self._known[place - 1 : place + 1]
        return exp(low + (high - low) * (at - left) / (right - left))


def _stretches(articles: int) -> Iterator[tuple[float, int]]:
    """(rank, or the middle of a stretch of ranks; how many there are)."""
    rank = 1
    while rank <= articles:
        end = min(articles, rank if rank <= _SINGLE else int(rank * _STRETCH))
        yield (rank * end) ** 0.5, end - rank + 1
        rank = end + 1
