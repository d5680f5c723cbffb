from __future__ import annotations

import pytest

from ranker.operate.generations import not_level
from ranker.store.inventory import Shard

NOW = 1_700_000_000_000


def shards(*clocks_ms: int, partitions: int | None = None) -> list[Shard]:
    made_for = len(clocks_ms) if partitions is None else partitions
    return [Shard(p, 10, clock, made_for, dropped=False) for p, clock in enumerate(clocks_ms)]


def test_level_shards_may_be_shown() -> None:
    """Counts as young as the oldest of what is shown now lose nothing."""
    assert not_level(shards(NOW, NOW), shards(NOW + 60_000, NOW), NOW) == []


def test_clocks_read_one_after_the_other_are_level() -> None:
    """A second or two apart is what reading them takes, not being behind."""
    assert not_level(shards(NOW - 2000, NOW), shards(NOW, NOW), NOW) == []


def test_every_shard_behind_is_named() -> None:
    """One shard that still catches up would make every list old: the operator reads which."""
    reasons = not_level(shards(NOW, NOW - 90_000, NOW - 20_000), shards(NOW), NOW)
    assert reasons == ["partition 1 is 90 s behind", "partition 2 is 20 s behind"]


def test_a_shard_that_has_not_begun_is_a_hole() -> None:
    """Shards say how many there are to be; a missing one would leave its articles out of the lists."""
    assert not_level(shards(NOW, partitions=3), [], NOW) == ["partition 1 has not begun", "partition 2 has not begun"]


def test_old_counts_of_a_stopped_generation_are_no_bar() -> None:
    """If the shown lists are older than the new ones, changing over makes them younger."""
    assert not_level(shards(NOW - 3_600_000), shards(NOW - 7_200_000), NOW) == []


@pytest.mark.parametrize(("behind_ms", "level"), [(0, True), (4_000, True), (60_000, False)])
def test_with_nothing_shown_the_wall_clock_is_the_measure(behind_ms: int, level: bool) -> None:
    """The first generation an operator activates should not begin with old lists either."""
    assert (not_level(shards(NOW - behind_ms), [], NOW) == []) is level
