"""A step: from one version of a shard to the next, with all its changes. The script `advance` carries it out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import msgspec

from ranker.core import delta
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


class Increase(NamedTuple):
    """The same increments for the lists of a site's board in these windows (by index); both may be msgpack already."""

    site: str
    board: str
    windows: list[int]
    articles: Sequence[str] | msgspec.Raw
    increments: Sequence[int] | msgspec.Raw
    size: int
    """Number of articles."""


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

    @property
    def slices(self) -> Collection[SliceId]:
        """Those that get a delta."""
        return self.appends.keys()

    @property
    def sites(self) -> set[str]:
        return set(self.touched())

    def size(self, slices: Iterable[SliceId]) -> int:
        """Number of counts in the deltas of these slices."""
        counts = (self.appends[slice_id] for slice_id in slices)
        return sum(len(articles) for sites in counts for outcomes in sites.values() for articles in outcomes.values())

    def delta(self, slice_id: SliceId, *, sealed: bool) -> bytes:
        """What is appended to a slice, in the form of an open or of a sealed one."""
        counts = self.appends[slice_id]
        return delta.seal(delta.without_zeros(counts)) if sealed else delta.pack(counts)

    def increases(self) -> list[Increase]:
        """Windows that get the same increments, as those of one board mostly do, share them."""
        found: list[Increase] = []
        latest: dict[tuple[str, str], tuple[Increase, Articles]] = {}
        for (window, site, board), articles in self.increments.items():
            increase, same = latest.get((site, board), (None, None))
            if increase is not None and same == articles:
                increase.windows.append(window)
                continue
            increase = Increase(site, board, [window], list(articles), list(articles.values()), len(articles))
            latest[site, board] = increase, articles
            found.append(increase)
        return found

    def strays(self, partition: int, partitions: int) -> set[str] | None:  # noqa: ARG002  # the kernel's know them
        """`site/article` of those whose home, among so many partitions, is not `partition`; None: look them up."""
        return None

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
