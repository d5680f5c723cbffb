"""Counts the log for several periods at once, by the active generation's fold and rules. No shard is touched.

Of one partition, for one period:

 log    ────┬─────────────────────────────┬──────────────┬────►  offsets
            start                         end            late_end
            appended 5 minutes before     the first      the first appended 5 minutes after the close
            the bucket that holds         appended at
            the period's beginning        the close

All decisions go by what the log says, so every reading of it counts the same.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ranker.core import best_of
from ranker.core.append_time import is_append_time
from ranker.core.floors import first_append_of_ms
from ranker.core.fold import Fold, Record
from ranker.core.framed import Schemas
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.memory import Memory
from ranker.core.partial_counts import PartialCounts
from ranker.core.periods import LATE_MS, Calendar, Period
from ranker.core.rules import memory_rules, paused_until_ms
from ranker.core.times import HOUR_MS, MINUTE_MS, rfc3339
from ranker.log.chunks import Chunk
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.log.stretch import LogReader, Part
from ranker.service.progress import Advance

QUIET_MS = HOUR_MS
"""So long after a period's beginning the first record of a log may come: nights are quiet."""


class SitePeriod(NamedTuple):
    """One period of one site."""

    site: str
    calendar: Calendar
    period: Period


@dataclass
class PeriodCounts:
    """What one site's period counts: `outcomes` of events, `lists` by board, article to weighed count.

    `parts` are the offsets of each partition. `is_cut`: the log no longer has the beginning; `begins_inside`: nothing
    was appended before its first hour was over; `lost` offsets could not be read. `late` has outcomes too. Up to
    `paused_ms` fewer rules looked at events, for lack of room; 0: all did.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    lists: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    late: Counter[str] = field(default_factory=Counter)
    parts: list[best_of.Offsets] = field(default_factory=list)
    lost: int = 0
    is_cut: bool = False
    begins_inside: bool = False
    paused_ms: int = 0


def reads_from_ms(generation: Generation, period: Period) -> int:
    """The append time from which on a record may count in the period, or decide whether another one does."""
    return first_append_of_ms(generation, period.from_ms, FUTURE_MS)


async def count(
    log: LogReader,
    generation: Generation,
    wanted: Sequence[SitePeriod],
    first_ms: int | None,
    now_ms: int,
    advance: Advance,
) -> list[PeriodCounts]:
    """Reads each partition once, from the earliest beginning to the latest end, and returns the counts in order.

    `first_ms` is the first append time of the log.

    Raises LogRefusedError if a record that would close a period was appended in the future, by its producer's clock:
    nobody knows what it closes.

    In memory are the counts of each article of each period and board, and what the rules remember of one partition.
    """
    found = [PeriodCounts(begins_inside=first_ms is None or first_ms > one.period.from_ms + QUIET_MS) for one in wanted]
    since_ms = min(reads_from_ms(generation, one.period) for one in wanted)
    parts = [await log.part(partition, since_ms) for partition in range(log.partitions)]
    behind, total = 0, sum(part.end - part.start for part in parts)
    for part in parts:
        counting = _Partition(generation, wanted, found, part, now_ms, log.schemas)
        starts = [await _start(log, part, reads_from_ms(generation, one.period), since_ms) for one in wanted]
        async with contextlib.aclosing(log.part_chunks(part)) as chunks:
            async for chunk in chunks:
                if counting.take(chunk):
                    break
                advance(behind + min(chunk.end, part.end) - part.start, total)
        if not counting.is_closed and log.held_back(part.partition):
            raise LogUnavailableError(
                f"partition {part.partition}: a producer's transaction is open, and what was appended behind its "
                "beginning cannot be read yet; run it again"
            )
        counting.finish(starts)
        behind += part.end - part.start
        advance(behind, total)
    return found


async def _start(log: LogReader, part: Part, from_ms: int, since_ms: int) -> int:
    """Where the period's own reading would begin: what is named in its document must not depend on other periods."""
    if from_ms == since_ms:
        return part.start
    first = await log.first_at(part.partition, from_ms)
    return part.end if first is None else max(first, part.start)


