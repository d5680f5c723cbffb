"""Recounts the list of a receipt from the log, at the very offsets and floors that the receipt names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ranker.log.stretch import LogReader
from ranker.operate.recounting import LogEndsError, RecountError, Stretch, after, feed, stretch
from ranker.recount.definition import LAST_MS, Definition, start_ms
from ranker.recount.pieces import At, Total
from ranker.recount.receipts import Given, Item, Row, ranked, sha256
from ranker.recount.recount import Recount

_NAMED = 20
_LATE_MS = 10 * 60 * 1000
"""Floors follow T, and T the log: both may be late, but hardly by so much while a list is served."""


class Counted(NamedTuple):
    """What a receipt has of one partition: events from `from_ms` on, below offset `n`, appended up to `until_ms`.

    `until_ms` is None if no record was read.
    """

    partition: int
    start: int
    n: int
    from_ms: int
    until_ms: int | None


@dataclass
class Outcome:
    """What a recount of a receipt finds. `rows` are the recounted ones; `items` those whose count differs, with ours.

    `notes` are sentences on what a receipt may have and no reader would have made: it is no signature.
    """

    equal: bool
    records: int
    sha256: str
    rows: list[Row] = field(default_factory=list)
    total: int = 0
    items: list[tuple[Item, int]] = field(default_factory=list)
    misplaced: list[Item] = field(default_factory=list)
    """Items that the recounted list has at another place."""
    parts: list[Counted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class ReceiptCheck:
    """Of what was given, by the definition of its generation."""

    def __init__(self, reader: LogReader, definition: Definition, given: Given) -> None:
        self._reader = reader
        self._definition = definition
        self._given = given
        self._receipt = given.receipt

    async def stretches(self) -> list[Stretch]:
        """What has to be read. RecountError if the receipt does not fit, or if the log no longer has it all."""
        receipt, definition = self._receipt, self._definition
        if receipt.board not in definition.boards or receipt.window not in [each.name for each in definition.windows]:
            raise RecountError(f"generation {receipt.generation} has no list {receipt.board}/{receipt.window}")
        if receipt.topic != definition.topic or receipt.rules != definition.rules:
            raise RecountError(
                f"the receipt has topic {receipt.topic}, rules {', '.join(receipt.rules) or 'none'}; its generation "
                f"has topic {definition.topic}, rules {', '.join(definition.rules) or 'none'}: the receipt was changed"
            )
        found = []
        for part in receipt.partitions:
            if part.partition >= self._reader.partitions or len(part.floors) != len(definition.windows):
                raise RecountError(
                    f"the receipt has a partition {part.partition} with {len(part.floors)} floors, but there are "
                    f"{self._reader.partitions} partitions and {len(definition.windows)} windows: is this its Kafka?"
                )
            begins = [start_ms(definition, tier, part.floors) for tier in range(len(definition.windows))]
            if max(begins) > LAST_MS:
                raise RecountError(f"partition {part.partition}: its floors are no times: the receipt was changed")
            read = await stretch(
                self._reader, definition, part.partition, part.n0, At(part.n, part.floors), receipt.window
            )
            if read.is_cut:
                raise RecountError(
                    f"partition {part.partition}: the log begins at offset {read.start} now, and the list is made of "
                    "earlier records too: it cannot be recounted any more (retention of the topic)"
                )
            found.append(read)
        return found

    async def run(self, stretches: Sequence[Stretch], passed: Callable[[int], None]) -> Outcome:
        """`passed` is called with how many offsets are behind. RecountError if the log ends before the receipt."""
        receipt, rank = self._receipt, self._definition.rank(self._receipt.window)
        counts: dict[str, int] = {}
        parts = []
        records = behind = 0
        for part, read in zip(receipt.partitions, stretches, strict=True):
            total = Total(At(part.n, part.floors), receipt.window, receipt.site, receipt.board, {})
            recount = Recount(self._definition, [total], schemas=self._reader.schemas)
            try:
                await feed(self._reader, recount, read, after(behind, passed))
            except LogEndsError as error:
                raise RecountError(
                    f"partition {part.partition}: the receipt counts up to offset {part.n}, but {error}: not its Kafka?"
                ) from error
            records += recount.records
            behind += read.end - read.start
            from_ms = start_ms(self._definition, rank, part.floors)
            parts.append(Counted(part.partition, read.start, part.n, from_ms, recount.last_append_ms))
            for article, count in total.counts.items():
                counts[article] = counts.get(article, 0) + count
        outcome = self._outcome(ranked(counts, receipt.aliases), sum(counts.values()))
        outcome.records, outcome.parts, outcome.notes = records, parts, list(self._notes(parts))
        return outcome

    def _outcome(self, every: list[Row], total: int) -> Outcome:
        receipt, given = self._receipt, self._given
        rows = every[: receipt.rows]
        found = sha256(rows)
        by_article = dict(every)
        wrong = [
            (item, by_article.get(item.article, 0))
            for item in given.items
            if item.counted is not None and by_article.get(item.article) != item.counted
        ]
        same = found == receipt.sha256 and len(rows) == receipt.rows and given.total in (None, total)
        outcome = Outcome(same, 0, found, rows, total, wrong, list(self._misplaced(every)))
        outcome.equal = same and not wrong and not outcome.misplaced
        return outcome

    def _misplaced(self, every: list[Row]) -> Iterator[Item]:
        """With a filter only the order is known, else every place."""
        receipt, given = self._receipt, self._given
        hidden = set(receipt.hidden)
        listed = [article for place, (article, _) in enumerate(every[: receipt.rows], 1) if place not in hidden]
        places = {article: place for place, article in enumerate(listed, 1)}
        before = 0
        for number, item in enumerate(given.items):
            place = places.get(item.article, 0)
            expected = given.items[0].rank + number if given.is_plain else item.rank
            if place <= before or (given.is_plain and not place == item.rank == expected):
                yield item
            before = max(before, place)

    def _notes(self, parts: Sequence[Counted]) -> Iterator[str]:
        absent = sorted(set(range(self._reader.partitions)) - {part.partition for part in parts})
        if absent:
            named = ", ".join(map(str, absent[:_NAMED]))
            yield f"partitions {named} of the topic are no part of it: such a list has complete: false, or is older"
        window = self._definition.windows[self._definition.rank(self._receipt.window)]
        most_ms = window.length_ms + 2 * window.grain_ms + _LATE_MS
        for part in parts:
            if part.until_ms is not None and part.until_ms - part.from_ms > most_ms:
                yield f"partition {part.partition} counts from further back than a window of {window.name} does"
