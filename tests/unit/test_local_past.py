"""The past of `make run`: what it covers, and what is said of its documents."""

from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from deploy.local import past
from ranker.core.times import DAY_MS, HOUR_MS
from ranker.settings import load
from tests.support.calendars import calendar

NOW_MS = round(datetime.fromisoformat("2026-10-20T00:00:00+02:00").timestamp() * 1000)


@pytest.mark.parametrize("week_starts", ["saturday", "monday"])
@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu"])
def test_it_has_two_whole_weeks_and_no_cut_one(zone: str, week_starts: str) -> None:
    """At every half hour of five weeks, of which one has 169 hours in Paris: it begins where a week does."""
    dates = calendar(zone, week_starts=week_starts)
    for half in range(5 * 7 * 48):
        now_ms = NOW_MS + half * HOUR_MS // 2
        from_ms = now_ms - past.length(dates, now_ms) // timedelta(milliseconds=1)
        closed = list(takewhile(lambda week: week.to_ms > from_ms, dates.latest("week", now_ms)))  # noqa: B023
        assert len(closed) == past.WEEKS
        assert closed[-1].from_ms == from_ms
        assert 14 * DAY_MS < now_ms - from_ms < 22 * DAY_MS


def test_without_a_calendar_it_is_what_the_longest_list_shows() -> None:
    assert past.length(None, NOW_MS) == timedelta(days=7)


def test_the_calendar_of_the_demonstration_is_one(tmp_path: Path) -> None:
    """Saturday weeks, in Paris, whatever the site's name."""
    file = tmp_path / "ranker.toml"
    file.write_text("\n".join(past.table("a.b")))
    found = load(str(file), {}).sites["a.b"].calendar
    assert found is not None
    assert (found.zone_name, found.shown()["week_starts"]) == ("Europe/Paris", "saturday")


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("Nothing to make: all that is over is there.", "0 weeks and 0 days"),
        ("demo/day/2026-11-14/read/1: 5 places of 9", "0 weeks and 1 day"),
        ("demo/week/2026-11-14/read/1: 5\ndemo/week/2026-11-14/shared/1: 5\ndemo/day/2026-11-14/read/1: 5", "1 week and 1 day"),
        ("demo/day/2026-11-14/read/1: 5\nblog/day/2026-11-15/read/1: 5\nNo demo/day/2026-11-16/read", "0 weeks and 1 day"),
        ("demo/week/2026-11-14/read/1: 5\ndemo/week/2026-11-21/read/1: 5", "2 weeks and 0 days"),
    ],
)  # fmt: skip
def test_weeks_and_days_are_counted_once(tmp_path: Path, printed: str, said: str) -> None:
    """Each has a document for each board; a line that is no document counts nothing."""
    output = tmp_path / "freeze.log"
    output.write_text(printed + "\n")
    assert past.frozen("demo", output) == said
