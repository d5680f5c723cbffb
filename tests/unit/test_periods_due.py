"""Which days and weeks are due, by where the log begins."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from ranker.operate.periods_due import Beginning, due
from ranker.settings import Site
from tests.support.calendars import calendar
from tests.unit.test_topics import generation


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW_MS = ms("2026-11-24T12:00:00+01:00")
SITES = {"a": Site("a", calendar=calendar())}


def days(begins: Beginning) -> tuple[list[date], list[date]]:
    """First days of the days to make, and of those of which the beginning is missing."""
    found = due(SITES, ["day"], generation(), [], begins, NOW_MS)
    return [one.period.first for one in found.periods], [one.period.first for one in found.cut]


@pytest.mark.parametrize(
    ("begins", "first"),
    [
        ("2026-11-21T23:50:00+01:00", 21),
        ("2026-11-22T00:00:00+01:00", 22),  # the 21st closes six hours later, and was over
        ("2026-11-22T05:59:00+01:00", 22),
        ("2026-11-22T23:00:00+01:00", 22),
    ],
)
def test_what_was_over_before_the_log_began_is_not_made(begins: str, first: int) -> None:
    """Or the first document of a site would have no places."""
    whole = days(Beginning(0, ms(begins)))
    assert whole == ([date(2026, 11, day) for day in range(first, 24)], [])
    assert days(Beginning(ms(begins) + 1, ms(begins))) == (whole[0][1:], whole[0][:1])


def test_nothing_is_due_of_an_empty_log() -> None:
    assert days(Beginning(0, None)) == ([], [])
