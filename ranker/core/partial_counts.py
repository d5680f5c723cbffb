"""The counts of a stretch of the log: by slice, with counters and rejected records. What fold hands to route."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ranker.core.append_time import is_append_time
from ranker.core.memory import MemoryChange
from ranker.core.sequences import Sequences

Group = tuple[int, str, str]
"""(slice of the finest grain, site, outcome)."""
Articles = dict[str, int]


def add(into: Articles, articles: Articles) -> None:
    """Adds article counts in place; `articles` is not kept."""
    if not into:
        into.update(articles)
        return
    get = into.get
    for article, count in articles.items():
        into[article] = get(article, 0) + count


KEPT_BYTES = 64 << 10
"""Kept of a value or a key that is too large."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A value before it was cut; None if its end was never read."""

    size: int | None
    sha256: str | None


@dataclass(slots=True)
class Rejected:
    """A record that cannot be counted: its position, the reason, and its original bytes, or the first of them.

    `cut` is None if the value is whole; `key_size` is the size of a key that was cut. `headers` are those that [source]
    reads.
    """

    offset: int
    append_ms: int
    reason: str
    key: bytes | None
    value: bytes | None
    cut: Cut | None = None
    key_size: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def content_bytes(self) -> int:
        """What it takes of memory: of its value and its headers."""
        return len(self.value or b"") + sum(len(value or b"") for _, value in self.headers)

    def shortened(self, value_bytes: int, key_bytes: int) -> Rejected:
        """The same with at most so many bytes of value and key."""
        value, key, cut, key_size = self.value, self.key, self.cut, self.key_size
        if value is not None and len(value) > value_bytes:
            cut = cut or Cut(len(value), hashlib.sha256(value).hexdigest())
            value = value[:value_bytes]
        if key is not None and len(key) > key_bytes:
            key_size = key_size or len(key)
            key = key[:key_bytes]
        return replace(self, value=value, key=key, cut=cut, key_size=key_size)


@dataclass(slots=True)
class Mark:
    """Identifies the last record below an offset, to recognise another log: CRC-32 of its key and value."""

    offset: int
    append_ms: int
    crc: int

    @property
    def proven_ms(self) -> int:
        """A time that has come; 0 if its append time is none."""
        return self.append_ms if is_append_time(self.append_ms) else 0


class Columns(Protocol):
    """Counts in another form than Python's: the kernel's (kernel/src/columns.rs)."""

    def add(self, other: Any) -> None:
        """Adds later ones."""

    def cost_with(self, other: Any, enough: int) -> int:
        """What a step pays for both, as `Batch.cost_with` counts it; up to `enough` it may be too high."""

    @property
    def cost(self) -> int: ...

    def events(self) -> dict[str, int]:
        """Outcome to its events, negative ones counted as well."""


@dataclass(slots=True)
class PartialCounts:
    """Counts of a stretch of records.

    `counts` maps (slice, site, outcome) to article counts, which are in `columns` instead if the kernel folds; `late`
    and `future` are numbers of records, and `skipped` those that are no page views, by reason; `rejected` holds all
    that goes to the dead letters, future ones too. `first_append_ms` is the oldest append time. `lost` are ranges of
    offsets that cannot be read, the last of them appended at `lost_ms`. `sequences` has those of each producer_id, in
    the order of the log; `last_seen_ms` the append time of its last record. `memory` is what the rules remember of
    them; None if no rule remembers anything.
    """

    counts: dict[Group, Articles] = field(default_factory=dict)
    records: int = 0
    late: int = 0
    future: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    first_append_ms: int | None = None
    lost: list[range] = field(default_factory=list)
    lost_ms: int = 0
    mark: Mark | None = None
    sequences: dict[str, Sequences] = field(default_factory=dict)
    last_seen_ms: dict[str, int] = field(default_factory=dict)
    memory: MemoryChange | None = None
    columns: Columns | None = None

    def add(self, other: PartialCounts) -> None:
        """Adds a later stretch; `other` must not be used afterwards."""
        mine = self.counts
        for group, articles in other.counts.items():
            target = mine.get(group)
            if target is None:
                mine[group] = articles
                continue
            add(target, articles)
        if self.columns is None:
            self.columns = other.columns
        elif other.columns is not None:
            self.columns.add(other.columns)
        self.records += other.records
        self.late += other.late
        self.future += other.future
        for reason, records in other.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + records
        self.rejected += other.rejected
        self.lost += other.lost
        self.lost_ms = max(self.lost_ms, other.lost_ms)
        if self.first_append_ms is None:
            self.first_append_ms = other.first_append_ms
        if other.mark is not None:
            self.mark = other.mark
        for producer, sequences in other.sequences.items():
            if producer in self.sequences:
                self.sequences[producer] += sequences
            else:
                self.sequences[producer] = sequences
        self.last_seen_ms |= other.last_seen_ms
        if self.memory is None:
            self.memory = other.memory
        elif other.memory is not None:
            self.memory.add(other.memory)
