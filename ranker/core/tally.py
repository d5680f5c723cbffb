"""What a stretch of the log comes to: counts by slice, counters, rejected records. The seam between fold and route."""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Rejected:
    """A record that cannot be counted: its position, why, and its original bytes."""

    offset: int
    append_ms: int
    reason: str
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Mark:
    """Names the last record below an offset, so that another log is recognised: CRC-32 of its key and value."""

    offset: int
    append_ms: int
    crc: int


@dataclass(slots=True)
class Tally:
    """Counts of a stretch of records.

    `counts` maps (slice, site, outcome) to article counts; `late` and `future` are numbers of records; `rejected` holds
    all that goes to the dead letters, the future ones included. `first_append_ms` is the oldest append time inside.
    `sightings` has the sequences of each producer_id heard, in the order of the log and of first appearance; `heard_ms`
    the append time of its last record.
    """

    counts: dict[Group, Articles] = field(default_factory=dict)
    records: int = 0
    late: int = 0
    future: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    first_append_ms: int | None = None
    mark: Mark | None = None
    sightings: dict[str, list[int]] = field(default_factory=dict)
    heard_ms: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Adds a later stretch; `other` must not be used afterwards."""
        mine = self.counts
        for group, articles in other.counts.items():
            target = mine.get(group)
            if target is None:
                mine[group] = articles
                continue
            add(target, articles)
        self.records += other.records
        self.late += other.late
        self.future += other.future
        self.rejected += other.rejected
        if self.first_append_ms is None:
            self.first_append_ms = other.first_append_ms
        if other.mark is not None:
            self.mark = other.mark
        for producer, sequences in other.sightings.items():
            if producer in self.sightings:
                self.sightings[producer] += sequences
            else:
                self.sightings[producer] = sequences
        self.heard_ms |= other.heard_ms
