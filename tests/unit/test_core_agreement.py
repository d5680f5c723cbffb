"""Kendall's tau-b of two rankings against every pair of articles looked at, and against known values."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranker.core.agreement import Agreement, agreement, first_places, ranks_of, tau_b

COUNTS = st.integers(-3, 6)
RANKING = st.dictionaries(st.sampled_from([f"/{letter}" for letter in "abcdefghijklé"]), COUNTS)


def by_pairs(counts: list[tuple[int, int]]) -> float | None:
    """The definition: every pair of articles, one after the other."""
    agreed = first_ordered = second_ordered = 0
    for (a, b), (other_a, other_b) in combinations(counts, 2):
        first, second = (a > other_a) - (a < other_a), (b > other_b) - (b < other_b)
        agreed += first * second
        first_ordered += first != 0
        second_ordered += second != 0
    if not (first_ordered and second_ordered):
        return None
    return agreed / math.sqrt(first_ordered * second_ordered)


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=40))
def test_it_is_what_every_pair_says(counts: list[tuple[int, int]]) -> None:
    assert tau_b(counts) == by_pairs(counts)


@given(RANKING, RANKING, st.integers(1, 6))
def test_two_rankings(first: dict[str, int], second: dict[str, int], places: int) -> None:
    """Over the first places of either, by the counts in both; the same whichever comes first."""
    heads = [set(sorted(((n, a) for a, n in r.items() if n > 0), reverse=True)[:places]) for r in (first, second)]
    named = [{article for _, article in head} for head in heads]
    union = sorted(named[0] | named[1])
    expected = by_pairs([(first.get(article, 0), second.get(article, 0)) for article in union])
    assert agreement(first, second, places) == Agreement(len(union), len(named[0] & named[1]), expected)
    assert agreement(second, first, places) == agreement(first, second, places)


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [40, 30, 20, 10], -1.0),
        # the example of scipy.stats.kendalltau
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173),
        ([1, 1, 1], [1, 2, 3], None),
        ([5], [5], None),
        ([], [], None),
    ],
)
def test_known_values(first: list[int], second: list[int], tau: float | None) -> None:
    assert tau_b(list(zip(first, second, strict=True))) == (None if tau is None else pytest.approx(tau, abs=1e-15))


def test_first_places_are_those_of_every_list() -> None:
    """Count, then id, both descending; what is not above zero is in no list."""
    counts = {"/a": 2, "/é": 2, "/b": 3, "/none": 0, "/less": -1, "/c": 1}
    assert first_places(counts, 3) == [("/b", 3), ("/é", 2), ("/a", 2)]
    assert first_places(counts, 10) == [("/b", 3), ("/é", 2), ("/a", 2), ("/c", 1)]


@given(RANKING)
def test_ranks_are_places_in_the_whole_list(counts: dict[str, int]) -> None:
    places = {article: place for place, (article, _) in enumerate(first_places(counts, len(counts)), 1)}
    assert ranks_of(counts, [*counts, "/other"]) == {article: places.get(article) for article in (*counts, "/other")}
