"""What the hours kept say of an article: its movement, its run, its best place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.core.times import HOUR_MS
from ranker.lists.history import COMPARED_MS, Movement, Ranks
from ranker.store.history import PLACES, pack, unpack

NOON = 498_720
"""An hour's number; its time is NOON · 3,600,000 ms."""
MINUTE_MS = 60_000
UNKNOWN = Movement(None, None, None, None)


def drawn(lanes: str) -> dict[int, list[str]]:
    """Entries from a drawing: one line for each place, one column for each hour up to noon, `.` is no entry at all."""
    lines = [line.split() for line in lanes.strip().splitlines()]
    hours = range(NOON - len(lines[0]) + 1, NOON + 1)
    columns = zip(hours, *lines, strict=True)
    return {hour: [place for place in places if place != "-"] for hour, *places in columns if "." not in places}


def at(hour: int, minutes: int = 0) -> int:
    return (NOON + hour) * HOUR_MS + minutes * MINUTE_MS


@pytest.mark.parametrize(
    ("minutes", "previous", "trend"),
    [
        (0, 3, "up"),
        (29, 3, "up"),
        (30, 1, "down"),
        (59, 1, "down"),
        (60, 1, "down"),
        (120, 1, "down"),
        (121, None, None),
    ],
)
def test_what_is_compared_is_half_an_hour_to_two_hours_old(minutes: int, previous: int | None, trend: str) -> None:
    """
             10  11  12 o'clock, and `minutes` after it; x stands second now
    first     a   a   x
    second    x   b   a
    third     b   x   b
    """
    ranks = Ranks(drawn("a a x\nx b a\nb x b"))
    movement = ranks.about("x", 2, at(0, minutes))
    assert (movement.previous_rank, movement.trend) == (previous, trend)


def test_up_down_same_new() -> None:
    """
             11  12 o'clock, seen at half past twelve
    first     a   a
    second    b   b
    third     c   c
    """
    ranks = Ranks(drawn("a a\nb b\nc c"))
    trends = [ranks.about(article, rank, at(0, 30)).trend for article, rank in (("b", 1), ("a", 2), ("c", 3), ("d", 4))]
    assert trends == ["up", "down", "same", "new"]


def test_below_the_places_kept_nothing_is_new() -> None:
    """An article at place 201 may have stood there an hour ago: only one that an entry holds is known to have moved."""
    ranks = Ranks(drawn("a a\nb b"))
    assert ranks.about("x", PLACES, at(0, 30)) == Movement(None, None, PLACES, "new")
    assert ranks.about("x", PLACES + 1, at(0, 30)) == UNKNOWN
    assert ranks.about("a", PLACES + 1, at(0, 30)) == Movement(1, None, 1, "down")
    assert ranks.about("a", None, at(0, 30)) == Movement(1, None, 1, None)


def test_entered_is_where_the_unbroken_run_began() -> None:
    """
              8   9  10  11  12
    first     x   a   a   a   a      a since 9, x since 11 (it was there before),
    second    .   .   x   .   .      c has left, d came at 12
    """
    ranks = Ranks({NOON - 4: ["x"], NOON - 3: ["a", "c"], NOON - 2: ["a"], NOON - 1: ["a", "x"], NOON: ["a", "x", "d"]})
    entered = [ranks.about(article, 1, at(0, 5)).entered_at_ms for article in "axdc"]
    assert entered == [at(-3), at(-1), at(0), None]


def test_an_hour_without_an_entry_ends_what_is_known() -> None:
    """
              9  10  11  12
    first     b   .   a   a      whether a stood there at 10 nobody knows; b came at 12
    second    a   .   c   b
    """
    ranks = Ranks(drawn("b . a a\na . c b"))
    assert ranks.about("a", 1, at(0, 5)).entered_at_ms is None
    assert ranks.about("b", 2, at(0, 5)).entered_at_ms == at(0)


def test_an_empty_hour_is_an_hour() -> None:
    """
             11  12
    first     -   a      nothing was listed at 11: a came at 12, and is new
    """
    ranks = Ranks(drawn("- a"))
    assert ranks.about("a", 1, at(0, 5)) == Movement(None, at(0), 1, "new")


