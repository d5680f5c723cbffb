"""How old counts leave: which, in which order, and in how small steps."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ranker.core import retire
from ranker.core.delta import Counts
from ranker.core.floors import lane
from ranker.core.generation import Generation, Window
from ranker.core.retire import Retirement, tier_due
from ranker.core.route import Router
from ranker.core.step import Step, Version

GENERATION = Generation(
    "page-views",
    (Window("short", 10_000, 2_000), Window("long", 30_000, 6_000)),
    {"read": {"view": 1}, "engaged": {"view": 1, "comment": 3}},
    lanes=4,
)
RETIREMENT = Retirement(GENERATION, Router(GENERATION))
VERSION = Version("l", 7, (4 * 4, 0))
BY_LANE = {number: next(a for a in map(str, range(100)) if lane(a, 4) == number) for number in range(4)}
"""One article for each lane."""


def plan(contents: dict[tuple[int, int], Counts], tier: int, target: int, version: Version = VERSION) -> list[Step]:
    return RETIREMENT.plan(version, 99_000, tier, target, contents)


def everywhere(count: int = 1) -> Counts:
    return {"s": {"view": dict.fromkeys(BY_LANE.values(), count)}}


def test_the_finest_tier_that_is_behind_goes_first() -> None:
    """A coarse lane leaves only when the finer floors have passed it."""
    assert tier_due((4, 4), (8, 8)) == 0
    assert tier_due((8, 4), (8, 8)) == 1
    assert tier_due((8, 8), (8, 8)) is None
    assert tier_due((9, 8), (8, 8)) is None


def test_only_slices_that_hold_something_below_the_target_are_read() -> None:
    live = {(0, 3), (0, 5), (0, 4), (1, 0), (1, 3)}
    assert RETIREMENT.slices(live, 0, 5 * 4) == [(0, 3), (0, 4)]
    assert RETIREMENT.slices(live, 0, 5 * 4 + 1) == [(0, 3), (0, 4), (0, 5)]
    assert RETIREMENT.slices(live, 1, 2 * 4) == [(1, 0)]


def test_what_leaves_the_short_window_moves_to_its_coarse_slice() -> None:
    """
    fine    |  4  |          out of the short totals,
    coarse  |   1   |        into coarse slice 1; the long totals stay
    """
    (step,) = plan({(0, 4): {"s": {"view": {"x": 2}, "comment": {"x": 1}}}}, 0, 5 * 4)
    assert (step.before, step.after) == (VERSION, Version("l", 7, (5 * 4, 0)))
    assert step.changes.appends == {(1, 1): {"s": {"view": {"x": 2}, "comment": {"x": 1}}}}
    assert step.changes.increments == {(0, "s", "read"): {"x": -2}, (0, "s", "engaged"): {"x": -5}}
    assert step.changes.sums == {("s", 0, "view"): -2, ("s", 0, "comment"): -1}
    assert step.deletes == [(0, 4)]
    assert step.watermark_ms == 99_000


def test_what_leaves_the_longest_window_is_gone() -> None:
    version = Version("l", 7, (9 * 4, 4))
    (step,) = plan({(1, 1): {"s": {"comment": {"x": 2}}}}, 1, 2 * 4, version)
    assert step.changes.appends == {}
    assert step.changes.increments == {(1, "s", "engaged"): {"x": -6}}
    assert step.after.floors == (9 * 4, 2 * 4)
    assert step.deletes == [(1, 1)]


def test_lanes_below_the_floor_have_gone_already() -> None:
    """
    lane 3 |  x   leaves
    lane 2 |  x   leaves        floor = slice 4, lane 2
    lane 1 |  .
    lane 0 |  .
    """
    (step,) = plan({(0, 4): everywhere()}, 0, 5 * 4, Version("l", 7, (4 * 4 + 2, 0)))
    assert step.changes.sums == {("s", 0, "view"): -2}
    assert step.changes.appends == {(1, 1): {"s": {"view": {BY_LANE[2]: 1, BY_LANE[3]: 1}}}}


def test_lanes_from_the_target_on_stay() -> None:
    """A list goes with its last lane only."""
    (step,) = plan({(0, 4): everywhere()}, 0, 4 * 4 + 1)
    assert step.changes.sums == {("s", 0, "view"): -1}
    assert (step.deletes, step.after.floors) == ([], (4 * 4 + 1, 0))


@pytest.mark.parametrize("most", [1, 8, 10, 5_000])
def test_a_slice_with_many_articles_leaves_in_steps_that_add_up(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step begins where the last one ended, none takes half a lane, and together they do what one would do."""
    (whole,) = plan({(0, 4): everywhere(), (0, 5): everywhere(3)}, 0, 6 * 4)
    monkeypatch.setattr(retire, "MAX_COST", most)
    steps = plan({(0, 4): everywhere(), (0, 5): everywhere(3)}, 0, 6 * 4)
    versions = [VERSION, *(step.after for step in steps)]
    assert [step.before for step in steps] == versions[:-1]
    assert versions[-1] == whole.after
    assert all(before.floors[0] < after.floors[0] for before, after in pairwise(versions))
    assert sum(step.changes.sums["s", 0, "view"] for step in steps) == whole.changes.sums["s", 0, "view"] == -16
    assert [deleted for step in steps for deleted in step.deletes] == [(0, 4), (0, 5)]
    gone = next(number for number, step in enumerate(steps) if (0, 4) in step.deletes)
    assert steps[gone].after.floors[0] >= 5 * 4, "a list must not go before its last lane has left"
    if most == 1:
        assert len(steps) == 8, "a lane by itself goes however much it holds"


def test_a_floor_moves_over_slices_that_hold_nothing() -> None:
    (step,) = plan({}, 0, 6 * 4)
    assert (step.changes.cost, step.deletes, step.after.floors) == (0, [], (6 * 4, 0))
