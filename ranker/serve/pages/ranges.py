"""Days and weeks in words: "du 28 novembre au 4 décembre", "28 November – 4 December"; the block writes the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from ranker.core.periods import WEEK


def last_day(kind: str, first: date) -> date:
    """The last day of a period, which belongs to it."""
    return first + timedelta(days=6) if kind == WEEK else first


def range_words(kind: str, first: date, words: Mapping[str, Any], *, now: date | None = None) -> str:
    """A period of a site in the language of `words`.

    With `now` its year is left out, if it is the year of that day. A week across a New Year always has both.
    """
    last = last_day(kind, first)
    forms = words["ranges"]
    is_over_new_year = first.year != last.year
    year = "" if now is not None and not is_over_new_year and last.year == now.year else f" {last.year}"
    form = "day" if kind != WEEK else "within" if (first.year, first.month) == (last.year, last.month) else "across"
    return str(forms[form]).format(
        weekday=words["weekdays"].split()[first.weekday()],
        first=_day(first, words),
        first_month=_month(first, words),
        first_year=f" {first.year}" if is_over_new_year else "",
        last=_day(last, words),
        last_month=_month(last, words),
        year=year,
    )


def _day(day: date, words: Mapping[str, Any]) -> str:
    return str(words["ranges"]["first"]) if day.day == 1 else str(day.day)


def _month(day: date, words: Mapping[str, Any]) -> str:
    return str(words["months"].split()[day.month - 1])
