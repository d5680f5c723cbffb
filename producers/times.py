"""Parses times of log files, feeds and options to milliseconds since the epoch."""

from __future__ import annotations

import datetime as dt
import functools
import re

_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_CLF = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_LONGEST = 64
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@functools.lru_cache(maxsize=1024)
def from_log(text: str) -> int | None:
    """`17/May/2015:10:05:03 +0000` in milliseconds; None if it is no time. Cached: many lines share a second."""
    found = _CLF.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    away = dt.timedelta(hours=int(found[8]), minutes=int(found[9]))
    try:
        zone = dt.timezone(-away if found[7] == "-" else away)
        # 60 is a leap second: the log has it, datetime does not.
        at = dt.datetime(
            int(found[3]),
            _MONTHS[found[2]],
            int(found[1]),
            int(found[4]),
            int(found[5]),
            min(int(found[6]), 59),
            0,
            zone,
        )
    except ValueError:
        return None
    return max(0, int(at.timestamp())) * 1000


def from_rfc3339(text: str) -> int | None:
    """`2026-11-22T10:05:03Z`, or a date alone, in milliseconds, UTC if no zone is given; None if it is no time."""
    try:
        at = dt.datetime.fromisoformat(text.strip()[:_LONGEST])
        if at.tzinfo is None:
            at = at.replace(tzinfo=dt.UTC)
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def duration_ms(text: str) -> int:
    """`250ms`, `90s`, `15m`, `24h`, `7d` or a number of seconds, in milliseconds; raises ValueError otherwise."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration; write 90s, 15m, 24h or 7d")
    return round(float(found[1]) * _UNITS_MS[found[2] or "s"])


def shown(at_ms: int) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
