"""Times of exports: read rightly, or refused with their text."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest

from producers import times
from producers.times import LocalClock, NoTimeError

AT_MS = 1_795_338_303_000
PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-11-22T09:05:03Z", AT_MS),
        ("2026-11-22t09:05:03z", AT_MS),
        ("2026-11-22T10:05:03+01:00", AT_MS),
        ("2026-11-22T10:05:03+0100", AT_MS),
        ("2026-11-22 10:05:03+01", AT_MS),  # PostgreSQL
        ("2026-11-22 10:05:03 +0100", AT_MS),  # Ruby, git
        ("2026-11-22 09:05:03 UTC", AT_MS),  # BigQuery
        ("2026-11-22 09:05:03.000000 UTC", AT_MS),
        ("2026-11-22 09:05:03 GMT", AT_MS),
        ("2026-11-22 04:05:03-05:00", AT_MS),
        ("2026-11-22T14:35:03+05:30", AT_MS),
        ("2026-11-22T09:05:03.123456789Z", AT_MS + 123),  # Go
        ("2026-11-22T09:05:03,123Z", AT_MS + 123),
        ("2026/11/22 10:05:03 +0100", AT_MS),
        ("  2026-11-22T09:05:03Z\t", AT_MS),
        ("2026-11-22T09:05Z", AT_MS - 3000),
        ("22/Nov/2026:10:05:03 +0100", AT_MS),
        ("22/Nov/2026:10:05:03.250 +0100", AT_MS + 250),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ("1999-05-17T00:00:00Z", 926_899_200_000),  # written out, no unit is in doubt
    ],
)
def test_a_time_with_its_offset_is_read(text: str, at_ms: int) -> None:
    """A zone chosen does not matter for it."""
    assert times.from_text(text) == at_ms
    assert times.from_text(text, LocalClock(ZoneInfo("Asia/Tokyo"))) == at_ms


LOCAL = [
    "2026-11-22T10:05:03",
    "2026-11-22 10:05:03",
    "2026-11-22 10:05:03.000",
    "2026/11/22 10:05:03",
    "22/Nov/2026:10:05:03",
]


@pytest.mark.parametrize("text", LOCAL)
def test_a_time_without_one_is_refused(text: str) -> None:
    """With the option that helps."""
    with pytest.raises(NoTimeError) as raised:
        times.from_text(text)
    assert str(raised.value) == f"{text} has no offset from UTC; give --zone, such as Europe/Paris, if you know it"


@pytest.mark.parametrize("text", LOCAL)
def test_or_is_of_the_zone_that_is_known(text: str) -> None:
    """The zone's own offset on that day holds."""
    clock = LocalClock(ZoneInfo(PARIS))
    assert times.from_text(text, clock) == AT_MS
    assert times.from_text("2026-06-22 00:00", clock) == 1_782_079_200_000
    assert clock.twice == 0


@pytest.mark.parametrize(
    ("zone", "text", "at_ms", "twice"),
    [
        (PARIS, "2026-10-25 01:59:59", 1_792_886_399_000, 0),
        (PARIS, "2026-10-25 02:00:00", 1_792_886_400_000, 1),
        (PARIS, "2026-10-25 02:59:59", 1_792_889_999_000, 1),
        (PARIS, "2026-10-25 03:00:00", 1_792_893_600_000, 0),
        (PARIS, "2026-03-29 01:59:59", 1_774_745_999_000, 0),
        (PARIS, "2026-03-29 03:00:00", 1_774_746_000_000, 0),
        ("Australia/Lord_Howe", "2026-04-05 01:45:00", 1_775_313_900_000, 1),  # half an hour back
        ("UTC", "2026-10-25 02:30:00", 1_792_895_400_000, 0),
    ],
)
def test_of_an_hour_that_comes_twice_the_first_is_taken(zone: str, text: str, at_ms: int, twice: int) -> None:
    """And counted, so that the summary can say it."""
    clock = LocalClock(ZoneInfo(zone))
    assert times.from_text(text, clock) == at_ms
    assert clock.twice == twice


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (PARIS, "2026-03-29 02:00:00"),
        (PARIS, "2026-03-29 02:59:59"),
        ("Africa/Cairo", "2026-04-24 00:00"),
    ],
)
def test_a_time_that_the_clock_skipped_is_none(zone: str, text: str) -> None:
    """The sentence says why."""
    with pytest.raises(NoTimeError, match=f"was no time in {zone}: the clocks were put forward over it"):
        times.from_text(text, LocalClock(ZoneInfo(zone)))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026/11/22",
        " 2026-11-22 ",
        "2026-11-22 GMT",
        "2026-11-22 UTC",
        "2026-11-22Z",
        "2026-11-22T",
        "2026-11-22+01:00",  # a date of XML
        "2026-11-22 +0100",
    ],
)
@pytest.mark.parametrize("clock", [None, LocalClock(ZoneInfo(PARIS))])
def test_a_day_alone_is_no_time(text: str, clock: LocalClock | None) -> None:
    """Its views would fall into one minute, unsaid."""
    with pytest.raises(NoTimeError, match=f"^{re.escape(text.strip())} is a day without a time.*; write it as 2026-"):
        times.from_text(text, clock)


@pytest.mark.parametrize(
    "text",
    [
        "22/11/2026 10:05",
        "11/22/2026 10:05 AM",
        "22.11.2026 10:05:03",
        "25.09.2020 17:59:39 MESZ",
        "22-11-2026",
        "1/2/26",
    ],
)
def test_what_may_be_day_or_month_is_refused(text: str) -> None:
    """Spreadsheets write both orders."""
    with pytest.raises(NoTimeError, match="may begin with its day or its month; write it as 2026-11-22T10:05:03"):
        times.from_text(text, LocalClock(ZoneInfo(PARIS)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-22 10:05:03 CET",
        "2026-11-22 10:05:03 EST",
        "2026-11-22T10:05:03+25:00",
        "2026-11-22T10:05:03+01:75",
        "2026-11-22T25:05:03Z",
        "2026-02-29T10:05:03Z",
        "2026-11/22 10:05:03Z",
        "2026-11-22 10:05 PM",
        "2026-11-22 10",
        "2026-11-22T10Z",
        "2026-W47-7T10:05:03Z",
        "20261122T100503Z",
        "Sun, 22 Nov 2026 10:05:03",
        "Sun Nov 22 2026 10:05:03 GMT+0100 (CET)",
        "22/Now/2026:10:05:03 +0100",
        "٢٠٢٦-11-22T10:05:03Z",
        "0000-11-22T10:05:03Z",
        "01/Jan/1970:00:00:01 +9999",
        "01/Jan/1970:00:00:01 +0200",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "9" * 100_000,
    ],
)
def test_what_is_not_read_is_shown(text: str) -> None:
    """Never guessed, even with a zone."""
    with pytest.raises(NoTimeError) as raised:
        times.from_text(text, LocalClock(ZoneInfo(PARIS)))
    said = str(raised.value)
    assert text[:20].strip() in said or "is no offset" in said or "is before 1970" in said
    assert len(str(raised.value)) < 200
