"""Dates are read rightly or not at all."""

import datetime as dt
import zoneinfo

import pytest

from producers.articles import dates
from producers.times import LocalClock
from tests.unit.test_articles_reading import read, rss

AT = "2026-11-22T09:05:03+00:00"
MIDNIGHT = "2026-11-22T00:00:00+00:00"

READ = [
    *(
        (text, AT)
        for text in (
            "Sun, 22 Nov 2026 10:05:03 +0100",
            "Sun, 22 Nov 2026 10:05:03 CET",
            "Sun,  22 Nov 2026  11:05:03 CEST",
            "Sun, 22 Nov 2026 10:05:03 BST",
            "Sun, 22 Nov 2026 09:05:03 GMT",
            "Sun, 22 Nov 2026 09:05:03 UT",
            "Sun, 22 Nov 2026 09:05:03 Z",
            "Sun, 22 Nov 2026 09:05:03 -0000",
            "Sun, 22 Nov 2026 04:05:03 EST",
            "Sun, 22 Nov 2026 02:05:03 PDT",
            "Sun, 22 Nov 2026 18:05:03 JST",
            "Sun, 22 Nov 2026 18:35:03 ACST",
            "Sun, 22 Nov 2026 10:05:03 GMT+0100",
            "Sun, 22 Nov 2026 10:05:03 UTC+1",
            "Sun, 22 Nov 2026 10:05:03 +01:00",
            "Sun, 22 Nov 26 10:05:03 +0100",
            "Sunday, 22-Nov-26 09:05:03 GMT",
            "22 Nov 2026 10:05:03 +0100",
            "dim., 22 nov. 2026 10:05:03 +0100",
            "dim. 22 novembre 2026 à 10:05:03 CET",
            "Sun Nov 22 2026 10:05:03 GMT+0100 (Central European Standard Time)",
            "Sun Nov 22 10:05:03 CET 2026",
            "Sun Nov 22 09:05:03 +0000 2026",
            "November 22, 2026 04:05:03 EST",
            "2026-11-22T10:05:03+01:00",
            "2026-11-22T10:05:03+0100",
            "2026-11-22T10:05:03+01",
            "2026-11-22T09:05:03Z",
            "2026-11-22t09:05:03z",
            "2026-11-22 10:05:03 +0100",
            "2026-11-22 10:05:03 CET",
            "2026/11/22 10:05:03 CET",
            "2026/11/22 09:05:03 UTC",
            "2026-11-22T09:05:03.000Z",
            "\n 2026-11-22T09:05:03Z \n",
        )
    ),
    ("2026-11-22", MIDNIGHT),
    ("2026/11/22", MIDNIGHT),
    ("22 Nov 2026", MIDNIGHT),
    ("22 novembre 2026", MIDNIGHT),
    ("1er août 2026", "2026-08-01T00:00:00+00:00"),
    ("3 févr. 2026 10:05 +0100", "2026-02-03T09:05:00+00:00"),
    ("15 déc 2026 10:05 CET", "2026-12-15T09:05:00+00:00"),
    ("Mon, 22 Nov 99 10:05 GMT", "1999-11-22T10:05:00+00:00"),
    ("Thu, 31 Dec 2026 23:59:60 GMT", "2026-12-31T23:59:59+00:00"),
]
REFUSED = [
    "", "un jour", "yesterday", "1795392000", "1795392000000",
    "Sun, 22 Nov 2026 10:05:03", "2026-11-22T10:05:03", "2026-11-22 10:05", "2026/11/22 10:05", "Sun Nov 22 10:05:03 2026",
    "22/11/2026 10:05:03 +0100", "11/22/2026", "03/04/2026", "26/11/22", "22.11.2026 10:05 CET",
    "Sun, 22 Nov 2026 10:05:03 IST", "Sun, 22 Nov 2026 10:05:03 GST", "Sun, 22 Nov 2026 10:05:03 X", "Sun, 22 Nov 2026 10:05 PM",
    "Sun, 31 Feb 2026 10:05:03 GMT", "2026-13-01", "2026-11-22T25:00:00Z", "2026-11-22T10:05:03+25:00", "2026-11-22T10:05:03+01:75",
    "0000-00-00 00:00:00", "Wed, 30 Nov -0001 00:00:00 +0000", "0001-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000",
    "2026-11-22T10:05:75Z", "22 Brumaire 2026 10:05 CET", "２２ Nov 2026 10:05 CET", "9" * 4_000,
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), READ)
def test_dates_are_read(text: str, moment: str) -> None:
    """Of RFC 822 and RFC 3339, and what feeds have in their place."""
    assert dates.from_feed(text) == dt.datetime.fromisoformat(moment).timestamp() * 1000


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_be_two_dates_is_none(text: str) -> None:
    """Or is no date, or that of a system that knows none."""
    assert dates.from_feed(text) is None


def test_a_zone_that_is_told_is_that_of_times_without_one() -> None:
    """The hour that exists twice is counted, the one that was skipped is none; a given zone holds."""
    clock = LocalClock(zoneinfo.ZoneInfo("Europe/Paris"))
    for text, moment in (
        ("Sun, 22 Nov 2026 10:05:03", AT),
        ("2026/11/22 10:05:03", AT),
        ("Sun Nov 22 10:05:03 2026", AT),
        ("22 juillet 2026 10:05", "2026-07-22T08:05:00+00:00"),
        ("2026-11-22", "2026-11-21T23:00:00+00:00"),
        ("2026-11-22 04:05:03 EST", AT),
        ("25 Oct 2026 02:30", "2026-10-25T00:30:00+00:00"),
    ):
        assert dates.from_feed(text, clock) == dt.datetime.fromisoformat(moment).timestamp() * 1000, text
    assert clock.twice == 1
    for text in ("29 Mar 2026 02:30", "2026-11-22 10:05:03 IST", "22/11/2026 10:05"):
        assert dates.from_feed(text, clock) is None, text


def test_articles_without_a_date_are_known() -> None:
    """And dates that are none are shown."""
    dated = rss().replace("</item>", "<pubDate>22/11/2026</pubDate></item>")
    about = read(dated)
    assert (about.undated, about.unread) == ({("demo", "/a")}, ["22/11/2026"])
    about = read(rss())
    assert (about.undated, about.unread) == ({("demo", "/a")}, [])
    about = read(rss().replace("</item>", "<pubDate>2026-11-22</pubDate></item>"))
    assert (about.undated, about.unread) == (set(), [])
