"""Counts the records of one partition once more, for pieces that were read at versions of their own.

Records are fed in the order of the log. A piece counts those below its n, at its own floors: pieces of a live shard
differ in both. What the log no longer reaches is unchecked, never equal.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ranker.recount.contract import Contract
from ranker.recount.definition import APART_MS, FIRST_MS, FUTURE_MS, LAST_MS, Definition, start_ms
from ranker.recount.events import Event
from ranker.recount.once import Once
from ranker.recount.pieces import At, Bucket, Difference, Entry, Index, Slice, SliceId, Total

Piece = Slice | Total | Index | Bucket
_NEVER_MS = 2 * LAST_MS


@dataclass
class _View:
    """The pieces that were read at the same floors."""

    floors: tuple[int, ...]
    slices: dict[SliceId, Slice] = field(default_factory=dict)
    totals: dict[tuple[int, str, str], Total] = field(default_factory=dict)
    indices: list[Index] = field(default_factory=list)
    end: int = 0


class Recount:
    """Of one partition. `is_stray` returns whether an article (site, id) belongs to another one."""

    def __init__(
        self,
        definition: Definition,
        pieces: Sequence[Piece],
        is_stray: Callable[[str, str], bool] = lambda _site, _article: False,
        schemas: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self._definition = definition
        self._known_ms = 0
        """What counts in earlier slices and buckets is not known."""
        self._is_cut = False
        self._is_stray = lru_cache(maxsize=1 << 19)(is_stray)
        self._contract = Contract(definition.sites, definition.source, schemas)
        self._once = Once(definition)
        self._pieces = pieces
        self._views = list(_by_floors(definition, pieces))
        self._due = sorted((p for p in pieces if isinstance(p, Index | Bucket)), key=lambda p: p.at.n, reverse=True)
        """Pieces that are compared with what is remembered at their n, the next one last."""
        self._last: tuple[int, int, bytes | None, bytes | None] | None = None
        self._lane = lru_cache(maxsize=1 << 16)(lambda article: zlib.crc32(article.encode()) % definition.lanes)
        self._found: list[Difference] = []
        self.records = 0
        self.dead = 0
        self.skipped: Counter[str] = Counter()
        """Records that [source] says are no page views, by the reason."""

    @property
    def end(self) -> int:
        """Up to which offset records are needed."""
        return max((piece.at.n for piece in self._pieces), default=0)

    def log_is_cut(self) -> None:
        """The log lacks records before the first that is fed: what they can have counted in is unchecked.

        That is everything until a record shows when the log begins.
        """
        self._is_cut, self._known_ms = True, _NEVER_MS

    def feed(
        self,
        offset: int,
        append_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        """The next record."""
        while self._due and self._due[-1].at.n <= offset:
            self._compare_remembered(self._due.pop())
        if self._is_cut and FIRST_MS <= append_ms <= LAST_MS:
            unit = self._definition.unit_ms
            self._is_cut, self._known_ms = False, -(-(append_ms + APART_MS + FUTURE_MS) // unit) * unit
        self.records += 1
        self._last = offset, append_ms, key, value
        event = self._contract.event(value, append_ms, key, headers) if FIRST_MS <= append_ms <= LAST_MS else None
        if isinstance(event, str):
            self.skipped[event] += 1
            return
        if event is None or event.occurred_ms > append_ms + FUTURE_MS:
            self.dead += 1
            return
        if not self._is_late(event.occurred_ms, append_ms):
            self._count(offset, event, self._once.outcome(event))
        self._once.passed(event.occurred_ms)

    def _is_late(self, occurred_ms: int, append_ms: int) -> bool:
        """Whether its slice of the longest window had left that window when it was appended."""
        _, length_ms, grain_ms = self._definition.windows[-1]
        return (occurred_ms // grain_ms + 1) * grain_ms < append_ms - length_ms

    def _count(self, offset: int, event: Event, outcome: str) -> None:
        site, article, value = event.site, event.article, event.value
        windows = self._definition.windows
        for view in self._views:
            if offset >= view.end:
                continue
            place = self._place(event.occurred_ms, article, view.floors)
            if place is None or place[1] * windows[place[0]].grain_ms < self._known_ms:
                continue  # an unknown slice: so are all lists that it feeds, and its strays
            entry = Entry(place, site, outcome, article, value)
            piece = view.slices.get(place)
            if piece is not None and offset < piece.at.n:
                piece.add(entry)
            for index in view.indices:
                if offset < index.at.n:
                    names = (window.name for window in windows[place[0] :])
                    index.add(entry, names, is_stray=self._is_stray(site, article))
            for board, weight in self._definition.boards_of.get(outcome, ()):
                for rank in range(place[0], len(windows)):
                    total = view.totals.get((rank, site, board))
                    if total is not None and offset < total.at.n:
                        total.add(article, weight * value)

    def _place(self, occurred_ms: int, article: str, floors: tuple[int, ...]) -> SliceId | None:
        """The slice that a count stands in: of the finest tier at or above whose floor it lies."""
        lanes = self._definition.lanes
        for tier, window in enumerate(self._definition.windows):
            slice_ = occurred_ms // window.grain_ms
            first = floors[tier] - slice_ * lanes
            if first <= 0 or (first < lanes and self._lane(article) >= first):
                return tier, slice_
        return None

    def differences(self) -> Iterator[Difference]:
        """Once all records below `end` were fed: everything in which the pieces and the log differ."""
        while self._due:
            self._compare_remembered(self._due.pop())
        yield from self._found
        lanes = self._definition.lanes
        for piece in self._pieces:
            if self.is_unknown(piece):
                continue
            if isinstance(piece, Slice):
                (tier, slice_), floors = piece.place, piece.at.floors
                first = floors[tier] - slice_ * lanes
                yield from piece.differences(lambda article, first=first: self._lane(article) >= first)
            elif isinstance(piece, Total):
                yield from piece.differences()
            elif isinstance(piece, Index):
                yield from piece.differences(frozenset(self._unknown_windows(piece.at)))

    @property
    def compared(self) -> int:
        """How many counts, marks and keys were compared, once `differences` has ended."""
        return sum(piece.compared for piece in self._pieces if not self.is_unknown(piece))

    def unchecked(self) -> list[str]:
        """What was not compared, in words: what the log does not reach back for, and strays that cannot be."""
        slices = {piece.place for piece in self._pieces if isinstance(piece, Slice)}
        unknown = sum(isinstance(piece, Slice) and self.is_unknown(piece) for piece in self._pieces)
        found = [f"{unknown} slices of {len(slices)}"] if unknown else []
        for piece in self._pieces:
            if isinstance(piece, Index):
                found += [f"lists and sums of {window}" for window in self._unknown_windows(piece.at)]
                if piece.strays is None:
                    found.append("strays: they are being marked anew, or too many")
            elif isinstance(piece, Bucket) and self.is_unknown(piece):
                found.append(f"what rules remember of bucket {piece.bucket}")
        return found

    @property
    def last_append_ms(self) -> int | None:
        """When the last record that was fed was appended; None if there was none."""
        return None if self._last is None else self._last[1]

    def is_unknown(self, piece: Piece) -> bool:
        """Whether the log does not reach back for all of it."""
        if isinstance(piece, Slice):
            tier, slice_ = piece.place
            return slice_ * self._definition.windows[tier].grain_ms < self._known_ms
        if isinstance(piece, Bucket):
            return piece.bucket < self._first_known_bucket(piece.at)
        return isinstance(piece, Total) and piece.window in self._unknown_windows(piece.at)

    def _unknown_windows(self, at: At) -> list[str]:
        definition = self._definition
        return [
            window.name
            for rank, window in enumerate(definition.windows)
            if any(start_ms(definition, tier, at.floors) < self._known_ms for tier in range(rank + 1))
        ]

    def _first_known_bucket(self, at: At) -> int:
        """Buckets before the oldest slice's are not read again. Nothing live depends on them, but a partition that has
        had no event for so long still holds them.
        """
        oldest_ms = min(start_ms(self._definition, tier, at.floors) for tier in range(len(at.floors)))
        return max(self._known_ms, oldest_ms) // self._definition.per_ms

    def _compare_remembered(self, piece: Index | Bucket) -> None:
        """At the moment when all records below the piece's n were fed."""
        if isinstance(piece, Bucket):
            if not self.is_unknown(piece):
                self._found += piece.differences(self._once.live.get(piece.bucket, ()))
            return
        if self._last is not None:
            offset, append_ms, key, value = self._last
            last = f"{offset}:{append_ms}:{zlib.crc32(value or b'', zlib.crc32(key or b''))}"
            if last != piece.last:
                self._found.append(Difference("last counted record", "", "", piece.last, last))
        if self._definition.per_ms:
            self._found += self._remembered(piece)

    def _remembered(self, index: Index) -> Iterator[Difference]:
        """What rules go by."""
        per_ms, once = self._definition.per_ms, self._once
        begins = self._first_known_bucket(index.at)
        known = {bucket for bucket in once.live if bucket >= begins}
        for bucket in sorted(known ^ {bucket for bucket in index.buckets if bucket >= begins}):
            is_named = bucket in index.buckets
            log = "nothing" if is_named else f"{len(once.live[bucket])} keys"
            yield Difference(
                f"index of what rules remember, bucket {bucket}", "", "", "named" if is_named else "not named", log
            )
        for name, least, ours, theirs in (
            ("first bucket that was not given up", begins, index.first, once.first),
            ("latest event time", begins * per_ms, index.latest_ms, once.latest_ms),
        ):
            if max(ours, least) != max(theirs, least):
                yield Difference(f"what rules go by: {name}", "", "", str(ours), str(theirs))


def _by_floors(definition: Definition, pieces: Iterable[Piece]) -> Iterator[_View]:
    views: dict[tuple[int, ...], _View] = {}
    for piece in pieces:
        if isinstance(piece, Bucket):
            continue
        view = views.setdefault(piece.at.floors, _View(piece.at.floors))
        view.end = max(view.end, piece.at.n)
        if isinstance(piece, Slice):
            view.slices[piece.place] = piece
        elif isinstance(piece, Total):
            view.totals[definition.rank(piece.window), piece.site, piece.board] = piece
        else:
            view.indices.append(piece)
    yield from views.values()
