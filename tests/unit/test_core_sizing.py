"""The formulas of `ranker size`: their shapes and bounds. How far they are off: tests/integration/operate/test_size.py."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest

from ranker.core import step
from ranker.core.generation import Generation
from ranker.core.sizing import constants, processes, redis_memory
from ranker.core.sizing.load import Load, keys_per_event, outcomes, remembered_s
from ranker.core.sizing.plan import Plan, Prices, monthly, partitions_for, plan
from ranker.core.sizing.popularity import Popularity
from ranker.core.sizing.tables import interpolated
from ranker.serve.live import demand
from ranker.store import history
from tests.bench.sizing import history_bytes, median, sealed_bytes
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS

NONE = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
LOAD = Load(1_000, 5_000, 40)
CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("zipf", [0.0, 0.75, 1.0, 1.5])
@pytest.mark.parametrize("events", [10, 1_000, 100_000])
def test_different_articles(zipf: float, events: int) -> None:
    """As many as so many draws find."""
    rng, articles, draws = random.Random(events), 2_000, 400 if events < 100 else 5
    cumulative = list(accumulate(rank**-zipf for rank in range(1, articles + 1)))
    drawn = [len(set(rng.choices(range(articles), cum_weights=cumulative, k=events))) for _ in range(draws)]
    assert Popularity(articles, zipf).distinct(events) == pytest.approx(sum(drawn) / draws, rel=0.05)


def test_stretches_of_ranks_weigh_as_much_as_the_ranks() -> None:
    """Millions of articles are summed in some hundred steps."""
    law = Popularity(5_000_000, 1.0)
    assert law.first() == pytest.approx(1 / sum(1 / rank for rank in range(1, 5_000_001)), rel=0.001)
    assert len(law._shares) < 700


def test_what_is_known_of_a_site_takes_the_place_of_the_law() -> None:
    """At the lengths of time that are given exactly, between them in proportion, never more than events or articles."""
    known = Popularity(5_000, 1.0, 10.0, {3_600: 900, 86_400: 2_500})
    law = Popularity(5_000, 1.0)
    assert known.distinct(36_000) == pytest.approx(900)
    assert known.distinct(864_000) == pytest.approx(2_500)
    assert 900 < known.distinct(200_000) < 2_500
    assert known.distinct(600) == pytest.approx(law.distinct(600) * 900 / law.distinct(36_000))
    assert known.distinct(0) == 0
    assert Popularity(5_000, 1.0, 10.0, {3_600: 4_999}).distinct(3) <= 3


def test_outcomes_are_all_of_the_events() -> None:
    """Whatever the rules in force drop."""
    load = replace(LOAD, bots=0.2, repeats=0.1)
    assert sum(outcomes(load, PRESS).values()) == pytest.approx(1)
    assert outcomes(load, PRESS)["!repeat"] == pytest.approx(0.08)
    assert "!repeat" not in outcomes(load, NONE)
    assert outcomes(load, NONE)["!bot"] == pytest.approx(0.2)  # bots are dropped by default


def test_keys_of_rules() -> None:
    """Two rules and two hours: 14,400 keys for each view a second, as DESIGN.md has it."""
    views = replace(LOAD, types={"view": 1.0})
    assert keys_per_event(views, PRESS) * remembered_s(PRESS) == 14_400
    assert keys_per_event(views, NONE) == remembered_s(NONE) == 0
    assert keys_per_event(replace(views, repeats=0.5), PRESS) == pytest.approx(1.5)


def test_the_first_article_is_in_one_shard() -> None:
    """Whose keys are bounded, however many partitions there are."""
    load = replace(LOAD, rate=100_000, partitions=400)
    assert load.hottest + 399 * load.coolest == pytest.approx(1)
    assert any("the shard of the first article" in bound for bound in plan(load, PRESS).bounds)
    bounded = redis_memory.remembered(load, PRESS)
    assert bounded < 11 * 100_000 * 2 * 14_400
    assert redis_memory.remembered(replace(load, rate=10_000_000), PRESS) < 11 * 400 * 20_000_000


def test_memory_grows_with_what_it_is_made_of() -> None:
    """More of anything is never less."""
    before = plan(LOAD, PRESS).memory.whole
    for more in (
        {"rate": 2_000.0}, {"articles": 10_000}, {"id_bytes": 80}, {"ids": "random"}, {"catalogue": 9_000},
        {"peak": 3.0}, {"sites": 20}, {"members": 9},
    ):  # fmt: skip
        assert plan(replace(LOAD, **more), PRESS).memory.whole > before, more


def test_partitions() -> None:
    """What is proposed has no fault of its own; a tenth of it is named with the fix."""
    load = replace(LOAD, rate=6_000, zipf=0.75)
    needed = partitions_for(load, PRESS)
    assert needed > 4
    assert plan(replace(load, partitions=needed), PRESS).bounds == ()
    assert f"take {needed} (--partitions {needed})" in plan(replace(load, partitions=1), PRESS).bounds[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sites": 300, "lists": 1_800, "articles": 60_000}, "a reader needs"),
        ({"sites": 2_000}, "rank history is kept of 1,000 sites"),
        ({"rate": 1_000_000.0, "partitions": 64}, "one process folds it"),
        ({"rate": 400_000.0, "partitions": 64, "articles": 1_000_000, "id_bytes": 100}, "Redis Cluster"),
        ({"articles": 1_000_000}, "partitions are too few"),
    ],
)
def test_bounds(change: dict[str, float], words: str) -> None:
    """Each is named."""
    assert any(words in bound for bound in plan(replace(LOAD, **change), NONE).bounds)  # type: ignore[arg-type]


def test_a_step_is_no_larger_than_scripts_may_be() -> None:
    """A flush that would exceed it is several steps."""
    busy = replace(LOAD, rate=500_000, articles=1_000_000, partitions=10)
    assert processes.step_s(LOAD, NONE) == LOAD.flush_s
    of_step = busy.popularity.distinct(busy.peak_rate * processes.step_s(busy, NONE)) / busy.partitions
    assert of_step * 3 <= step.MAX_COST


def test_money_is_prices_times_amounts() -> None:
    """Nothing is counted that has no price."""
    made = plan(LOAD, NONE)
    assert monthly(made, Prices()) == {}
    once, twice = monthly(made, Prices(disk_gb=1)), monthly(made, Prices(disk_gb=2))
    assert twice == {"disk": pytest.approx(2 * once["disk"])}
    assert set(monthly(with_requests(), Prices(1, 1, 1, 1))) == {"memory", "cores", "disk", "sent"}


def with_requests() -> Plan:
    return plan(replace(LOAD, requests=10), NONE)


def test_between_the_steps_of_a_table() -> None:
    """Linear in the length, logarithmic in the count; the edge beyond it, and in proportion beyond the longest id."""
    rows = {10: (4.0, 2.0), 20: (8.0, 4.0)}
    assert interpolated(rows, (1, 100), 10, 10) == pytest.approx(3)
    assert interpolated(rows, (1, 100), 15, 1) == pytest.approx(6)
    assert interpolated(rows, (1, 100), 5, 10**6) == pytest.approx(2)
    assert interpolated(rows, (1, 100), 40, 100) == pytest.approx(8)


@pytest.mark.parametrize("kind", ["words", "random"])
@pytest.mark.parametrize("length", [7, 40, 120])
def test_the_tables_are_those_of_today(kind: str, length: int) -> None:
    """Another form of sealed slices or of the history would make them wrong."""
    drawn = median(lambda seed: sealed_bytes(kind, length, 100, seed))
    assert constants.SEALED[kind][length][constants.SEALED_ARTICLES.index(100)] == pytest.approx(drawn, rel=0.02)
    drawn = median(lambda seed: history_bytes(kind, length, 200, seed))
    assert constants.HISTORY[kind][length][-1] == pytest.approx(drawn, rel=0.02)


def test_numbers_that_other_modules_have_too() -> None:
    """The core may not import the store."""
    assert redis_memory.HISTORY_PLACES == history.PLACES
    assert redis_memory.HISTORY_HOURS == history.KEPT_HOURS
    assert constants.READER_LISTS == demand.MAX_LISTS


def test_every_constant_says_where_it_is_from() -> None:
    """A file of this checkout, and a date."""
    found = Counter(type(value).__name__ for value in vars(constants).values())
    assert found["Constant"] > 25
    for value in vars(constants).values():
        if isinstance(value, constants.Constant):
            assert "2026-11" in value.source
            named = re.findall(r"[\w/.-]+\.(?:md|py)\b", value.source)
            assert named, value.source
            assert all((CHECKOUT / name).is_file() for name in named), value.source
            assert value.unit
