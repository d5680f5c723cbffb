"""Floors, lanes and clocks: when exactly something leaves."""

from __future__ import annotations

import zlib

from ranker.core.floors import first_append_ms, floor_at, floors_at, lane, start_ms
from ranker.core.generation import FUTURE_MS, Generation, Window
from ranker.core.watermark import TOLERANCE_MS, behind_ms, clocks_agree, wall_ms
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
WINDOW = Window("10s", 10_000, 2_000)
LANES = 64


def test_a_slice_leaves_once_its_end_is_a_window_ago() -> None:
    """
    slice   |  5  |  6  |
            10   12    14 s           T = 22 s: slice 5 ended 10 s ago and leaves
                  |--- 10 s ---| T
    """
    assert floor_at(WINDOW, LANES, 21_999) == 5 * LANES
    assert floor_at(WINDOW, LANES, 22_000) == 6 * LANES
    assert floor_at(WINDOW, LANES, 23_999) == 6 * LANES
    assert floor_at(WINDOW, LANES, 24_000) == 7 * LANES


def test_a_window_holds_its_length_and_at_most_a_grain_more() -> None:
    """What a list covers: at least W, at most W and one grain."""
    for watermark_ms in range(20_000, 30_000, 137):
        covered = watermark_ms - start_ms(floor_at(WINDOW, LANES, watermark_ms), WINDOW, LANES)
        assert WINDOW.length_ms <= covered < WINDOW.length_ms + WINDOW.grain_ms


def test_a_clock_sets_one_floor_for_each_window_at_lane_zero() -> None:
    """Floors between lanes are steps on the way, never a target."""
    floors = floors_at(GENERATION, 1_700_000_000_000)
    assert floors == (
        (1_700_000_000_000 - 86_400_000) // 60_000 * 64,
        (1_700_000_000_000 - 604_800_000) // 3_600_000 * 64,
    )


def test_lanes_come_from_the_article_alone() -> None:
    """crc32 of its UTF-8 bytes: any language can follow."""
    assert lane("é/1", 64) == zlib.crc32("é/1".encode()) % 64
    assert {lane(f"article-{number}", 8) for number in range(200)} == set(range(8))
    assert lane("anything", 1) == 0


def test_a_floor_between_lanes_starts_where_its_slice_starts() -> None:
    """The `from` of a list is a time, lanes or not."""
    assert start_ms(6 * LANES + 63, WINDOW, LANES) == 12_000


def test_the_first_record_that_can_matter_came_five_minutes_before_the_oldest_slice() -> None:
    """An event may lie five minutes ahead of its append time, so an earlier record can still hold one."""
    floors = floors_at(GENERATION, 1_700_000_000_000)
    oldest = start_ms(floors[1], GENERATION.windows[1], 64)
    assert first_append_ms(GENERATION, floors, FUTURE_MS) == oldest - FUTURE_MS


def test_the_wall_clock_is_the_lesser_of_two() -> None:
    """One fast clock must not retire for good."""
    assert wall_ms(5_000, 9_000) == wall_ms(9_000, 5_000) == 5_000


def test_clocks_agree_up_to_two_seconds() -> None:
    assert clocks_agree(0, TOLERANCE_MS)
    assert clocks_agree(TOLERANCE_MS, 0)
    assert not clocks_agree(0, TOLERANCE_MS + 1)


def test_while_behind_the_clock_is_two_seconds_before_the_last_record_and_never_ahead_of_the_wall() -> None:
    """The next record may carry the time of another broker, two seconds less."""
    assert behind_ms(10_000, 60_000) == 8_000
    assert behind_ms(10_000, 7_000) == 7_000
    assert behind_ms(7_000 + 86_400_000, 7_000) == 7_000
    assert behind_ms(7_001 + 86_400_000, 7_000) == 0, "one record from next week settles nothing"
