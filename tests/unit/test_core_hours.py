"""Counts by the hour out of slices, against a naive recount."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core import delta, hours
from ranker.core.floors import lane
from ranker.core.generation import Generation, Window
from ranker.core.hours import HOURS
from ranker.core.times import HOUR_MS

LANES = 4
GENERATION = Generation(
    "t",
    (Window("3h", 3 * HOUR_MS, 600_000), Window("7d", 604_800_000, HOUR_MS)),
    {"read": {"view": 1}, "warm": {"view": 2, "share": -3}},
    lanes=LANES,
)
FROM_MS = 500_000 * HOUR_MS
FINE_PER_HOUR = 6

ids = st.sampled_from(("/a", "/a/b", "/", "é", "b" * 40))
counted = st.dictionaries(
    st.sampled_from(("demo", "demo2")),
    st.dictionaries(
        st.sampled_from(("view", "share", "!bot")), st.dictionaries(ids, st.integers(-5, 5).filter(bool), min_size=1)
    ),
)
fine = st.integers(FROM_MS // 600_000 - 3, FROM_MS // 600_000 + HOURS * FINE_PER_HOUR + 3)
coarse = st.integers(FROM_MS // HOUR_MS - 3, FROM_MS // HOUR_MS + HOURS + 3)
slice_ids = st.one_of(st.tuples(st.just(0), fine), st.tuples(st.just(1), coarse))
lists = st.lists(st.tuples(counted, st.booleans()), max_size=3)


@settings(max_examples=200)
@given(st.dictionaries(slice_ids, lists, max_size=6), st.frozensets(ids), st.tuples(fine, coarse), st.integers(0, 3))
def test_the_sum_of_slices_is_a_recount(
    slices: dict[tuple[int, int], list[tuple[delta.Counts, bool]]],
    articles: frozenset[str],
    floor_slices: tuple[int, int],
    floor_lane: int,
) -> None:
    """Tiers, sealed and open deltas, several articles and floors inside of a slice: what is alive is in its hour."""
    floors = tuple(slice_ * LANES + floor_lane for slice_ in floor_slices)
    want = {article: hours.no_hours() for article in articles}
    for (tier, slice_), deltas in slices.items():
        hour = (slice_ * GENERATION.windows[tier].grain_ms - FROM_MS) // HOUR_MS
        for counts, _ in deltas:
            for outcome, by_article in counts.get("demo", {}).items():
                for article, count in by_article.items():
                    alive = slice_ * LANES + lane(article, LANES) >= floors[tier]
                    if 0 <= hour < HOURS and article in articles and alive:
                        want[article][hour][outcome] += count
    live = hours.inside(GENERATION, slices, FROM_MS)
    assert live is not None
    stored = {
        slice_id: [delta.seal(counts) if sealed else delta.pack(counts) for counts, sealed in slices[slice_id]]
        for slice_id in live
    }
    found = {article: hours.no_hours() for article in articles}
    hours.add_up(found, GENERATION, "demo", FROM_MS, stored, floors)
    for article in articles:
        assert [_some(hour) for hour in found[article]] == [_some(hour) for hour in want[article]]
    together = hours.together(want.values())
    for hour, total in enumerate(together):
        each = [one[hour] for one in want.values()]
        assert total == Counter({outcome: sum(one[outcome] for one in each) for one in each for outcome in one})


def _some(hour: Counter[str]) -> dict[str, int]:
    return {outcome: count for outcome, count in hour.items() if count}


def test_hours_end_with_the_one_under_way() -> None:
    """24 of them, of the clock: at 17 past one the first began 23 hours before one o'clock."""
    now_ms = FROM_MS + 17 * 60_000
    assert hours.first_ms(now_ms) == FROM_MS - 23 * HOUR_MS
    assert hours.first_ms(FROM_MS) == FROM_MS - 23 * HOUR_MS
    assert hours.first_ms(FROM_MS - 1) == FROM_MS - 24 * HOUR_MS


def test_slices_of_the_hours_only() -> None:
    """In order of time, of both tiers; neither what ended before nor what has not begun."""
    first, last = FROM_MS // HOUR_MS, FROM_MS // HOUR_MS + HOURS - 1
    live = [(1, last), (1, last + 1), (1, first - 1), (0, first * 6 - 1), (0, first * 6), (1, first + 1)]
    assert hours.inside(GENERATION, live, FROM_MS) == [(0, first * 6), (1, first + 1), (1, last)]


def test_slices_that_have_no_hours() -> None:
    """A slice of two hours, or one across the full hour: no sum is exact, so there is none; elsewhere it is no matter."""
    for grain_ms in (2 * HOUR_MS, HOUR_MS * 3 // 2, 7 * 60_000):
        generation = Generation("t", (Window("w", grain_ms * 100, grain_ms),), {"read": {"view": 1}})
        across = FROM_MS // grain_ms
        assert hours.inside(generation, [(0, across)], FROM_MS) is None or FROM_MS % grain_ms == 0
        assert hours.inside(generation, [(0, across + 1)], FROM_MS) is None
        assert hours.inside(generation, [(0, across - 1)], FROM_MS) == []


def test_boards_weigh() -> None:
    """Every board has a count in every hour, by its own weights; what no board counts is in none."""
    found = hours.no_hours()
    found[0] = Counter({"view": 5, "share": 1, "!bot": 9})
    assert hours.weighed(found, GENERATION.boards) == [{"read": 5, "warm": 7}, *[{"read": 0, "warm": 0}] * 23]
