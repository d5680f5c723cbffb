"""Calendar days and weeks of a site in its own time zone: named by their first day, closed some hours after their end.

event time    ───┬───────────────┬───────────────────────────
append time      from            to        closed     + 5 min
                 └─ counted ───────────────┴── late ──┘
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from ranker.core.times import DAY_MS, HOUR_MS, MINUTE_MS

LATE_MS = 5 * MINUTE_MS
"""How long after the close events are still read, to be counted as late. What comes in later is not: a document must
not depend on when it is made."""
SETTLED_MS = 5 * MINUTE_MS
"""How long behind that a period is made at the earliest: until then a record may be appended and not committed."""

DAY, WEEK = "day", "week"
KINDS = (DAY, WEEK)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Period(NamedTuple):
    """Event times [from_ms, to_ms), milliseconds since the epoch; `first` is the first day, in the site's zone."""

    kind: str
    first: date
    from_ms: int
    to_ms: int

    @property
    def hours(self) -> int | float:
        """Its length: 24, 23 or 25 for days, 168, 167 or 169 for weeks; some zones have halves."""
        hours, rest = divmod(self.to_ms - self.from_ms, HOUR_MS)
        return hours + rest / HOUR_MS if rest else hours


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a site divides its time. `week_starts` counts from Monday, 0; `boards` are those that have documents."""

    zone: tzinfo
    zone_name: str
    week_starts: int
    kinds: tuple[str, ...]
    close_after_ms: int
    places: int
    boards: tuple[str, ...]

    def period(self, kind: str, day: date) -> Period:
        """The period of this kind that `day` is in."""
        first = day - timedelta(days=(day.weekday() - self.week_starts) % 7) if kind == WEEK else day
        return Period(kind, first, self._start_ms(first), self._start_ms(first + _length(kind)))

    def before(self, period: Period) -> Period:
        return self.period(period.kind, period.first - timedelta(days=1))

    def closes_ms(self, period: Period) -> int:
        """The append time from which on nothing counts in it."""
        return period.to_ms + self.close_after_ms

    def makes_ms(self, period: Period) -> int:
        """When its document can be made: what decides it has been committed."""
        return self.closes_ms(period) + LATE_MS + SETTLED_MS

    def latest(self, kind: str, now_ms: int) -> Iterator[Period]:
        """The periods that can be made now, latest first, without end."""
        period = self.period(kind, datetime.fromtimestamp(now_ms / 1000, self.zone).date())
        while True:
            # a day that a zone's change of date leaves out has no length, and no document
            if self.makes_ms(period) <= now_ms and period.from_ms < period.to_ms:
                yield period
            period = self.before(period)

    def local(self, moment_ms: int) -> str:
        """RFC 3339 with the zone's offset: 2026-11-21T00:00:00+01:00."""
        return datetime.fromtimestamp(moment_ms // 1000, self.zone).isoformat()

    def longest_ms(self) -> int:
        """From the beginning of its longest period until that can be made, with an hour for the zone's changes."""
        days = 7 if WEEK in self.kinds else 1
        return days * DAY_MS + HOUR_MS + self.close_after_ms + LATE_MS + SETTLED_MS

    def shown(self) -> dict[str, Any]:
        """As its table in ranker.toml."""
        return {
            "zone": self.zone_name,
            "week_starts": WEEKDAYS[self.week_starts],
            "kinds": list(self.kinds),
            "close_after_s": self.close_after_ms // 1000,
            "places": self.places,
            "boards": list(self.boards),
        }

    def _start_ms(self, day: date) -> int:
        """The first moment of a day. Where midnight is left out, Python takes the offset before, so the moment after.

        Whole minutes in every zone since 1972.
        """
        start = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return round(start.astimezone(UTC).timestamp() * 1000)


def _length(kind: str) -> timedelta:
    return timedelta(days=7 if kind == WEEK else 1)
