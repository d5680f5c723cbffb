"""Parses times of log files, feeds and options to milliseconds since the epoch."""

from __future__ import annotations

import datetime as dt
import functools
import re
import zoneinfo
from dataclasses import dataclass

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(2100, 12, 31, tzinfo=dt.UTC)
_EARLIEST_S, _LATEST_S = 315_532_800, 4_102_444_800
_MILLISECOND = dt.timedelta(milliseconds=1)
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_LONGEST = 64
_YEAR_FIRST = re.compile(
    r"(\d{4})([-/])(\d\d)\2(\d\d)"
    r"(?:[Tt]| {1,2})(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)? ?([Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_IN_LOG = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ([+-]\d\d:?\d\d))?", re.ASCII)
_DAY = re.compile(r"\d{4}([-/])\d\d\1\d\d[Tt]?(?: ?(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?))?", re.ASCII)
_DAY_OR_MONTH_FIRST = re.compile(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class NoTimeError(ValueError):
    """A text that is no time, or that is one only together with a zone. The message is a sentence that shows it."""


@dataclass
class LocalClock:
    """The clock that times without an offset were read from. `twice` counts those that it showed twice.

    Of an hour that comes twice, since the clock goes back, each time is taken to be the first.
    """

    zone: zoneinfo.ZoneInfo
    twice: int = 0

    def aware(self, at: dt.datetime) -> dt.datetime:
        """`at`, given as if it were UTC, with this clock's offset; raises NoTimeError if the clock skipped it."""
        first = at.replace(tzinfo=self.zone)
        if first.utcoffset() == first.replace(fold=1).utcoffset():
            return first
        if first.astimezone(dt.UTC).astimezone(self.zone).replace(tzinfo=dt.UTC) != at:
            raise NoTimeError(f"{at:%F %T} was no time in {self.zone}: the clocks were put forward over it")
        self.twice += 1
        return first


def from_text(text: str, clock: LocalClock | None = None) -> int:
    """`2026-11-22T10:05:03Z`, `2026-11-22 10:05:03.123 +0100`, `22/Nov/2026:10:05:03 +0100` and the like, in ms.

    Without an offset it is a time of `clock`. A day alone is none. Raises NoTimeError.
    """
    at = _read(text)
    if isinstance(at, int):
        return at
    if clock is None:
        raise NoTimeError(f"{text.strip()} has no offset from UTC; give --zone, such as Europe/Paris, if you know it")
    return _milliseconds(clock.aware(at))


def from_number(at: float) -> int:
    """Seconds since 1970 as servers log them, or milli-, micro- or nanoseconds, by their size, in ms.

    Raises NoTimeError for a time that is none of these between 1980 and 2100.
    """
    for per_second in (1, 1_000, 1_000_000, 1_000_000_000):
        if _EARLIEST_S * per_second <= at < _LATEST_S * per_second:
            return round(at * 1000) if per_second == 1 else int(at * 1000 // per_second)
    raise NoTimeError(f"{at} is no time between 1980 and 2100, in seconds or in a part of them")


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> int | dt.datetime:
    """In milliseconds; without an offset what the clock showed, as if in UTC. Cached: many lines share a second."""
    text = text.strip()
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day, *rest = found.groups()
    elif (found := _IN_LOG.fullmatch(text)) and found[2] in _MONTHS:
        day, name, year, *rest = found.groups()
        month = str(_MONTHS[name])
    else:
        why = "is no time that is read"
        if _DAY_OR_MONTH_FIRST.match(text):
            why = "may begin with its day or its month"
        elif _DAY.fullmatch(text):
            why = "is a day without a time, and all its events would be in one minute"
        raise NoTimeError(f"{shown} {why}; write it as 2026-11-22T10:05:03+01:00")
    hour, minute, second, fraction, offset = rest
    try:
        at = dt.datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            59 if second == "60" else int(second or 0),  # a leap second: the log has it, datetime does not
            int((fraction or "0").ljust(6, "0")[:6]),
            dt.UTC,
        )
    except ValueError as error:
        raise NoTimeError(f"{shown} is no time: {error}") from error
    return at if offset is None else _milliseconds(at.replace(tzinfo=_zone(offset)))


def _milliseconds(at: dt.datetime) -> int:
    if not _EPOCH <= at <= _LATEST:
        raise NoTimeError(f"{at.isoformat()} is before 1970 or after 2100")
    return (at - _EPOCH) // _MILLISECOND


def _zone(offset: str) -> dt.timezone:
    if offset[0] not in "+-":
        return dt.UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    if digits[:2] > "23" or digits[2:] > "59":
        raise NoTimeError(f"{offset} is no offset from UTC")
    away = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return dt.timezone(-away if offset[0] == "-" else away)


def duration_ms(text: str) -> int:
    """`250ms`, `90s`, `15m`, `24h`, `7d` or a number of seconds, in milliseconds; raises ValueError otherwise."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write 90s, 15m, 24h or 7d")
    return round(float(found[1]) * _UNITS_MS[found[2] or "s"])


def shown(at_ms: int) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
