"""Invented traffic: the same for the same seed, and shaped like readers."""

import random
from collections import Counter
from itertools import pairwise
from typing import Any

import orjson
import pytest

import schemas
from producers.simulate import popularity
from producers.simulate.popularity import DAY_MS, HOUR_MS, MINUTE_MS, ArticleModel, Spike
from producers.simulate.traffic import STEP_MS, Record, Shares, Traffic

NOW_MS = 1_795_392_000_000
WEEK_MS = 7 * DAY_MS


def steady(count: int) -> list[ArticleModel]:
    """Articles that have long faded to what remains: Zipf and nothing else."""
    return [
        ArticleModel(f"/a{rank}", 0, rank**-popularity.ZIPF, HOUR_MS, comment_share=0.0, share_share=0.0)
        for rank in range(1, count + 1)
    ]


def traffic(seed: int = 1, count: int = 50, shares: Shares | None = None, **more: Any) -> Traffic:
    rng = random.Random(seed)
    pieces = popularity.article_models(rng, popularity.invented(rng, count, NOW_MS - WEEK_MS, NOW_MS))
    return Traffic(seed, "demo", pieces, run="r", shares=shares, **more)


def week(made: Traffic, count: int) -> list[Record]:
    return [record for _, step in made.history(NOW_MS - WEEK_MS, NOW_MS, count) for record in step]


def views(records: list[Record]) -> list[dict[str, Any]]:
    return [orjson.loads(value) for _, value in records]


def test_the_same_seed_gives_the_same_bytes() -> None:
    """And another seed other ones."""
    shares = Shares(0.01, 0.01, 0.01, 0.01, 0.05, 0.1, 0.01)
    assert week(traffic(shares=shares), 5000) == week(traffic(shares=shares), 5000)
    assert week(traffic(shares=shares), 5000) != week(traffic(2, shares=shares), 5000)


def test_a_history_has_as_many_events_as_requested_in_the_order_of_time() -> None:
    """All inside the requested past, every one of the contract, every id another."""
    events = views(week(traffic(), 20_000))
    assert abs(len(events) - 20_000) <= 1
    times = [event["occurred_at"] for event in events]
    assert times == sorted(times)
    assert times[0] >= NOW_MS - WEEK_MS
    assert times[-1] < NOW_MS
    assert len({event["event_id"] for event in events}) == len(events)
    assert all(schemas.faults("page-view", event) == [] for event in events[::50])


def test_records_are_keyed_by_site_and_article() -> None:
    """Or an article would have more than one home."""
    for key, value in week(traffic(), 500):
        event = orjson.loads(value)
        assert key == f"{event['site_id']}/{event['article_id']}".encode()


def test_an_id_may_hold_anything_that_the_contract_allows() -> None:
    """Quotes, backslashes and percent signs are data, not template."""
    odd = '/100%d/"x"\\%%/é'
    made = Traffic(1, "demo", [ArticleModel(odd, 0, 1.0, HOUR_MS, 0.1, 0.1)], run="a%b")
    for event in views(made.burst(NOW_MS, NOW_MS + 1000, 20, NOW_MS)):
        assert event["article_id"] == odd
        assert event["event_id"].startswith("a%b-")


def test_popularity_follows_zipf() -> None:
    """Each article's count is that of its rank, within five standard deviations."""
    pieces = steady(100)
    made = Traffic(3, "demo", pieces, run="r")
    counts = Counter(event["article_id"] for event in views(made.burst(NOW_MS, NOW_MS + 1000, 50_000, NOW_MS)))
    whole = sum(piece.weight for piece in pieces)
    for piece in pieces:
        expected = 50_000 * piece.weight / whole
        assert abs(counts[piece.article_id] - expected) < 5 * expected**0.5, piece.article_id


def test_views_comments_and_shares_mix() -> None:
    """Mostly views, with some of both others: three lists have something to show."""
    kinds = Counter(event["event_type"] for event in views(week(traffic(), 20_000)))
    assert set(kinds) == {"view", "comment", "share"}
    assert kinds["view"] > 0.8 * kinds.total()
    assert kinds["comment"] > 50
    assert kinds["share"] > 50


def test_nobody_reads_what_is_not_published() -> None:
    """The first event of an article comes after its birth."""
    rng = random.Random(1)
    named = dict(popularity.invented(rng, 50, NOW_MS - WEEK_MS, NOW_MS))
    for event in views(week(traffic(), 20_000)):
        # The wish is constant within a step of ten minutes, and taken at its start.
        assert event["occurred_at"] >= named[event["article_id"]]


