"""Rising articles: the definition by example, at every threshold, and against a second one."""

from __future__ import annotations

from math import nextafter, sqrt

import pytest

from ranker.core import rising
from ranker.core.rising import Candidate, Thresholds, Yesterday
from ranker.core.times import HOUR_MS, MINUTE_MS
from tests.property import rising as drawn

USUAL = Thresholds(20, 4.0, 1.5)
HOUR = 500_000 * HOUR_MS
SEEDS = 500


@pytest.mark.parametrize("seed", range(0, SEEDS, 50))
def test_lists_are_those_of_the_definition(seed: int) -> None:
    """Random counts, catalogues and thresholds that articles just reach: every number is the same to the bit."""
    for one in range(seed, seed + 50):
        drawn.check(one)


def test_an_article_that_doubles_while_the_site_stays() -> None:
    """90 in three hours before, 30 expected in this one, 75 counted."""
    site = rising.site_ratio(1_000, 3_000)
    found = rising.rise(Candidate("/a", 75, 90), site, 0.0, USUAL)
    assert found is not None
    assert found.expected == 90 * (1_000 / 3_000)
    assert found.times == 75 / found.expected
    assert found.sigmas == sqrt(75) + sqrt(76) - sqrt(4 * found.expected + 1)
    assert round(found.times, 3) == 2.5
    assert round(found.sigmas, 3) == 6.378


def test_what_the_whole_site_does_is_no_rise() -> None:
    """At seven in the morning everything has three times as much as before."""
    assert rising.rise(Candidate("/a", 90, 90), rising.site_ratio(3_000, 3_000), 0.0, USUAL) is None


def test_what_an_article_does_every_day_is_no_rise() -> None:
    """As much as yesterday at this hour, although the site is quiet: a newsletter, a programme."""
    site = rising.site_ratio(1_000, 3_000)
    own = rising.own_ratio(300 * 60, 60 * 60, site)
    assert own == (300 + 20 * site) / 80
    assert rising.rise(Candidate("/a", 300, 60), site, 0.0, USUAL) is not None
    assert rising.rise(Candidate("/a", 300, 60), site, own, USUAL) is None


def test_few_counts_of_yesterday_say_little() -> None:
    """One view yesterday, none in the hours before: the ratio is the site's but for a little, not infinite."""
    site = rising.site_ratio(1_000, 3_000)
    assert rising.own_ratio(60, 0, site) == (1 + 20 * site) / 20
    assert rising.own_ratio(0, 0, site) == site


@pytest.mark.parametrize(("recent", "before"), [(0, 0), (5, 0), (0, 5), (-3, 5), (5, -3)])
def test_a_site_without_counts_says_nothing(recent: int, before: int) -> None:
    """G is 0, and one count is expected."""
    site = rising.site_ratio(recent, before)
    assert site == 0.0
    assert rising.expected(1_000, site, 0.0) == rising.LEAST_EXPECTED


def test_every_threshold_is_reached_by_what_equals_it() -> None:
    """And missed by what is the least bit below."""
    count, before = 75, 90
    site = rising.site_ratio(1_000, 3_000)
    found = rising.rise(Candidate("/a", count, before), site, 0.0, Thresholds(1, 0.0, 1.0))
    assert found is not None
    for exact in (Thresholds(count, 0.0, 1.0), Thresholds(1, found.sigmas, 1.0), Thresholds(1, 0.0, found.times)):
        assert rising.could_rise(count, exact)
        assert rising.rise(Candidate("/a", count, before), site, 0.0, exact) == found
    assert not rising.could_rise(count, Thresholds(count + 1, 0.0, 1.0))
    for above in (Thresholds(1, nextafter(found.sigmas, 9), 1.0), Thresholds(1, 0.0, nextafter(found.times, 9))):
        assert rising.rise(Candidate("/a", count, before), site, 0.0, above) is None


def test_the_cut_is_at_what_nothing_before_could_make() -> None:
    """sqrt(c) + sqrt(c + 1) - sqrt(5): with a threshold of 4 sigmas from 10 counts on."""
    loose = Thresholds(1, 4.0, 1.0)
    rows = [(count, f"/{count}") for count in range(30, 0, -1)]
    assert [count for count, _ in rising.could_be_listed(rows, loose)] == list(range(30, 9, -1))
    assert sqrt(10) + sqrt(11) - sqrt(5) >= 4.0 > sqrt(9) + sqrt(10) - sqrt(5)


@pytest.mark.parametrize(
    ("published", "before", "longest", "listed"),
    [(99, 5, 5, True), (100, 5, 900, False), (101, 5, 900, False), (None, 5, 5, False), (None, 5, 6, True)],
)
def test_an_article_must_be_older_than_what_it_is_compared_with(
    published: int | None, before: int, longest: int, *, listed: bool
) -> None:
    """Published before the window begins (100), or else with counts from before it."""
    assert rising.was_there(published, 100, before, longest) is listed


def test_equal_rises_have_the_order_of_other_lists() -> None:
    """Then by count, then by id, all downwards."""
    one, two = Candidate("/a", 40, 0), Candidate("/b", 40, 0)
    assert rising.hopeful([one, two], 0.0, USUAL) == [two, one]
    listed, is_whole = rising.first_places([two, one], {"/a": 0.0, "/b": 0.0}, 0.0, USUAL)
    assert [rise.article_id for rise in listed] == ["/b", "/a"]
    assert is_whole


def test_hours_count_by_their_minutes() -> None:
    """At 14:20:30, with windows of one and four hours.

    10      11      12      13      14      15     yesterday
     |  . . . . . . . . . . . . |   |   |
        10:20                 13:20   14:20
    """
    days = rising.yesterday(HOUR + 24 * HOUR_MS + 20 * MINUTE_MS + 30_000, HOUR_MS, 4 * HOUR_MS)
    assert days == Yesterday(HOUR - 220 * MINUTE_MS, HOUR - 40 * MINUTE_MS, HOUR + 20 * MINUTE_MS)
    assert (days.first_hour_ms, days.hours) == (HOUR - 4 * HOUR_MS, 5)
    assert days.count_minutes([60, 0, 0, 0, 0]) == (0, 60 * 40)
    assert days.count_minutes([0, 60, 60, 0, 0]) == (0, 2 * 60 * 60)
    assert days.count_minutes([0, 0, 0, 60, 0]) == (60 * 40, 60 * 20)
    assert days.count_minutes([0, 0, 0, 0, 60]) == (60 * 20, 0)


def test_full_hours_are_read_no_further() -> None:
    """At the full hour, four hours are four."""
    days = rising.yesterday(HOUR, HOUR_MS, 4 * HOUR_MS)
    assert (days.first_hour_ms, days.hours) == (HOUR - 28 * HOUR_MS, 4)
