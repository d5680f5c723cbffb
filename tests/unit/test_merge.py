"""The merge of shards: always the naive union, whatever the distribution, and as few rows as promised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core import merge as merging
from ranker.core.generation import Window
from ranker.core.home import home
from ranker.core.merge import ExtraKeys, ShardMeta, share, span
from tests.property.merges import (
    ARTICLES,
    MAX_ROUNDS,
    MAX_STRAYS,
    PLACES,
    Case,
    Shards,
    any_wish,
    distributions,
    equals_the_union,
    small,
)


@given(distributions(), PLACES, MAX_STRAYS)
def test_the_merge_is_the_union(shards: Shards, places: int, max_strays: int) -> None:
    """For any distribution over shards, in each of the three ranges, the list equals the naive union, cut."""
    equals_the_union(Case(shards, places, max_strays))


@settings(max_examples=50)
@given(
    distributions(),
    PLACES,
    st.lists(st.tuples(st.integers(0, 5), ARTICLES, st.integers(1, 30)), max_size=30),
    any_wish(),
)
def test_it_ends_while_counts_move(
    shards: Shards, places: int, moves: list[tuple[int, bytes, int]], extra: ExtraKeys
) -> None:
    """Counts and strays that move between rounds are read again, and at most nine times."""
    with small(places, 100):
        merged = shards.run(extra=extra, between=moves)
        assert shards.rounds <= MAX_ROUNDS
        rows = [*merged.rows, *merged.further]
        assert len(rows) == len({article for _, article in rows})


def spread(articles: int, partitions: int) -> Shards:
    totals: list[dict[bytes, int]] = [{} for _ in range(partitions)]
    for number in range(articles):
        article = b"/%d" % number
        totals[home(b"demo/" + article, partitions)][article] = 1 + number % 977
    return Shards(totals)


def test_an_even_spread_is_read_in_one_round_and_a_share_each() -> None:
    """64 shards of a site with 20,000 articles: one question each, for 97 rows instead of 2,000."""
    shards = spread(20_000, 64)
    assert shards.run().rows == shards.union()
    assert shards.rounds == 1
    assert {ask.places for _, ask in shards.asked} == {share(64)} == {97}


def test_one_shard_with_everything_is_read_again_and_remembered() -> None:
    """A shard that holds the whole list is read once more; with the hints of that merge, once."""
    shards = Shards([{}, {}, {}, {b"/%d" % number: number for number in range(1, 9000)}])
    shards.home = lambda article: 3  # type: ignore[method-assign]
    first = shards.run()
    assert first.rows == shards.union()
    assert shards.rounds == 2
    shards.rounds = 0
    assert shards.run(first.hints).rows == shards.union()
    assert shards.rounds == 1


@pytest.mark.parametrize("max_strays", [0, 100])
def test_what_moved_is_named_if_it_counts(max_strays: int) -> None:
    """By name and in whole lists: negative counts do, counts that add up to zero and articles without any do not."""
    shards = Shards([{b"/new": 9, b"/old": 2, b"/less": -3, b"/even": 4}, {b"/even": -4, b"/other": 5}])
    aliases = dict.fromkeys((b"/old", b"/less", b"/even", b"/never"), b"/new")
    with small(10, max_strays):
        merged = shards.run(extra=ExtraKeys(aliases))
    assert merged.whole == (max_strays == 0)
    assert merged.rows == [(8, b"/new"), (5, b"/other")]
    assert merged.moved == {b"/old": b"/new", b"/less": b"/new"}


def test_a_stray_is_new_once() -> None:
    """A new stray costs one more round, for its two shards only; a known one none."""
    shards = spread(3_000, 8)
    lost = b"/17"
    away = (shards.home(lost) + 3) % 8
    shards.totals[away][lost] = 5_000
    first = shards.run()
    assert first.rows == shards.union()
    assert first.rows[0] == (5_000 + shards.totals[shards.home(lost)][lost], lost)
    assert sorted(shard for shard, _ in shards.asked[8:]) == sorted([away, shards.home(lost)])
    shards.asked.clear()
    assert shards.run(first.hints).rows == shards.union()
    assert len(shards.asked) == 8


def test_too_many_strays_are_read_whole_until_they_are_few_again() -> None:
    """More than 2,000 strays: whole lists, at once the next time; when they have gone, shares again."""
    shards = spread(4_000, 4)
    shards.totals[0], shards.totals[1] = shards.totals[1], shards.totals[0]
    merged = shards.run()
    assert merged.whole
    assert merged.rows == shards.union()
    shards.asked.clear()
    assert shards.run(merged.hints).rows == shards.union()
    assert [ask.places for _, ask in shards.asked] == [None] * 4
    shards.totals[0], shards.totals[1] = shards.totals[1], shards.totals[0]
    merged = shards.run(shards.run(merged.hints).hints)
    assert not merged.whole
    assert merged.rows == shards.union()


def test_a_shard_that_states_another_p_means_whole_lists() -> None:
    """Strays made for another number of partitions are not believed."""
    shards = spread(100, 4)
    shards.states = [4, 4, 2, 4]
    assert shards.run().whole


def test_an_article_that_moved_leaves_its_name_to_what_moved_to_it() -> None:
    """One hop: with /a to /b and /b to /c, what came as /a stands as /b, also if it was requested below the cut."""
    shards = Shards([{b"/a": 1, b"/b": 4, b"/x": 9}])
    with small(1, 8):
        merged = shards.run(extra=ExtraKeys({b"/a": b"/b", b"/b": b"/c"}, frozenset({b"/b"})))
    assert (merged.rows, merged.further) == ([(9, b"/x")], [(1, b"/b")])


DAY = Window("24h", 86_400_000, 60_000)
FLOOR = 29_000_000 * 64
START = 29_000_000 * 60_000


def clock(floor: int = FLOOR, watermark_ms: int = START + 90_000_000, **more: object) -> ShardMeta:
    return ShardMeta((floor, 7), watermark_ms, **more)  # type: ignore[arg-type]


def test_span_of_level_shards() -> None:
    """From the common floor to the oldest clock; complete when every shard answered."""
    both = [clock(), clock(watermark_ms=START + 86_400_123)]
    assert span(both, 2, 0, DAY, 64) == merging.Span(START, START + 86_400_123, level=True, complete=True)
    assert not span(both, 3, 0, DAY, 64).complete


def test_span_while_floors_differ() -> None:
    """Between two floors, or inside a slice, a list is not level, and starts where all is counted."""
    apart = span([clock(), clock(FLOOR + 64)], 2, 0, DAY, 64)
    assert (apart.from_ms, apart.level, apart.complete) == (START + 60_000, False, False)
    assert not span([clock(FLOOR + 1)] * 2, 2, 0, DAY, 64).level


def test_span_with_a_gap_or_a_refusal() -> None:
    """A gap counts until it has left the window, 5 minutes included; a refusal as long as it lasts."""
    assert not span([clock(), clock(gap_ms=START - 300_000)], 2, 0, DAY, 64).complete
    assert span([clock(), clock(gap_ms=START - 300_001)], 2, 0, DAY, 64).complete
    assert not span([clock(), clock(refused=True)], 2, 0, DAY, 64).complete