def test_articles_are_born_and_fade() -> None:
    """Interest rises in half an hour, then halves with every half-life, down to what remains."""
    piece = ArticleModel("/a", NOW_MS, 1.0, 10 * HOUR_MS, 0.0, 0.0)
    assert piece.interest(NOW_MS - 1) == 0.0
    assert 0.0 < piece.interest(NOW_MS) < 0.1
    assert piece.interest(NOW_MS + popularity.RISE_MS) > 0.9
    assert piece.interest(NOW_MS + 20 * HOUR_MS) == pytest.approx(0.25)
    assert piece.interest(NOW_MS + 30 * DAY_MS) == popularity.EVERGREEN


def test_one_goes_viral_and_lets_go() -> None:
    """At its peak it has a third of all traffic, before and long after next to nothing."""
    spike = Spike("/a90", NOW_MS, rise_ms=10 * MINUTE_MS, half_life_ms=HOUR_MS)
    made = Traffic(1, "demo", steady(100), run="r", spikes=[spike], weigh_every_ms=1000)

    def share(at_ms: int) -> float:
        events = views(made.burst(at_ms, at_ms + 1000, 5000, at_ms))
        return len([event for event in events if event["article_id"] == "/a90"]) / 5000

    assert share(NOW_MS - 1000) < 0.02
    assert share(NOW_MS + 5 * MINUTE_MS) < share(NOW_MS + 9 * MINUTE_MS)
    assert share(NOW_MS + 10 * MINUTE_MS) == pytest.approx(0.35, abs=0.05)
    assert share(NOW_MS + DAY_MS) < 0.02


