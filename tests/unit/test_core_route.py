"""Where a count goes, above and below the floors."""

from __future__ import annotations

from ranker.core.floors import lane
from ranker.core.generation import Generation, Window
from ranker.core.route import Router

# fine slices of 2 s in 10 s, coarse ones of 6 s in 30 s, 4 lanes; coarse slice 1 holds fine 3, 4 and 5
GENERATION = Generation(
    "page-views",
    (Window("short", 10_000, 2_000), Window("long", 30_000, 6_000)),
    {"read": {"view": 1}, "engaged": {"view": 1, "comment": 3}},
    lanes=4,
)
ROUTER = Router(GENERATION)
LOW, HIGH = "f", "a"
"""Two articles in lanes 0 and 3."""


def test_the_two_articles_stand_in_the_lanes_that_the_drawings_say() -> None:
    assert (lane(LOW, 4), lane(HIGH, 4)) == (0, 3)


def test_above_all_floors_a_count_stands_in_the_fine_slice_and_in_every_window() -> None:
    """
    fine    |  3  |  4  |  5  |      floors at 3 and 1
    """
    changes = ROUTER.route({(4, "s", "view"): {"x": 2}}, (3 * 4, 1 * 4))
    assert changes.appends == {(0, 4): {"s": {"view": {"x": 2}}}}
    assert changes.sums == {("s", 0, "view"): 2, ("s", 1, "view"): 2}
    assert changes.increments == {(window, "s", board): {"x": 2} for window in (0, 1) for board in ("read", "engaged")}


def test_below_the_fine_floor_it_stands_in_the_coarse_slice_and_in_the_long_window_alone() -> None:
    """
    fine    |  3  |  4  |  5  |      fine floor at 5: 4 belongs to coarse slice 1
    coarse  |        1        |
    """
    changes = ROUTER.route({(4, "s", "comment"): {"x": 2}}, (5 * 4, 1 * 4))
    assert changes.appends == {(1, 1): {"s": {"comment": {"x": 2}}}}
    assert changes.sums == {("s", 1, "comment"): 2}
    assert changes.increments == {(1, "s", "engaged"): {"x": 6}}


def test_below_all_floors_it_is_nowhere() -> None:
    changes = ROUTER.route({(4, "s", "view"): {"x": 2}}, (5 * 4, 2 * 4))
    assert (changes.appends, changes.sums, changes.increments) == ({}, {}, {})


def test_in_the_slice_of_the_floor_the_lane_decides() -> None:
    """
    lane 3 |  x      counted as fine         fine floor = slice 4, lane 2
    lane 2 |
    lane 1 |
    lane 0 |  .      has moved on: coarse
           +--4--
    """
    changes = ROUTER.route({(4, "s", "view"): {LOW: 1, HIGH: 10}}, (4 * 4 + 2, 1 * 4))
    assert changes.appends == {(0, 4): {"s": {"view": {HIGH: 10}}}, (1, 1): {"s": {"view": {LOW: 1}}}}
    assert changes.sums == {("s", 0, "view"): 10, ("s", 1, "view"): 11}
    assert changes.increments[0, "s", "read"] == {HIGH: 10}
    assert changes.increments[1, "s", "read"] == {HIGH: 10, LOW: 1}


def test_in_the_slice_of_the_last_floor_the_lanes_below_are_gone() -> None:
    changes = ROUTER.route({(4, "s", "view"): {LOW: 1, HIGH: 10}}, (6 * 4, 1 * 4 + 1))
    assert changes.appends == {(1, 1): {"s": {"view": {HIGH: 10}}}}
    assert changes.sums == {("s", 1, "view"): 10}


def test_outcomes_of_one_board_add_up_and_a_negative_value_takes_away() -> None:
    counts = {(4, "s", "view"): {"x": 2}, (4, "s", "comment"): {"x": -1}, (5, "s", "view"): {"x": 1}}
    changes = ROUTER.route(counts, (0, 0))
    assert changes.increments[0, "s", "engaged"] == {"x": 0}
    assert changes.increments[0, "s", "read"] == {"x": 3}
    assert changes.sums["s", 0, "comment"] == -1


def test_an_outcome_that_no_board_weighs_is_counted_all_the_same() -> None:
    """A valid type may be given a board later, from the slices on."""
    changes = ROUTER.route({(4, "s", "odd"): {"x": 1}}, (0, 0))
    assert changes.appends == {(0, 4): {"s": {"odd": {"x": 1}}}}
    assert changes.increments == {}
    assert changes.sums == {("s", 0, "odd"): 1, ("s", 1, "odd"): 1}
    assert changes.touched() == {"s": {"x"}}


def test_the_tally_stays_as_it_was() -> None:
    """It is routed again when the floors have moved."""
    counts = {(4, "s", "view"): {LOW: 1, HIGH: 10}, (5, "s", "view"): {LOW: 1}}
    ROUTER.route(counts, (0, 0))
    ROUTER.route(counts, (4 * 4 + 2, 0))
    assert counts == {(4, "s", "view"): {LOW: 1, HIGH: 10}, (5, "s", "view"): {LOW: 1}}
