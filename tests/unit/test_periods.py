"""Days and weeks of a site in its own zone: where they begin, how long they are, when they close."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker import calendars
from ranker.core.periods import LATE_MS, SETTLED_MS, WEEKDAYS
from ranker.core.times import HOUR_MS, rfc3339
from ranker.settings import load
from schemas.configuration import SettingsError
from tests.support.calendars import calendar

ZONES = sorted(calendars.zone_names())


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("kind", "day", "first", "begins", "ends", "hours"),
    [
        ("week", "2026-11-27", "2026-11-21", "2026-11-20T23:00:00Z", "2026-11-27T23:00:00Z", 168),
        ("week", "2026-11-21", "2026-11-21", "2026-11-20T23:00:00Z", "2026-11-27T23:00:00Z", 168),
        ("week", "2026-03-29", "2026-03-28", "2026-03-27T23:00:00Z", "2026-04-03T22:00:00Z", 167),
        ("week", "2026-10-25", "2026-10-24", "2026-10-23T22:00:00Z", "2026-10-30T23:00:00Z", 169),
        ("day", "2026-03-29", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
        ("day", "2026-10-25", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
        ("week", "2027-01-01", "2026-12-26", "2026-12-25T23:00:00Z", "2027-01-01T23:00:00Z", 168),
    ],
)
def test_a_week_of_the_french_press(kind: str, day: str, first: str, begins: str, ends: str, hours: int) -> None:
    """From Saturday to Friday; an hour is missing in March and there twice in October."""
    period = calendar().period(kind, date.fromisoformat(day))
    assert (str(period.first), period.from_ms, period.to_ms, period.hours) == (first, ms(begins), ms(ends), hours)


def test_halves_of_hours() -> None:
    """Lord Howe Island changes its clocks by half an hour; elsewhere midnight itself is left out."""
    assert calendar("Australia/Lord_Howe").period("day", date(2026, 10, 4)).hours == 23.5
    havana = calendar("America/Havana").period("day", date(2026, 3, 8))  # from 0 to 1 o'clock
    assert (rfc3339(havana.from_ms), havana.hours) == ("2026-03-08T05:00:00.000Z", 23)
    assert calendar("America/Havana").local(havana.from_ms) == "2026-03-08T01:00:00-04:00"


def test_a_day_that_a_zone_left_out_is_no_period() -> None:
    """Samoa had no 30 December 2011."""
    samoa = calendar("Pacific/Apia")
    assert samoa.period("day", date(2011, 12, 30)).hours == 0
    after = samoa.latest("day", ms("2011-12-31T20:00:00Z"))
    assert [str(one.first) for one in islice(after, 2)] == ["2011-12-31", "2011-12-29"]


@pytest.mark.parametrize("zones", [ZONES[at::8] for at in range(8)])
def test_a_day_begins_with_its_first_moment_in_every_zone(zones: list[str]) -> None:
    """So no event is in two days, or in none; and in a full minute, as events are folded."""
    for name in zones:
        zone, days = calendars.zone(name), calendar(name)
        for day in (date(2026, 1, 1) + timedelta(n) for n in range(365)):
            period = days.period("day", day)
            begins = datetime.fromtimestamp(period.from_ms / 1000, zone)
            before = datetime.fromtimestamp(period.from_ms / 1000 - 1, zone)
            assert before.date() < day == begins.date(), (name, day)
            assert period.from_ms % 60_000 == 0, (name, day)
            assert period.to_ms == days.period("day", day + timedelta(1)).from_ms


def test_every_zone_is_that_of_the_package() -> None:
    """Whatever the machine has: two makers must agree."""
    assert len(ZONES) > 400
    assert isinstance(calendars.zone("Europe/Paris"), ZoneInfo)
    for wrong in ("Europe/Pari", "../../../etc/passwd", "", "posixrules"):
        with pytest.raises(KeyError):
            calendars.zone(wrong)


@given(
    st.sampled_from(["day", "week"]),
    st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.sampled_from(WEEKDAYS),
)
def test_periods_follow_each_other(kind: str, day: date, zone: str, week_starts: str) -> None:
    days = calendar(zone, week_starts=week_starts)
    period = days.period(kind, day)
    assert period.first <= day < period.first + timedelta(7 if kind == "week" else 1)
    assert kind == "day" or period.first.weekday() == WEEKDAYS.index(week_starts)
    assert days.period(kind, period.first) == period
    assert days.before(period).to_ms == period.from_ms


def test_a_period_is_made_once_all_of_it_is_there() -> None:
    """Six hours behind its end it closes; ten minutes later what was appended before that is committed."""
    days = calendar()
    week = days.period("week", date(2026, 11, 21))
    assert rfc3339(days.closes_ms(week)) == "2026-11-28T05:00:00.000Z"
    assert days.makes_ms(week) == days.closes_ms(week) + LATE_MS + SETTLED_MS
    early, late = days.makes_ms(week) - 1, days.makes_ms(week)
    assert next(days.latest("week", early)).first == date(2026, 11, 14)
    assert [str(one.first) for one in islice(days.latest("week", late), 3)] == [
        "2026-11-21",
        "2026-11-14",
        "2026-11-07",
    ]


@pytest.mark.parametrize("kind", ["day", "week"])
def test_what_is_kept_for_as_long_as_it_may_be_needed_suffices(kind: str) -> None:
    """From the beginning of the longest period of the year until it can be made."""
    days = calendar(kinds=[kind])
    for day in (date(2026, 1, 1) + timedelta(n) for n in range(365)):
        period = days.period(kind, day)
        assert days.makes_ms(period) - period.from_ms <= days.longest_ms()
    assert days.longest_ms() <= (169 if kind == "week" else 25) * HOUR_MS + days.close_after_ms + LATE_MS + SETTLED_MS


def test_the_table_in_ranker_toml(tmp_path: Any) -> None:
    file = tmp_path / "ranker.toml"
    file.write_text('[sites.a]\n[sites.b.calendar]\nzone = "Europe/Paris"\nboards = ["shared"]\n')
    settings = load(str(file), {})
    assert settings.sites["a"].calendar is None
    assert [one.shown() for one in settings.calendars] == [
        {
            "zone": "Europe/Paris",
            "week_starts": "monday",
            "kinds": ["day", "week"],
            "close_after_s": 21_600,
            "places": 100,
            "boards": ["shared"],
        }
    ]
    assert settings.generation.id == load(None, {}).generation.id  # no part of what counts


def test_boards_in_the_order_of_the_calendar() -> None:
    """The first is the one that pages show by themselves; without any all are there, in the order of [boards]."""
    assert calendar(boards=["shared", "read"]).boards == ("shared", "read")
    assert calendar(boards=[]).boards == ("read", "shared")


def test_faults_of_the_table(tmp_path: Any) -> None:
    file = tmp_path / "ranker.toml"
    file.write_text('[sites.a.calendar]\nzone = "Paris"\nboards = ["nothing"]\n')
    with pytest.raises(SettingsError) as caught:
        load(str(file), {})
    assert caught.value.faults == [
        f"{file}: sites.a.calendar.zone: 'Paris' is no IANA time zone; write such as Europe/Paris",
        f"{file}: sites.a.calendar.boards: 'nothing' is unknown; there are read, commented, shared",
    ]
    file.write_text('[sites.a.calendar]\nweek_starts = "saturday"\n')
    with pytest.raises(SettingsError, match="'zone' is a required property"):
        load(str(file), {})


def test_times_as_the_api_writes_them() -> None:
    assert rfc3339(1_795_396_624_735) == datetime.fromtimestamp(1_795_396_624, UTC).strftime("%Y-%m-%dT%H:%M:%S.735Z")
