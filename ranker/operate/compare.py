"""Several definitions over one stretch of the log, in one pass: what each would count. Redis is not needed.

 log    ──────┬──────────┬─────────────────────────┬── end, as it is when the partition is read
              │          │      counted            │
        5 minutes before │                         │
        the bucket that  from                      to = now, both in full minutes of event time
        holds `from`

A record counts by its event time, whenever it was appended; what rules need to know of earlier records is read before.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ranker.core.floors import first_append_of_ms
from ranker.core.fold import Fold
from ranker.core.framed import Schemas
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.memory import Memory
from ranker.core.rules import memory_rules
from ranker.log.chunks import Chunk
from ranker.log.errors import LogRefusedError
from ranker.log.stretch import LogReader, Part
from ranker.service.progress import Advance

MINUTE_MS = 60_000


class Definition(NamedTuple):
    """A generation, by the name that the operator gave."""

    name: str
    generation: Generation


class Period(NamedTuple):
    """Event times [from_ms, to_ms), in milliseconds."""

    from_ms: int
    to_ms: int


@dataclass
class Counts:
    """What one definition counts. `outcomes` are by site; `lists` by site and board, article to weighed count.

    The others are of every record that was read, whatever its event time: `late`, `dead` and `skipped` records (both by
    reason), `lost` offsets, `settled` events and buckets `given_up` by rules.
    """

    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lists: defaultdict[tuple[str, str], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    dead: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    late: int = 0
    lost: int = 0
    settled: int = 0
    given_up: int = 0


@dataclass
class Comparison:
    """What each definition counts of `stretch`, the part of what was `requested` that the log covers."""

    definitions: Sequence[Definition]
    requested: Period
    stretch: Period
    parts: Sequence[Part]
    counts: Sequence[Counts]
    records: int = 0
    create_time: bool = False
    """Records carry their producers' times, so what is late or future is as right as their clocks."""


def grain_ms(generations: Iterable[Generation]) -> int:
    """A minute, or what is a whole number of minutes and of each one's finest slices."""
    return math.lcm(MINUTE_MS, *(generation.windows[0].grain_ms for generation in generations))


def stretch_of(generations: Sequence[Generation], now_ms: int, since_ms: int) -> Period:
    """The last `since_ms`, both ends rounded down."""
    grain = grain_ms(generations)
    return Period((now_ms - since_ms) // grain * grain, now_ms // grain * grain)


async def compare(
    log: LogReader, definitions: Sequence[Definition], requested: Period, advance: Advance, site: str | None = None
) -> Comparison:
    """Reads each partition once, and folds each chunk by every definition. With a `site`, only that one is counted.

    In memory are the counts of each article that the stretch has, for each definition and board, and what the rules of
    each definition remember of one partition. Raises LogRefusedError if the log has nothing of the stretch.
    """
    generations = [definition.generation for definition in definitions]
    since_ms = min(first_append_of_ms(generation, requested.from_ms, FUTURE_MS) for generation in generations)
    parts = [await log.part(partition, since_ms) for partition in range(log.partitions)]
    stretch = covered(generations, requested, parts)
    countings = [Counting(generation, stretch, site, log.schemas) for generation in generations]
    found = Comparison(definitions, requested, stretch, parts, [counting.counts for counting in countings])
    before, total = 0, sum(part.end - part.start for part in parts)
    for number, part in enumerate(parts):
        for counting in countings:
            counting.begin_partition()
        end = part.end
        async with contextlib.aclosing(log.part_chunks(part)) as chunks:
            async for chunk in chunks:
                for counting in countings:
                    counting.take(chunk)
                found.records += len(chunk.records)
                found.create_time |= chunk.create_time
                end = max(end, chunk.end)
                advance(before + min(chunk.end, part.end) - part.start, total)
        before += part.end - part.start
        parts[number] = part._replace(end=end)
    return found


def covered(generations: Sequence[Generation], requested: Period, parts: Iterable[Part]) -> Period:
    """From the first moment on whose events, and what rules know of them, the log has in every partition."""
    remembering = [rules for generation in generations if (rules := memory_rules(generation)) is not None]
    unit = math.lcm(grain_ms(generations), *(rules.per_ms for rules in remembering))
    begins = [-(-(part.first_ms + FUTURE_MS) // unit) * unit for part in parts if part.first_ms is not None]
    found = Period(max(requested.from_ms, *begins) if begins else requested.from_ms, requested.to_ms)
    if found.from_ms >= found.to_ms:
        raise LogRefusedError(
            "the log begins too late: Kafka has deleted what it had of this stretch, or of the hour in which rules "
            "look for earlier events; have the topic keep its records for longer (retention.ms)"
        )
    return found


class Counting:
    """Counts by one definition, one partition after the other."""

    def __init__(
        self, generation: Generation, stretch: Period, site: str | None, schemas: Schemas | None = None
    ) -> None:
        self.counts = Counts()
        self._fold = Fold(generation, schemas=schemas)
        self._rules = memory_rules(generation)
        self._memory: Memory | None = None
        grain = generation.windows[0].grain_ms
        self._slices = range(stretch.from_ms // grain, stretch.to_ms // grain)
        self._boards = generation.boards_of
        self._site = site

    def begin_partition(self) -> None:
        self._memory = None if self._rules is None else Memory(self._rules)

    def take(self, chunk: Chunk) -> None:
        """The next chunk of the partition."""
        partial = self._fold(chunk.records, self._memory) if chunk.records else chunk.partial
        if partial is None:
            return
        counts = self.counts
        if self._memory is not None and partial.memory is not None:
            self._memory.stored(partial.memory, ("", chunk.end))  # nothing is pending: nothing is ever taken back
            counts.settled += partial.memory.settled
            counts.given_up += partial.memory.given_up
        counts.late += partial.late
        counts.lost += sum(map(len, partial.lost))
        counts.skipped.update(partial.skipped)
        counts.dead.update(rejected.reason for rejected in partial.rejected)
        for (slice_, site, outcome), articles in partial.counts.items():
            if slice_ not in self._slices or (self._site is not None and site != self._site):
                continue
            counts.outcomes[site][outcome] += sum(articles.values())
            for board, weight in self._boards.get(outcome, ()):
                totals = counts.lists[site, board]
                for article, count in articles.items():
                    totals[article] = totals.get(article, 0) + weight * count
