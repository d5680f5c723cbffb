"""How the rows of a period stand to those of earlier ones, as a chart says it: up, down, new, back, peak.

A function of the documents before: who has them and the log can check each number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal, NamedTuple

Movement = Literal["up", "down", "same", "new", "re-entry"]


class ChartRow(NamedTuple):
    """Of one row. None: not known, since the period before has no document.

    `by` is the number of places that it moved. `peak` is its best rank, in `periods_at_peak` of the `periods` that list
    it; `running` of them are unbroken up to now; `entered` is the first of them.
    """

    previous_rank: int | None
    movement: Movement | None
    by: int | None
    peak: int
    periods_at_peak: int
    periods: int
    running: int | None
    entered: date


def chart_rows(
    articles: Sequence[str],
    first: date,
    earlier: Mapping[date, Sequence[str]],
    before: Mapping[date, date],
    moved: Mapping[str, str],
) -> list[ChartRow]:
    """Of each article, best first, of the period that begins on `first`.

    `earlier` are the articles of the documents before, by first day; `before` leads from each of these days, and from
    `first`, to the period before it. `moved` are aliases: who was listed under an old id is the same article. An
    article is new if no earlier document lists it.
    """
    ranks = {day: _ranks(listed, moved) for day, listed in earlier.items()}
    days = sorted(ranks, reverse=True)
    previous = ranks.get(before[first])
    return [_chart_row(article, rank, first, ranks, days, previous, before) for rank, article in enumerate(articles, 1)]


def _ranks(listed: Sequence[str], moved: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for rank, article in enumerate(listed, 1):
        found.setdefault(moved.get(article, article), rank)
    return found


def _chart_row(
    article: str,
    rank: int,
    first: date,
    ranks: Mapping[date, Mapping[str, int]],
    days: Sequence[date],
    previous: Mapping[str, int] | None,
    before: Mapping[date, date],
) -> ChartRow:
    listed = [(day, ranks[day][article]) for day in days if article in ranks[day]]
    all_ranks = [rank, *(one for _, one in listed)]
    peak = min(all_ranks)
    previous_rank = None if previous is None else previous.get(article)
    return ChartRow(
        previous_rank,
        None if previous is None else _movement(rank, previous_rank, known=bool(listed)),
        None if previous_rank is None else abs(previous_rank - rank),
        peak,
        all_ranks.count(peak),
        len(all_ranks),
        _running(article, first, ranks, days, before),
        listed[-1][0] if listed else first,
    )


def _movement(rank: int, previous_rank: int | None, *, known: bool) -> Movement:
    if previous_rank is None:
        return "re-entry" if known else "new"
    return "up" if rank < previous_rank else "down" if rank > previous_rank else "same"


def _running(
    article: str,
    first: date,
    ranks: Mapping[date, Mapping[str, int]],
    days: Sequence[date],
    before: Mapping[date, date],
) -> int | None:
    """Unbroken periods up to now; None if the run reaches a period without a document, unless none is older."""
    running, day = 1, before[first]
    while day in ranks:
        if article not in ranks[day]:
            return running
        running, day = running + 1, before[day]
    return None if any(one < day for one in days) else running
