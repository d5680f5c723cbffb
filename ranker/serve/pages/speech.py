"""Numbers, ages and periods in words, as the page's and the block's scripts write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

NBSP = "\u00a0"
NARROW_NBSP = "\u202f"
MINUTE_MS = 60_000

_UNITS = {"m": "minute", "h": "hour", "d": "day"}
_LENGTH = re.compile(r"(\d{1,9})([mhd])", re.ASCII)


class Speech:
    """One language and its words; ages are as of `now_ms`, and empty without it (the browser knows them)."""

    def __init__(self, words: Mapping[str, Any], lang: str, now_ms: int | None = None) -> None:
        self.words = words
        self.lang = lang
        self._now_ms = now_ms

    def counted(self, number: int, forms: Mapping[str, str]) -> str:
        """A number with its noun: 1 234 lectures, 1,234 reads."""
        one = number in {0, 1} if self.lang == "fr" else number == 1
        return self.figure(number) + NBSP + forms["one" if one else "other"]

    def figure(self, number: int) -> str:
        """A number in digits: 1 234, or 1,234."""
        digits = f"{number:,}"
        return digits.replace(",", NARROW_NBSP) if self.lang == "fr" else digits

    def age(self, moment: str) -> str:
        """The age of an RFC 3339 time: "il y a 5 heures 10 min"; a date (UTC) after 60 days."""
        if self._now_ms is None:
            return ""
        then = datetime.fromisoformat(moment).astimezone(UTC)
        units = self.words["units"]
        minutes = (self._now_ms - int(then.timestamp() * 1000)) // MINUTE_MS
        hours, rest = divmod(minutes, 60)
        days = hours // 24
        if minutes < 1:
            return str(self.words["now"])
        if days > 60:
            month = self.words["months"].split()[then.month - 1]
            day = then.day if then.day > 1 else self.words["first"]
            return str(self.words["date"].format(day=day, month=month, year=then.year))
        if days:
            parts = [self.counted(days, units["day"])]
        else:
            parts = [self.counted(hours, units["hour"])] if hours else []
            parts += [self.counted(rest, units["minute"])] if rest else []
        return str(self.words["ago"].format(age=NBSP.join(parts)))

    def length(self, minutes: int) -> str:
        """A number of minutes in the largest unit that it fills: 90 min, 24 heures, 7 jours."""
        if minutes % 1440 == 0 and minutes > 1440:
            return self.counted(minutes // 1440, self.words["units"]["day"])
        if minutes % 60 == 0:
            return self.counted(minutes // 60, self.words["units"]["hour"])
        return self.counted(minutes, self.words["units"]["minute"])

    def rise(self, times: float | None, period: str) -> str:
        """How many times the expected count, over a period in words: × 4,2 en une heure; empty if it is not shown."""
        if times is None:
            return ""
        form = self.words["rise"]["hour" if period == self.length(60) else "other"]
        return str(form.format(times=self.times(times), period=period))

    def times(self, number: float) -> str:
        """How many times something: × 4,2. Rounded as a browser does, halves up."""
        digits = f"{Decimal(str(number)).quantize(Decimal('0.1'), ROUND_HALF_UP):,}"
        if self.lang == "fr":
            digits = digits.replace(",", NARROW_NBSP).replace(".", ",")
        return "×" + NBSP + digits

    def period(self, window: str) -> str:
        """A window's name in words: "24h" is "24 heures"; a name that states no length stays."""
        length = _LENGTH.fullmatch(window)
        return self.counted(int(length[1]), self.words["units"][_UNITS[length[2]]]) if length else window

    def board(self, name: str) -> str:
        """A board's heading."""
        return str(self.words["boards"].get(name) or (name[:1].upper() + name[1:]).replace("_", " "))

    def count(self, count: int | None, board: str) -> str:
        """A count of a board in words; empty if it is not shown."""
        forms = self.words["counts"]
        return "" if count is None else self.counted(count, forms.get(board, forms[""]))
