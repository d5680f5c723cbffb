"""What the objective of freshness is judged by: how long events wait until a list shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from ranker.core.merge import ShardMeta
from ranker.serve.live.freshness import MAX_MISSED, Freshness

T = 1_795_396_624_735
PARTITIONS = 2


class Shown:
    """A list on show, as far as its freshness goes; `metas` maps shards to (T, last counted append time)."""

    def __init__(self, metas: Mapping[int, tuple[int, int]], every_ms: int = 0) -> None:
        self.read = self.name = self
        self.partitions = PARTITIONS
        self.every_ms = every_ms
        self.metas = {shard: ShardMeta((0, 0), t, last_ms=last) for shard, (t, last) in metas.items()}
        self.clocks = {shard: meta.watermark_ms for shard, meta in self.metas.items()}
        self.answered = len(metas)
        self.counted_ms = min(meta.counted_ms for meta in self.metas.values())


class Table:
    """A board with a clock set by hand, and what was observed."""

    def __init__(self) -> None:
        self.lists: list[Shown] = []
        self.now_s = 0.0
        self.observed: list[float] = []
        self.skipped_until_s: dict[Shown, float] = {}
        board: Any = self
        self.freshness = Freshness(board, 500, self.observed.append, lambda: self.now_s)

    def now_ms(self) -> int:
        return T + int(self.now_s * 1000)

    def shown(self) -> list[Shown]:
        return self.lists

    def is_skipped(self, name: Shown, ago_ms: int) -> bool:
        return self.skipped_until_s.get(name, -math.inf) > self.now_s - ago_ms / 1000

    def refresh(self, after_s: float, *shown: Shown) -> list[float]:
        """One refresh that ends after so long and reads these lists; what it observed."""
        self.observed.clear()
        self.now_s += after_s
        self.freshness.note()
        for one in shown:
            self.freshness.take("a", one.metas)
        self.lists = list(shown) or self.lists
        return list(self.observed)


def at(offset_s: float) -> int:
    return T + int(offset_s * 1000)


@pytest.fixture
def table() -> Table:
    return Table()


#  T ──────┬───────────┬───────────┬──▶ s
#  read    0          0.5          1
#  counted -0.1       0.4          0.9      until when everything appended is counted
#  observed            0.6         0.6      just before the next reading is shown


def test_an_event_waits_from_the_last_reading_to_the_next(table: Table) -> None:
    assert table.refresh(0, Shown({0: (at(-0.1), 0), 1: (at(0), 0)})) == []
    assert table.refresh(0.5, Shown({0: (at(0.4), 0), 1: (at(0.5), 0)})) == [pytest.approx(0.6)]
    assert table.refresh(0.5) == [pytest.approx(0.6)]


def test_the_last_counted_record_is_younger_than_its_watermark(table: Table) -> None:
    """While records wait T is 2 s behind the last counted one: lists are right to say so, the objective is not."""
    table.refresh(0, Shown({0: (at(-2.2), at(-0.2)), 1: (at(-3), at(-0.1))}))
    assert table.refresh(0.5) == [pytest.approx(0.7)]


def test_while_nothing_can_be_read_the_age_grows(table: Table) -> None:
    table.refresh(0, Shown({0: (at(0), 0), 1: (at(0), 0)}))
    assert [table.refresh(0.5) for _ in range(4)] == [[0.5], [1.0], [1.5], [2.0]]


def test_a_slow_refresh_counts_for_the_time_that_it_took(table: Table) -> None:
    """A timeout of 2 s is four intervals: a share of the observations is a share of the time."""
    table.refresh(0, Shown({0: (at(0), 0), 1: (at(0), 0)}))
    assert table.refresh(2.0) == [2.0, 1.5, 1.0, 0.5]
    assert table.refresh(0.6) == [2.6]


def test_a_machine_that_slept_is_not_busy_with_it(table: Table) -> None:
    table.refresh(0, Shown({0: (at(0), 0), 1: (at(0), 0)}))
    assert len(table.refresh(86_400)) == MAX_MISSED


def test_lists_without_a_shard_are_as_old_as_it(table: Table) -> None:
    """They take the place of whole ones once those are stale, and must not look fresh then."""
    table.refresh(0, Shown({0: (at(0), 0), 1: (at(0), 0)}))
    table.refresh(0.5, Shown({0: (at(0.5), 0)}))
    assert table.refresh(0.5, Shown({0: (at(1), 0)})) == [1.0]
    assert table.refresh(0.5, Shown({0: (at(1.5), 0)})) == [1.5]


def test_a_shard_that_was_never_seen_is_as_old_as_the_generation_here(table: Table) -> None:
    table.refresh(3, Shown({0: (at(3), 0)}))
    assert table.refresh(0.5, Shown({0: (at(3.5), 0)})) == [0.5]
    assert table.refresh(0.5, Shown({0: (at(4), 0)})) == [1.0]


def test_a_list_that_refreshes_skip_is_old_on_purpose(table: Table) -> None:
    """Whole lists had to be read for it. The others are observed meanwhile, and it again if it is not read in time."""
    seldom = Shown({0: (at(0), 0), 1: (at(0), 0)})
    table.refresh(0, seldom)
    table.skipped_until_s[seldom] = 0.7
    assert table.refresh(0.5, seldom, Shown({0: (at(0.5), 0), 1: (at(0.5), 0)})) == []
    assert table.refresh(0.5) == [pytest.approx(0.5)]
    assert table.refresh(0.5) == [pytest.approx(1.0)]
    assert table.refresh(0.5) == [pytest.approx(2.0)]


def test_without_a_list_nothing_is_observed(table: Table) -> None:
    """Nobody requests one; the first one afterwards has no time to account for. Rising lists are old on purpose."""
    assert table.refresh(0.5) == []
    assert table.refresh(60, Shown({0: (at(0), 0), 1: (at(0), 0)}, every_ms=60_000)) == []
    assert table.refresh(5, Shown({0: (at(65.5), 0), 1: (at(65.5), 0)})) == []
    assert table.refresh(0.5) == [pytest.approx(0.5)]
