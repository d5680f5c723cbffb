"""Which days and weeks are due, by where the log begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import pytest

from ranker.core.best_of import Key
from ranker.operate.periods_due import Beginning, FreezeError, due, holes, named
from ranker.settings import Site
from tests.support.calendars import calendar
from tests.unit.test_topics import generation


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW_MS = ms("2026-11-24T12:00:00+01:00")
SITES = {"a": Site("a", calendar=calendar())}


def days(begins: Beginning, there: Sequence[int] = ()) -> tuple[list[date], list[date]]:
    """First days of the days to make, and of those of which the log lacks something; `there` are days of November."""
    kept = [Key("a", "day", date(2026, 11, day), board) for day in there for board in ("read", "shared")]
    found = due(SITES, ["day"], generation(), kept, begins, NOW_MS)
    assert holes(found.cut, kept) == [one for one in found.cut if there and one.period.first.day > max(there)]
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


def test_what_the_log_no_longer_has_is_missed_from_the_newest_document_on() -> None:
    """Days that are wholly gone too: nobody made them in time. What is older was never meant to be made."""
    begins = ms("2026-11-20T12:00:00+01:00")
    made, cut = days(Beginning(begins + 1, begins), there=(15, 16))
    assert [day.day for day in made] == [21, 22, 23]
    assert [day.day for day in cut] == [20, 19, 18, 17]
    assert [day.day for day in days(Beginning(begins + 1, begins), there=(15, 16, 21))[1]] == [20]
    assert [day.day for day in days(Beginning(1 << 62, None), there=(21,))[1]] == [23, 22]


def test_what_the_log_has_nothing_of_is_not_made_by_name_either() -> None:
    """Nobody is told that nothing was read in a week of which nothing is known."""
    begins = Beginning(0, ms("2026-11-20T12:00:00+01:00"))
    with pytest.raises(
        FreezeError, match=r"cannot be counted, since the log has nothing before 2026-11-20T11:00:00\.000Z"
    ):
        named(SITES, ["day"], date(2026, 11, 19), [], begins, NOW_MS, revise=False)
    found, reasons = named(SITES, ["day", "week"], date(2026, 11, 21), [], begins, NOW_MS, revise=False)
    assert [one.period.kind for one in found] == ["day"]
    assert reasons == ["a: the week of 2026-11-21 is not over; it can be made from 2026-11-28T05:10:00.000Z on"]
