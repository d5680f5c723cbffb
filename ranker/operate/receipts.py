"""Recounts the list of a receipt from the log, at the very offsets and floors that the receipt names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ranker.log.stretch import LogReader
from ranker.operate.recounting import LogEndsError, RecountError, Stretch, after, feed, stretch
from ranker.recount.definition import Definition
from ranker.recount.pieces import At, Total
from ranker.recount.receipts import Receipt, Row, ranked, sha256
from ranker.recount.recount import Recount


@dataclass
class Outcome:
    """What a recount says of a receipt. `rows` are the recounted ones; `items` those whose count differs, with ours."""

    equal: bool
    records: int
    sha256: str
    rows: list[Row] = field(default_factory=list)
    items: list[tuple[Row, int]] = field(default_factory=list)
    reordered: bool = False
    """Whether the items stand in another order than the recounted rows."""


class ReceiptCheck:
    """Of one receipt, whose definition is that of its generation."""

    def __init__(self, reader: LogReader, definition: Definition, receipt: Receipt, items: Sequence[Row]) -> None:
        self._reader = reader
        self._definition = definition
        self._receipt = receipt
        self._items = items

    async def stretches(self) -> list[Stretch]:
        """What has to be read. RecountError if the receipt does not fit, or if the log no longer has it all."""
        receipt, definition = self._receipt, self._definition
        if receipt.board not in definition.boards or receipt.window not in [each.name for each in definition.windows]:
            raise RecountError(f"generation {receipt.generation} has no list {receipt.board}/{receipt.window}")
        if receipt.topic != definition.topic or receipt.rules != definition.rules:
            raise RecountError(
                f"the receipt says topic {receipt.topic}, rules {', '.join(receipt.rules) or 'none'}; its generation "
                f"says topic {definition.topic}, rules {', '.join(definition.rules) or 'none'}: the receipt was changed"
            )
        found = []
        for part in receipt.partitions:
            if part.partition >= self._reader.partitions or len(part.floors) != len(definition.windows):
                raise RecountError(
                    f"the receipt has a partition {part.partition} with {len(part.floors)} floors, but there are "
                    f"{self._reader.partitions} partitions and {len(definition.windows)} windows: is this its Kafka?"
                )
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
        receipt = self._receipt
        counts: dict[str, int] = {}
        records = behind = 0
        for part, read in zip(receipt.partitions, stretches, strict=True):
            total = Total(At(part.n, part.floors), receipt.window, receipt.site, receipt.board, {})
            recount = Recount(self._definition, [total])
            try:
                await feed(self._reader, recount, read, after(behind, passed))
            except LogEndsError as error:
                raise RecountError(
                    f"partition {part.partition}: the receipt counts up to offset {part.n}, but {error}: not its Kafka?"
                ) from error
            records += recount.records
            behind += read.end - read.start
            for article, count in total.counts.items():
                counts[article] = counts.get(article, 0) + count
        return self._outcome(ranked(counts, receipt.aliases), records)

    def _outcome(self, every: list[Row], records: int) -> Outcome:
        rows = every[: self._receipt.rows]
        found = sha256(rows)
        by_article = dict(every)
        wrong = [(row, by_article.get(row[0], 0)) for row in self._items if by_article.get(row[0]) != row[1]]
        places = {article: place for place, (article, _) in enumerate(every)}
        order = [places[article] for article, _ in self._items if article in places]
        reordered = order != sorted(order)
        equal = found == self._receipt.sha256 and len(rows) == self._receipt.rows and not wrong and not reordered
        return Outcome(equal, records, found, rows, wrong, reordered)
