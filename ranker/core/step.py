"""A step: from one version of a shard to the next, with all its changes. The script `advance` carries it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ranker.core.delta import Counts
from ranker.core.floors import Floors
from ranker.core.memory import MemoryChange
from ranker.core.partial_counts import Articles, Mark
from ranker.core.sequence_tracker import TrackerUpdate

MAX_COST = 2_500
"""Increments and appends of one script on a shard of any size: 17 ms on 100,000 articles with ids of 7 characters, 23
with ids of 80 (medians of docs/reports/bench-2026-11-23; twice as many had taken 28 and 45)."""
SMALL_SHARD = 12_500
"""Up to so many articles a batch may cost `SMALL_TIMES` as much: a backlog is cheap when batches hold many events for
each article. The price is a longer script, 26 ms on 12,500 articles with ids of 7 characters and 40 with ids of 80
(medians of the same report)."""
SMALL_TIMES = 4
MAX_KEYS = 262_144
"""Keys that one step adds to what rules remember: two megabytes."""

SliceId = tuple[int, int]
"""(tier, slice)."""
ListId = tuple[int, str, str]
"""(window index, site, board)."""


@dataclass(frozen=True, slots=True)
class Version:
    """The state of a shard: counts of the records below `n` that lie at or above `floors`, in this `lineage`."""

    lineage: str
    n: int
    floors: Floors


class Reply(Enum):
    """The reply of `advance`, which decides what the consumer does next (DESIGN.md, the crash rule)."""

    APPLIED = "applied"
    ALREADY = "already"
    FLOORS = "floors"
    BEHIND = "behind"
    REWOUND = "rewound"
    MISSING = "missing"
    FOREIGN = "foreign"


@dataclass(slots=True)
class Changes:
    """Slice appends, increments of running totals and sums, and the articles and sites they touch."""

    appends: dict[SliceId, Counts] = field(default_factory=dict)
    increments: dict[ListId, Articles] = field(default_factory=dict)
    sums: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """(site, window index, outcome) to count."""

    @property
    def cost(self) -> int:
        return sum(map(len, self.increments.values())) + len(self.appends) + len(self.sums)

    def touched(self) -> dict[str, set[str]]:
        """Site to the articles whose count changes or moves: only these can become strays."""
        touched: dict[str, set[str]] = {}
        for counts in self.appends.values():
            for site, outcomes in counts.items():
                for articles in outcomes.values():
                    touched.setdefault(site, set()).update(articles)
        for (_, site, _), articles in self.increments.items():
            touched.setdefault(site, set()).update(articles)
        return touched


@dataclass(frozen=True, slots=True)
class Step:
    """One script run, complete when it is made. `watermark_ms` is T: the store keeps the larger of it and its own.

    `seals` replaces the list of a slice by one delta; `deletes` are slices that left. `counters` are added to the
    shard's counters and move with n. `mark` is None if n does not move over a record. `gap_ms` is the append time
    that a gap reaches to. `partitions` is set if the strays have been made for that number. `refused`: whether the
    store refuses batches for lack of memory; None leaves that as it is. `producers` changes the sequence tracking,
    `memory` what rules remember.
    """

    before: Version
    after: Version
    watermark_ms: int
    changes: Changes = field(default_factory=Changes)
    seals: dict[SliceId, bytes] = field(default_factory=dict)
    deletes: list[SliceId] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    mark: Mark | None = None
    strays: set[str] = field(default_factory=set)
    strays_gone: set[str] = field(default_factory=set)
    new_sites: set[str] = field(default_factory=set)
    partitions: int | None = None
    gap_ms: int | None = None
    refused: bool | None = None
    producers: TrackerUpdate | None = None
    memory: MemoryChange | None = None
    sealed: frozenset[SliceId] = frozenset()
    """New slices that have ended: they are written as sealed ones are, since nothing else is expected in them."""
