"""Rising articles: clearly more counts in the last hour than their own past and the site's hour make likely.

    c       the article's count in the window `recent`
    o       its count in the window `before`, less c
    G       what the site has in `recent` for each count that it has in `before` without `recent`: the day's curve
    H       the same of the article in the same hours yesterday, (y_recent + 20 G) / (y_before + 20)
    e       the count to expect: o * max(G, H), 1 at least
    sigmas  sqrt(c) + sqrt(c + 1) - sqrt(4 e + 1): standard deviations above e (Freeman and Tukey)

Listed if c, sigmas and c / e reach their thresholds, the article is among the first 2,000 of the list `recent`, and it
was there before `before` begins: what has just been published rises by itself. Only + - * / and the square root, which
IEEE 754 rounds alike everywhere, in one order of operations: from the same counts every reader computes the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import sqrt
from typing import NamedTuple

from ranker.core.times import DAY_MS, HOUR_MS, MINUTE_MS

PLACES = 100
"""Length of a list at most."""
DRAWN = 20
"""Counts of the site's ratio that the article's own of yesterday is mixed with: of few counts a ratio says little."""
LEAST_EXPECTED = 1.0


class Thresholds(NamedTuple):
    """What an article must reach to be listed: `least` counts, `sigmas`, and `times` the count to expect."""

    least: int
    sigmas: float
    times: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An article's count in `recent`, and in `before` without it."""

    article_id: str
    count: int
    before: int


@dataclass(frozen=True, slots=True, order=True)
class Rise:
    """A listed article: greater stands higher. `times` is count / expected."""

    sigmas: float
    count: int
    article_id: str
    expected: float
    times: float


class Yesterday(NamedTuple):
    """The same hours yesterday, in full minutes: `before` in [from_ms, middle_ms), `recent` in [middle_ms, to_ms)."""

    from_ms: int
    middle_ms: int
    to_ms: int

    @property
    def first_hour_ms(self) -> int:
        """Start of the first hour (UTC) that holds some of it."""
        return self.from_ms // HOUR_MS * HOUR_MS

    @property
    def hours(self) -> int:
        """Number of hours (UTC) that hold some of it."""
        return -(-self.to_ms // HOUR_MS) - self.from_ms // HOUR_MS

    def count_minutes(self, counts: Sequence[int]) -> tuple[int, int]:
        """Of `recent` and of `before`: each hour's count times its minutes inside, added up. `counts` are hourly."""
        recent = before = 0
        for hour, count in enumerate(counts):
            start_ms = self.first_hour_ms + hour * HOUR_MS
            before += count * _minutes_inside(start_ms, self.from_ms, self.middle_ms)
            recent += count * _minutes_inside(start_ms, self.middle_ms, self.to_ms)
        return recent, before


def yesterday(as_of_ms: int, recent_ms: int, before_ms: int) -> Yesterday:
    """The hours a day before `as_of_ms`, for windows of these lengths."""
    to_ms = as_of_ms // MINUTE_MS * MINUTE_MS - DAY_MS
    return Yesterday(to_ms - before_ms, to_ms - recent_ms, to_ms)


def _minutes_inside(start_ms: int, from_ms: int, to_ms: int) -> int:
    """Minutes of the hour from `start_ms` on that lie in [from_ms, to_ms)."""
    return max(0, min(start_ms + HOUR_MS, to_ms) - max(start_ms, from_ms)) // MINUTE_MS


def site_ratio(recent: int, before: int) -> float:
    """G, of the site's count in `recent` and in `before` without it; 0 if one of them is none: then it says nothing."""
    return recent / before if recent > 0 and before > 0 else 0.0


def own_ratio(recent_minutes: int, before_minutes: int, site: float) -> float:
    """H, of what `Yesterday.count_minutes` returns. If more was taken back than counted before, that is none."""
    return (recent_minutes / 60 + DRAWN * site) / (max(before_minutes, 0) / 60 + DRAWN)


def expected(before: int, site: float, own: float) -> float:
    return max(before * max(site, own), LEAST_EXPECTED)


def sigmas(count: int, expectation: float) -> float:
    return sqrt(count) + sqrt(count + 1) - sqrt(4 * expectation + 1)


def rise(candidate: Candidate, site: float, own: float, thresholds: Thresholds) -> Rise | None:
    """The rise of an article that `could_rise`; None if it is not listed. With a larger `own` it only gets smaller."""
    count, expectation = candidate.count, expected(candidate.before, site, own)
    above, times = sigmas(count, expectation), count / expectation
    if above < thresholds.sigmas or times < thresholds.times:
        return None
    return Rise(above, count, candidate.article_id, expectation, times)


def could_rise(count: int, thresholds: Thresholds) -> bool:
    """Whether an article with this count can be listed, whatever there was before: e is never below 1."""
    return count >= thresholds.least and sigmas(count, LEAST_EXPECTED) >= thresholds.sigmas


def could_be_listed(rows: Iterable[tuple[int, str]], thresholds: Thresholds) -> list[tuple[int, str]]:
    """The rows (count, article) of the list `recent`, in its order, down to the last that can be listed."""
    return list(takewhile(lambda row: could_rise(row[0], thresholds), rows))


def was_there(published_ms: int | None, begin_ms: int, before: int, longest: int) -> bool:
    """Whether an article is older than the window `before`, which begins at `begin_ms` at the earliest.

    If it is not known when it was published: whether it has counts that are older, so more in the longest window
    (`longest`) than in `before`.
    """
    return longest > before if published_ms is None else published_ms < begin_ms


def hopeful(candidates: Iterable[Candidate], site: float, thresholds: Thresholds) -> list[Candidate]:
    """Those that are listed unless yesterday's hours are against it, the strongest first."""
    rises = {one: found for one in candidates if (found := rise(one, site, 0.0, thresholds)) is not None}
    return sorted(rises, key=rises.__getitem__, reverse=True)


def first_places(
    hopefuls: Sequence[Candidate], own: Mapping[str, float], site: float, thresholds: Thresholds
) -> tuple[list[Rise], bool]:
    """The list, and whether it is whole: no hopeful article whose `own` ratio is unknown could reach its last place.

    `hopefuls` are in the order of `hopeful`, and those without an own ratio come last.
    """
    rises = (rise(one, site, own[one.article_id], thresholds) for one in hopefuls if one.article_id in own)
    listed = sorted((one for one in rises if one is not None), reverse=True)[:PLACES]
    left = next((one for one in hopefuls if one.article_id not in own), None)
    if left is None:
        return listed, True
    at_most = rise(left, site, 0.0, thresholds)
    return listed, at_most is None or (len(listed) == PLACES and at_most < listed[-1])
