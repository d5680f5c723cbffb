"""Which periods are due: over, without a document, and still in the log."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

from ranker.core.append_time import is_append_time
from ranker.core.best_of import Key
from ranker.core.generation import Generation
from ranker.core.periods import LATE_MS, SETTLED_MS, WEEK, Calendar, Period
from ranker.core.times import MINUTE_MS, rfc3339
from ranker.log.stretch import LogReader
from ranker.operate.period_counts import SitePeriod, reads_from_ms
from ranker.settings import Site

MOST_PERIODS = 400
"""Of one site and kind in one run: more than a year of days. What is older can be named."""


class FreezeError(Exception):
    """A period that was named cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the log begins. Records appended at `whole_from_ms` or later are all there, as far as they may count; none
    was appended before `first_ms` (None: there is none at all).
    """

    whole_from_ms: int
    first_ms: int | None

    def has_some_of(self, period: Period) -> bool:
        """Whether the log may have something of a period."""
        return self.first_ms is not None and period.to_ms > self.first_ms


async def beginning(log: LogReader) -> Beginning:
    """Of all partitions together."""
    whole_from_ms, firsts = 0, []
    for partition in range(log.partitions):
        held = await log.held(partition)
        first_ms = await _first_ms(log, partition, held)
        if first_ms is not None:
            firsts.append(first_ms)
        if held.start:
            whole_from_ms = max(whole_from_ms, 1 << 62 if first_ms is None else first_ms + 1)
    return Beginning(whole_from_ms, min(firsts, default=None))


async def _first_ms(log: LogReader, partition: int, held: range) -> int | None:
    """The append time of the first record that has one. Read, not searched for: the embedded broker has no search."""
    async with contextlib.aclosing(log.chunks(partition, held.start, held.stop)) as chunks:
        async for chunk in chunks:
            for record in chunk.records:
                if is_append_time(record.timestamp):
                    return record.timestamp
    return None


@dataclass
class Due:
    """Periods to make, and those that the log no longer has, or not from their beginning on."""

    periods: list[SitePeriod]
    cut: list[SitePeriod]


def due(
    sites: Mapping[str, Site],
    kinds: Collection[str],
    generation: Generation,
    there: Collection[Key],
    begins: Beginning,
    now_ms: int,
) -> Due:
    """What is over and has no document yet, as far back as the log or the newest document reaches, oldest first."""
    found, newest, firsts = Due([], []), newest_of(there), firsts_of(there)
    for site, calendar in _calendars(sites):
        for kind in (kind for kind in calendar.kinds if kind in kinds):
            for period in islice(calendar.latest(kind, now_ms), MOST_PERIODS):
                has_some = begins.has_some_of(period)
                if not has_some and period.first <= newest.get((site, kind), date.max):
                    break
                one = SitePeriod(site, calendar, period)
                if all(key in there for key in keys(one)) or overlaps(one, firsts):
                    continue
                is_whole = has_some and reads_from_ms(generation, period) >= begins.whole_from_ms
                (found.periods if is_whole else found.cut).append(one)
    found.periods.sort(key=lambda one: one.period.from_ms)
    return found


def named(
    sites: Mapping[str, Site],
    kinds: Collection[str],
    first: date,
    there: Collection[Key],
    begins: Beginning,
    now_ms: int,
    *,
    revise: bool,
) -> tuple[list[SitePeriod], list[str]]:
    """The periods that begin on a day, and why others of that day cannot be made; those of a revision are closed now.

    Raises FreezeError if there is none.
    """
    found, reasons, misnamed = [], [], []
    firsts = firsts_of(there)
    for site, calendar in _calendars(sites):
        for kind in (kind for kind in calendar.kinds if kind in kinds):
            period = calendar.period(kind, first)
            one = SitePeriod(site, calendar, period)
            is_there = any(key in there for key in keys(one))
            if period.first != first:
                misnamed.append(f"{site}: the {kind} of {first} is named by its first day, {period.first}")
            elif calendar.makes_ms(period) > now_ms:
                reasons.append(
                    f"{site}: the {kind} of {first} is not over; it can be made from "
                    f"{rfc3339(calendar.makes_ms(period))} on"
                )
            elif not begins.has_some_of(period):
                since = "nothing" if begins.first_ms is None else f"nothing before {rfc3339(begins.first_ms)}"
                reasons.append(f"{site}: the {kind} of {first} cannot be counted, since the log has {since}")
            elif overlaps(one, firsts):
                reasons.append(
                    f"{site}: the {kind} of {first} overlaps one that has a document: week_starts was another"
                )
            elif revise and not is_there:
                reasons.append(f"{site}: the {kind} of {first} has no document; make it with --period {first}")
            elif not revise and all(key in there for key in keys(one)):
                reasons.append(f"{site}: the {kind} of {first} is there; to correct it: --revise {first} --why REASON")
            else:
                found.append(one._replace(calendar=_closed_now(one, now_ms)) if revise else one)
    if not found:
        raise FreezeError(
            "; ".join(reasons + misnamed) or "no site has such a period; see [sites.NAME.calendar] in ranker.toml"
        )
    return found, reasons


def keys(one: SitePeriod) -> Iterator[Key]:
    """Those of the first documents of a period, one for each board."""
    for board in one.calendar.boards:
        yield Key(one.site, one.period.kind, one.period.first, board)


def _calendars(sites: Mapping[str, Site]) -> Iterator[tuple[str, Calendar]]:
    for name, site in sites.items():
        if site.calendar is not None:
            yield name, site.calendar


def firsts_of(there: Collection[Key]) -> Mapping[tuple[str, str], Collection[date]]:
    """The first days of all periods that have a document, by site and kind."""
    found: defaultdict[tuple[str, str], set[date]] = defaultdict(set)
    for key in there:
        found[key.site, key.kind].add(key.first)
    return found


def overlaps(one: SitePeriod, firsts: Mapping[tuple[str, str], Collection[date]]) -> bool:
    """Whether a document has a part of this period: of a week that began on another weekday, before a change."""
    period = one.period
    days = firsts.get((one.site, period.kind), ())
    return period.kind == WEEK and any(0 < abs((day - period.first).days) < 7 for day in days)


def newest_of(there: Collection[Key]) -> dict[tuple[str, str], date]:
    """The first day of the newest period that has a document, by site and kind."""
    found: dict[tuple[str, str], date] = {}
    for key in there:
        found[key.site, key.kind] = max(key.first, found.get((key.site, key.kind), key.first))
    return found


def _closed_now(one: SitePeriod, now_ms: int) -> Calendar:
    """A correction counts what was appended until it is made, in full minutes, less what may not be committed yet."""
    close_ms = (now_ms - LATE_MS - SETTLED_MS) // MINUTE_MS * MINUTE_MS
    return replace(one.calendar, close_after_ms=close_ms - one.period.to_ms)


def holes(cut: Sequence[SitePeriod], there: Collection[Key]) -> list[SitePeriod]:
    """Periods that the log can no longer give, behind the newest document of the same site and kind.

    Once a later one has a document, they are no news any more.
    """
    newest = newest_of(there)
    return [one for one in cut if one.period.first > newest.get((one.site, one.period.kind), date.max)]
