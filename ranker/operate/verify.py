"""Compares the shards of a live generation with a second count of the log, partition by partition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, product
from typing import Any, NamedTuple

from ranker.log.stretch import LogReader, home
from ranker.operate.recounting import LogEndsError, RecountError, Stretch, after, feed, stretch
from ranker.recount.definition import Definition
from ranker.recount.pieces import At, Difference, Index, Total
from ranker.recount.recount import Piece, Recount
from ranker.store.pieces import PieceReader

_NAMED = 20
_BEGINS_S = 5.0
MOST_DIFFERENCES = 1_000
"""Of a partition that are named; the others are counted."""


class SelectionError(Exception):
    """There is nothing of what was chosen; the message names what there is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is compared; None: all. With a board or a window, lists alone."""

    site: str | None = None
    board: str | None = None
    window: str | None = None
    article: str | None = None
    partition: int | None = None

    @property
    def lists_only(self) -> bool:
        return self.board is not None or self.window is not None

    def lists(self, definition: Definition, sites: frozenset[str]) -> Iterator[tuple[str, str, str]]:
        """(window, site, board) of every list."""
        windows = [window.name for window in definition.windows if self.window in (None, window.name)]
        boards = [board for board in definition.boards if self.board in (None, board)]
        chosen = sorted(sites) if self.site is None else [self.site]
        return product(windows, chosen, boards)

    def fault(self, definition: Definition, partitions: int, sites: frozenset[str] | None) -> str:
        """Why there is nothing of this kind, "" if there is: to find no difference in nothing would say nothing.

        `sites` is None if no shard exists, which is a difference of its own.
        """
        windows = [window.name for window in definition.windows]
        for kind, chosen, there in (
            ("partition", self.partition, list(range(partitions))),
            ("site", None if sites is None else self.site, sorted(sites or ())),
            ("board", self.board, sorted(definition.boards)),
            ("window", self.window, windows),
        ):
            if chosen is not None and chosen not in there:
                named = ", ".join(map(str, there[:_NAMED])) or "none"
                return f"there is no {kind} {chosen!r} in generation {definition.generation}; there are: {named}"
        return ""

    def wants(self, difference: Difference) -> bool:
        """Whether a difference is about what was chosen. One that is about no site concerns all of them."""
        if not difference.site:
            return True
        return self.site in (None, difference.site) and self.article in (None, difference.article)


class ListCount(NamedTuple):
    """The chosen article in one list."""

    site: str
    board: str
    window: str
    redis: int | float
    log: int


@dataclass
class Checked:
    """One partition. `named` are the first differences, `more` how many others there are.

    `counts` are those of the chosen article in each list that was compared.
    """

    partition: int
    start: int = 0
    end: int = 0
    records: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    """Records that [source] says are no page views, by the reason."""
    compared: int = 0
    unchecked: list[str] = field(default_factory=list)
    named: list[Difference] = field(default_factory=list)
    more: int = 0
    counts: list[ListCount] = field(default_factory=list)

    @property
    def differences(self) -> int:
        return len(self.named) + self.more

    def take(self, differences: Iterator[Difference]) -> None:
        self.named += islice(differences, MOST_DIFFERENCES - len(self.named))
        self.more += sum(1 for _ in differences)


class Verification:
    """Of one generation. `partitions` is how many shards make a whole list."""

    def __init__(
        self, client: Any, reader: LogReader, definition: Definition, partitions: int, selection: Selection
    ) -> None:
        self._reader = reader
        self._definition = definition
        self._selection = selection
        self._partitions = partitions
        self._shards = {
            number: PieceReader(client, definition, number)
            for number in range(partitions)
            if selection.partition in (None, number)
        }

    async def offsets(self) -> int:
        """How many have to be read, about: shards move on. Raises SelectionError, RecountError."""
        if self._reader.partitions < self._partitions:
            raise RecountError(
                f"the lists are made of {self._partitions} partitions, and topic {self._definition.topic} has "
                f"{self._reader.partitions}: is RANKER_KAFKA_BOOTSTRAP the Kafka that was counted?"
            )
        indices = {shard: await self._index(shard) for shard in self._shards}
        known = {shard: read for shard, read in indices.items() if read is not None}
        sites = frozenset().union(*(index.sites for index, _ in known.values())) if known else None
        if fault := self._selection.fault(self._definition, self._partitions, sites):
            raise SelectionError(fault)
        found = [
            await self._stretch(shard, n0, index.at)
            for shard, (index, n0) in known.items()
            if self._may_hold(shard, index)
        ]
        if known and not found:
            raise SelectionError(f"{self._selection.article!r} belongs to another partition than {sorted(known)}")
        return sum(part.end - part.start for part in found)

    async def run(self, passed: Callable[[int], None]) -> AsyncIterator[Checked]:
        """Each partition as it is done; `passed` is called with how many offsets are behind, of all."""
        behind = 0
        for shard in self._shards:
            checked = await self._check(shard, after(behind, passed))
            if checked is not None:
                behind += checked.end - checked.start
                yield checked

    async def _index(self, shard: int) -> tuple[Index, int] | None:
        return await self._shards[shard].index(self._reader.partitions)

    async def _stretch(self, shard: int, n0: int, at: At) -> Stretch:
        return await stretch(self._reader, self._definition, shard, n0, at, self._selection.window)

    async def _check(self, shard: int, passed: Callable[[int], None]) -> Checked | None:
        """None if the chosen article has no counts in this partition."""
        checked = Checked(shard)
        read = await self._index(shard)
        if read is None:
            await asyncio.sleep(_BEGINS_S)  # one of a partition that was just added begins at any moment
            read = await self._index(shard)
        if read is None:
            held = await self._reader.held(shard)
            if held:
                checked.named.append(Difference("shard", "", "", "does not exist", f"{len(held)} offsets"))
            return checked
        index, n0 = read
        if not self._may_hold(shard, index):
            return None
        pieces = await self._pieces(shard, index)
        part = await self._stretch(shard, n0, _oldest([index.at, *(piece.at for piece in pieces)]))
        recount = Recount(self._definition, pieces, partial(self._is_stray, shard), self._reader.schemas)
        checked.start, checked.end = part.start, recount.end
        try:
            await feed(self._reader, recount, part, passed)
        except LogEndsError as error:
            checked.take(iter([Difference("log", "", "", f"{recount.end} offsets were counted", str(error))]))
        checked.records, checked.skipped = recount.records, dict(recount.skipped)
        checked.take(filter(self._selection.wants, recount.differences()))
        checked.compared, checked.unchecked = recount.compared, recount.unchecked()
        if self._selection.article is not None:
            checked.counts = list(_counts(recount, pieces, self._selection.article))
        return checked

    async def _pieces(self, shard: int, index: Index) -> list[Piece]:
        reader, chosen = self._shards[shard], self._selection
        pieces: list[Piece] = []
        if not chosen.lists_only:
            pieces.append(index)
            pieces += [piece async for piece in reader.slices(index.slices)]
            pieces += [await reader.bucket(bucket) for bucket in sorted(index.buckets)]
        pieces += [piece async for piece in reader.totals(chosen.lists(self._definition, index.sites))]
        return pieces

    def _may_hold(self, shard: int, index: Index) -> bool:
        """Whether the chosen article can have counts in this shard."""
        site, article = self._selection.site, self._selection.article
        if site is None or article is None or index.strays is None:
            return True
        return not self._is_stray(shard, site, article) or f"{site}/{article}" in index.strays

    def _is_stray(self, shard: int, site: str, article: str) -> bool:
        return home(f"{site}/{article}", self._reader.partitions) != shard


def _counts(recount: Recount, pieces: list[Piece], article: str) -> Iterator[ListCount]:
    for piece in pieces:
        if isinstance(piece, Total) and not recount.is_unknown(piece):
            ours, log = piece.ours.get(article, 0), piece.counts.get(article, 0)
            yield ListCount(piece.site, piece.board, piece.window, ours, log)


def _oldest(versions: Sequence[At]) -> At:
    """The lowest floors: a Redis that goes back to an older copy meanwhile has lower ones later."""
    return At(versions[0].n, tuple(map(min, *(at.floors for at in versions), versions[0].floors)))