def test_an_old_history_shows_no_movement() -> None:
    """The writers have stood still for more than two hours: what was best is known, not what happened since."""
    ranks = Ranks(drawn("b a\na b"))
    assert ranks.about("a", 2, at(2)) == Movement(1, None, 1, "down")
    assert ranks.about("b", 1, at(0, 121)) == Movement(None, None, 1, None)


def test_a_run_is_known_for_two_hours() -> None:
    ranks = Ranks(drawn("b a"))
    assert ranks.about("a", 1, at(2)).entered_at_ms == at(0)
    assert ranks.about("a", 1, at(2) + 1).entered_at_ms is None


def test_best_of_all_hours_and_of_now() -> None:
    """
              9  10  11  12
    first     a   .   b   b
    second    b   .   a   c
    """
    ranks = Ranks(drawn("a . b b\nb . a c"))
    assert [
        ranks.about(article, rank, at(0)).best_rank for article, rank in (("a", 3), ("c", 1), ("c", 9), ("d", 5))
    ] == [
        1,
        1,
        2,
        5,
    ]
    assert (ranks.since_ms, ranks.newest_ms) == (at(-3), at(0))


def test_without_a_history_all_is_unknown() -> None:
    """After a loss: null, and not "new"."""
    ranks = Ranks({})
    assert ranks.about("a", 1, at(0)) == UNKNOWN
    assert (ranks.since_ms, ranks.newest_ms) == (None, None)


def naive(entries: Mapping[int, Sequence[str]], article: str, rank: int | None, now_ms: int) -> Movement:
    """The same, hour by hour from the words of the reference."""
    if not entries:
        return UNKNOWN
    least, most = COMPARED_MS
    ages = {now_ms - hour * HOUR_MS: hour for hour in entries if least <= now_ms - hour * HOUR_MS <= most}
    compared = list(entries[ages[min(ages)]]) if ages else None
    previous = compared.index(article) + 1 if compared is not None and article in compared else None
    trend = None
    if compared is not None and rank is not None:
        if previous is not None:
            trend = {-1: "up", 0: "same", 1: "down"}[(rank > previous) - (rank < previous)]
        elif rank <= PLACES:
            trend = "new"
    places = [list(ids).index(article) + 1 for ids in entries.values() if article in ids]
    places += [rank] if rank is not None and rank <= PLACES else []
    entered, hour = None, max(entries)
    if article in entries[hour] and now_ms - hour * HOUR_MS <= most:
        while hour - 1 in entries and article in entries[hour - 1]:
            hour -= 1
        entered = hour * HOUR_MS if hour - 1 in entries else None
    return Movement(previous, entered, min(places, default=None), trend)  # type: ignore[arg-type]


_places = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)


@given(
    st.dictionaries(st.integers(NOON - 8, NOON), _places, max_size=9),
    st.sampled_from("abcdef"),
    st.none() | st.sampled_from([1, 2, 3, 4, PLACES, PLACES + 1]),
    st.integers(0, 30),
)
def test_any_history_reads_as_the_naive_reading_does(
    entries: dict[int, list[str]], article: str, rank: int | None, tenths: int
) -> None:
    now_ms = max(entries, default=NOON) * HOUR_MS + tenths * HOUR_MS // 10
    assert Ranks(entries).about(article, rank, now_ms) == naive(entries, article, rank, now_ms)


@given(st.lists(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60), max_size=PLACES))
def test_any_ids_are_kept_in_order(ids: list[str]) -> None:
    assert unpack(pack(ids)) == ids


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x02newer",
        b"\x01not zlib",
        pack(["a", "b"])[:-3],
        pack(["\x00" * 600] * PLACES),
    ],
    ids=["empty", "newer", "no zlib", "cut short", "too long"],
)
def test_what_cannot_be_read_is_unknown(stored: bytes) -> None:
    """Another format, a damaged or an oversized value is no entry; it neither fails nor fills the memory."""
    assert unpack(stored) is None


def test_the_longest_ids_fit() -> None:
    ids = [f"{number:03}" + "é" * 254 + "x" for number in range(PLACES)]
    assert {len(article.encode()) for article in ids} == {512}
    assert unpack(pack(ids)) == ids