class _Partition:
    """Counts one partition for all periods, until each has its end."""

    def __init__(
        self,
        generation: Generation,
        wanted: Sequence[SitePeriod],
        found: Sequence[PeriodCounts],
        part: Part,
        now_ms: int,
        schemas: Schemas | None,
    ) -> None:
        self._generation = generation
        self._fold = Fold(generation, MINUTE_MS, schemas)
        rules = memory_rules(generation)
        self._memory = None if rules is None else Memory(rules)
        self._boards = generation.boards_of
        self._wanted = list(zip(wanted, found, strict=True))
        self._part = part
        self._latest_ms = now_ms + FUTURE_MS
        self._position = part.start
        self._reached: dict[int, int] = {}
        """Append time to the first offset that was appended then or later."""
        self._first = 0
        self._firsts: dict[int, int] = {}
        """The memory's first bucket at these times: what comes behind them decides nothing here."""
        closes = {one.calendar.closes_ms(one.period) for one in wanted}
        self._ahead = sorted(closes | {close + LATE_MS for close in closes})
        self._open = defaultdict[str, list[tuple[SitePeriod, PeriodCounts]]](list)
        for one, counts in self._wanted:
            self._open[one.site].append((one, counts))

    def take(self, chunk: Chunk) -> bool:
        """The next chunk of the partition; true if nothing behind it is needed."""
        self._position = chunk.end
        if not chunk.records:
            if chunk.partial is not None:
                self._lose(chunk.partial)
            return not self._ahead
        if chunk.create_time:
            self._check_order(chunk.records)
        for records in self._cut(chunk.records):
            partial = self._fold(records, self._memory)
            if self._memory is not None and partial.memory is not None:
                # nothing is pending: nothing is ever taken back
                self._memory.stored(partial.memory, ("", records[-1].offset + 1))
                self._first = partial.memory.first
            self._add(partial)
        return not self._ahead

    @property
    def is_closed(self) -> bool:
        """Whether the end of every period has been reached."""
        return not self._ahead

    def _cut(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """Stretches between the moments at which a period closes; nothing behind the last one."""
        if max(record.timestamp for record in records) < self._ahead[0]:
            yield records
            return
        begin = 0
        for at, record in enumerate(records):
            if not (is_append_time(record.timestamp) and record.timestamp >= self._ahead[0]):
                continue
            if record.timestamp > self._latest_ms:
                raise LogRefusedError(
                    f"partition {self._part.partition}, offset {record.offset}: appended at "
                    f"{rfc3339(record.timestamp)}, which has not come, so what was appended before a period closed is "
                    "not known; have the broker stamp records (message.timestamp.type=LogAppendTime)"
                )
            if at > begin:
                yield records[begin:at]
            begin = at
            while self._ahead and self._ahead[0] <= record.timestamp:
                reached_ms = self._ahead.pop(0)
                self._reached[reached_ms], self._firsts[reached_ms] = record.offset, self._first
            if not self._ahead:
                return
        yield records[begin:]

    def _check_order(self, records: Sequence[Record]) -> None:
        """By their producers' times: what closes a period must not be far ahead of what stands behind it."""
        closing = next((r for r in records if is_append_time(r.timestamp) and r.timestamp >= self._ahead[0]), None)
        if closing is None:
            return
        for record in records:
            if record.offset > closing.offset and record.timestamp < self._ahead[0] - FUTURE_MS:
                raise LogRefusedError(
                    f"partition {self._part.partition}: the record at offset {closing.offset} was appended at "
                    f"{rfc3339(closing.timestamp)}, and later ones before that, by their producers' clocks, so what a "
                    "period has is not known; have the broker stamp records (message.timestamp.type=LogAppendTime)"
                )

    def _add(self, partial: PartialCounts) -> None:
        for (minute, site, outcome), articles in partial.counts.items():
            at_ms = minute * MINUTE_MS
            for one, counts in self._open.get(site, ()):
                if not one.period.from_ms <= at_ms < one.period.to_ms:
                    continue
                close = one.calendar.closes_ms(one.period)
                if close in self._reached:
                    if close + LATE_MS not in self._reached:
                        counts.late[outcome] += sum(articles.values())
                    continue
                counts.outcomes[outcome] += sum(articles.values())
                for board, weight in self._boards.get(outcome, ()):
                    totals = counts.lists[board]
                    for article, count in articles.items():
                        totals[article] = totals.get(article, 0) + weight * count

    def _lose(self, partial: PartialCounts) -> None:
        """Unreadable offsets, whose times nobody knows: missing in every period that is not closed there."""
        for one, counts in self._wanted:
            if one.calendar.closes_ms(one.period) not in self._reached:
                counts.lost += sum(map(len, partial.lost))

    def finish(self, starts: Sequence[int]) -> None:
        """Notes the offsets of each period; one that the log's end has not reached ends there."""
        end = self._position
        for (one, counts), start in zip(self._wanted, starts, strict=True):
            close = one.calendar.closes_ms(one.period)
            stop = self._reached.get(close, end)
            late = self._reached.get(close + LATE_MS, end)
            counts.parts.append(best_of.Offsets(self._part.partition, min(start, stop), stop, late))
            cut = self._part.cut and (
                self._part.first_ms is None or self._part.first_ms >= reads_from_ms(self._generation, one.period)
            )
            counts.is_cut |= cut
            paused_ms = paused_until_ms(self._generation, self._firsts.get(close, self._first))
            if paused_ms > one.period.from_ms:
                counts.paused_ms = max(counts.paused_ms, paused_ms)
