"""Dates of feeds, sitemaps and JSON lines: RFC 822 and RFC 3339, and what is written in their place.

A date that could mean two moments is none: day and month in unknown order, a time without a zone, a zone of two
offsets. A zone that is told is that of all times without one. A date alone, as sitemaps and Google News allow, is the
midnight that begins it there, else in UTC.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata

from producers.times import LocalClock

_LONGEST = 100
_EARLIEST_MS = 86_400_000
"""The first day of 1970 is what systems write that know no date."""

# The abbreviations that RFC 822 defines, and those that the time zone database gives one offset today, in minutes.
# IST, GST and others of several countries are absent.
_ZONES = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), 0),
    **dict.fromkeys(("bst", "cet", "met", "west", "wat"), 60),
    **dict.fromkeys(("cest", "mest", "eet", "cat", "sast"), 120),
    **dict.fromkeys(("eest", "msk", "eat", "idt"), 180),
    "pkt": 300, "hkt": 480, "awst": 480, "jst": 540, "kst": 540, "acst": 570, "acdt": 630, "aest": 600, "aedt": 660,
    "nzst": 720, "nzdt": 780, "nst": -210, "ndt": -150, "ast": -240, "adt": -180, "est": -300, "edt": -240,
    "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480,
    "hst": -600,
}  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january janvier janv", "feb february fevrier fevr fev", "mar march mars", "apr april avril avr",
            "may mai", "jun june juin", "jul july juillet juil", "aug august aout", "sep sept september septembre",
            "oct october octobre", "nov november novembre", "dec december decembre",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip

_DAY = r"(?P<day>\d\d?)"
_NAME = r"(?P<month>[a-z]{3,9})"
_YEAR = r"(?P<year>\d{4})"
_ANY_YEAR = r"(?P<year>\d{4}|\d\d)"
_TIME = (
    r"(?P<hour>\d{1,2})[:h](?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?: ?(?P<zone>[a-z]{1,5}|(?:utc|gmt)?[+-](?:\d\d(?::?[0-5]\d)?|\d(?::[0-5]\d)?)))?(?: \([^()]*\))?"
)
_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d\d?):?(\d\d)?", re.ASCII)
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        # 2026-11-22T10:05:03+01:00, 2026-11-22 10:05:03 CET, 2026/11/22
        rf"{_YEAR}(?P<sign>[-/])(?P<month>\d\d?)(?P=sign){_DAY}(?:(?:t| ?,? ){_TIME})?",
        # Sun, 22 Nov 2026 10:05:03 +0100, dim. 22 novembre 2026, 22-Nov-26 10:05 EST
        rf"(?:[a-z]{{2,9}}\.?,? ?)?{_DAY}(?:er|st|nd|rd|th)?[ -]{_NAME}\.?,?[ -]{_ANY_YEAR}(?:(?: a)?,? {_TIME})?",
        # Nov 22, 2026 10:05 EST, Sun Nov 22 2026 10:05:03 GMT+0100 (…)
        rf"(?:[a-z]{{2,9}}\.?,? )?{_NAME}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}(?:,? {_TIME})?",
        # Sun Nov 22 10:05:03 CET 2026, as the programs date and C have it
        rf"(?:[a-z]{{2,9}} )?{_NAME} {_DAY} {_TIME} {_YEAR}",
    )
)


def from_feed(text: str, clock: LocalClock | None = None) -> int | None:
    """In milliseconds; None if it is no date, or could be two. Without a zone it is a time of `clock`."""
    if len(text) > _LONGEST:
        return None
    bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    bare = " ".join(bare.split())
    for form in _FORMS:
        if found := form.fullmatch(bare):
            return _moment(found, clock)
    return None


def _moment(found: re.Match[str], clock: LocalClock | None) -> int | None:
    given = found.groupdict()
    month = int(given["month"]) if given["month"].isdigit() else _MONTHS.get(given["month"])
    zone = _zone(given["zone"]) if given["zone"] else None
    local = clock if given["zone"] is None else None
    if zone is None and given["hour"] is None:
        zone = dt.UTC
    if month is None or (zone is None and local is None):
        return None
    year = int(given["year"])
    if len(given["year"]) == 2:  # RFC 2822, 4.3
        year += 2000 if year < 50 else 1900
    second = 59 if given["second"] == "60" else int(given["second"] or 0)  # a leap second: datetime has none
    micros = int((given["part"] or "0").ljust(6, "0")[:6])
    try:
        at = dt.datetime(
            year, month, int(given["day"]), int(given["hour"] or 0), int(given["minute"] or 0), second, micros, dt.UTC
        )
        at_ms = round((local.aware(at) if local else at.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):  # NoTimeError of a clock that was put forward over it, too
        return None
    return at_ms if at_ms >= _EARLIEST_MS else None


def _zone(text: str) -> dt.timezone | None:
    """None if it is unknown or ambiguous."""
    if found := _OFFSET.fullmatch(text):
        away = dt.timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        return dt.timezone(-away if found[1] == "-" else away) if away < dt.timedelta(days=1) else None
    minutes = _ZONES.get(text)
    return None if minutes is None else dt.timezone(dt.timedelta(minutes=minutes))