def test_the_craze_takes_an_article_that_is_out_and_unexpected() -> None:
    """Of the less wanted half; none if nothing is published yet."""
    rng = random.Random(5)
    pieces = popularity.article_models(rng, popularity.invented(rng, 50, NOW_MS - WEEK_MS, NOW_MS))
    spike = popularity.spike(rng, pieces, NOW_MS, 1, 1)
    assert spike is not None
    chosen = next(piece for piece in pieces if piece.article_id == spike.article_id)
    assert chosen.published_ms <= NOW_MS
    fresh = sorted(piece.weight for piece in pieces if NOW_MS - DAY_MS < piece.published_ms <= NOW_MS)
    assert chosen.weight <= fresh[len(fresh) // 2]
    assert popularity.spike(rng, pieces, 0, 1, 1) is None


def test_nights_are_quiet() -> None:
    """The past follows the readers' day."""
    hours = Counter((event["occurred_at"] + HOUR_MS) // HOUR_MS % 24 for event in views(week(traffic(), 50_000)))
    assert hours[3] * 5 < hours[13]
    assert hours[3] * 5 < hours[21]


def test_shares_are_exact_over_many_calls() -> None:
    """What one small burst owes, the next one pays."""
    shares = {
        "late": 0.01,
        "future": 0.02,
        "duplicate": 0.03,
        "broken": 0.04,
        "bot": 0.05,
        "reload": 0.06,
        "internal": 0.07,
    }
    made = Traffic(1, "demo", steady(10), run="r", shares=Shares(**shares))
    for tick in range(1000):
        assert len(made.burst(NOW_MS + tick, NOW_MS + tick + 1, 10, NOW_MS)) == 10
    assert made.kinds.total() == 10_000
    for kind, share in shares.items():
        assert abs(made.kinds[kind] - 10_000 * share) <= 1, kind


def test_what_is_special_is_what_it_says() -> None:
    """Late beyond window and slice, future beyond the tolerance, broken refused, duplicates byte for byte.

    A reload is a view like any other.
    """
    made = Traffic(1, "demo", steady(10), run="r", shares=Shares(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1))
    made.burst(NOW_MS - 2000, NOW_MS - 1000, 100, NOW_MS)
    made.kinds.clear()
    records = made.burst(NOW_MS - 1000, NOW_MS, 1000, NOW_MS)
    found: Counter[str] = Counter()
    seen: set[bytes] = set()
    for _, value in records:
        if value in seen and value:
            found["duplicate"] += 1
            continue
        seen.add(value)
        try:
            event = orjson.loads(value)
        except orjson.JSONDecodeError:
            found["broken"] += 1
            continue
        if schemas.faults("page-view", event):
            found["broken"] += 1
        elif event["occurred_at"] < NOW_MS - WEEK_MS - HOUR_MS:
            found["late"] += 1
        elif event["occurred_at"] > NOW_MS + 5 * MINUTE_MS:
            found["future"] += 1
        elif event["agent_class"] != "unknown":
            found[event["agent_class"]] += 1
        else:
            found["plain"] += 1
    expected = made.kinds.copy()
    expected["plain"] += expected.pop("reload")
    assert found == expected


def test_a_past_is_special_whenever_it_was_appended() -> None:
    """Late and future both by the end of its step, which topics with producers' times have, and by the time of sending."""
    made = traffic(shares=Shares(late=0.1, future=0.1))
    begin = NOW_MS - 3 * WEEK_MS
    found: Counter[str] = Counter()
    ends = []
    for end_ms, records in made.history(begin, NOW_MS - 1, 5_000):
        ends.append(end_ms)
        for event in views(records):
            ahead_ms = event["occurred_at"] - end_ms
            if ahead_ms > 5 * MINUTE_MS:
                assert event["occurred_at"] > NOW_MS + 5 * MINUTE_MS
                found["future"] += 1
            elif ahead_ms < -STEP_MS:
                assert ahead_ms < -WEEK_MS - HOUR_MS
                found["late"] += 1
            else:
                assert ahead_ms < 0
                found["plain"] += 1
    assert found == made.kinds
    assert ends == [*range(begin + STEP_MS, NOW_MS, STEP_MS), NOW_MS - 1]


def test_reloads_are_what_the_rule_drops() -> None:
    """Each within moments of the view that it repeats, under an id of its own; a reader has a key for each article."""
    made = Traffic(1, "demo", steady(500), run="r", shares=Shares(reload=0.15))
    events = views(made.burst(NOW_MS, NOW_MS + MINUTE_MS, 200, NOW_MS))
    for minute in range(1, 50):
        at = NOW_MS + minute * MINUTE_MS
        events += views(made.burst(at, at + MINUTE_MS, 200, at))
    assert len({event["event_id"] for event in events}) == len(events) == 10_000
    assert all(schemas.faults("page-view", event) == [] for event in events[::50])
    readers = Counter((event["article_id"], event["repeat_key"]) for event in events)
    # Beside those that the option asks for, readers come back by chance: 50,000 of them.
    assert made.kinds["reload"] <= len(events) - len(readers) < 1.1 * made.kinds["reload"]
    articles: dict[str, set[str]] = {}
    for article, key in readers:
        articles.setdefault(key, set()).add(article)
    assert all(len(found) == 1 for found in articles.values())


def test_a_duplicate_without_an_earlier_record_waits() -> None:
    """The very first record cannot repeat one; the share is made up later."""
    made = Traffic(1, "demo", steady(2), run="r", shares=Shares(duplicate=1.0))
    made.burst(NOW_MS, NOW_MS + 1, 1, NOW_MS)
    assert made.kinds == Counter({"plain": 1, "duplicate": 0})


def test_there_is_no_traffic_without_articles() -> None:
    """Nothing is drawn while nothing is published."""
    made = Traffic(1, "demo", [ArticleModel("/a", NOW_MS, 1.0, HOUR_MS, 0.0, 0.0)], run="r")
    assert made.burst(NOW_MS - 2 * DAY_MS, NOW_MS - DAY_MS, 10, NOW_MS) == []


def test_the_day_has_no_jumps() -> None:
    """From minute to minute the curve moves by less than a twentieth of its height, midnight of a weekend aside."""
    start = NOW_MS - NOW_MS % DAY_MS
    curve = [popularity.by_hour(start + minute * MINUTE_MS) for minute in range(7 * 1440)]
    jumps = [minute for minute, (one, two) in enumerate(pairwise(curve)) if abs(two - one) > 0.05 * max(one, two)]
    assert len(jumps) <= 2


def test_numbers_have_no_gap_but_for_broken_records() -> None:
    """A duplicate repeats its number and takes none; without a producer there are no numbers."""
    shares = Shares(late=0.01, future=0.01, duplicate=0.05, broken=0.05, bot=0.1)
    made = traffic(shares=shares, producer_id="simulate/%1")
    numbers = []
    for _, value in week(made, 20_000):
        try:
            event = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if schemas.faults("page-view", event) == []:
            assert event["producer_id"] == "simulate/%1"
            numbers.append(event["sequence"])
    whole = made.kinds.total() - made.kinds["duplicate"]
    assert set(numbers) <= set(range(whole))
    assert whole - len(set(numbers)) == made.kinds["broken"] > 900
    assert len(numbers) - len(set(numbers)) == made.kinds["duplicate"] > 900
    assert all("sequence" not in event for event in views(week(traffic(), 100)))
