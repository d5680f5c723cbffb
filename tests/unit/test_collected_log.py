"""What the log says of readers whom no rule may follow: nothing but who read the same article again."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest

from producers.collector.salt import DAY_S
from producers.collector.settings import RuleNeeds
from producers.readers import repeat_key
from ranker.core.fold import Fold
from ranker.core.memory import Memory
from ranker.core.rules import DUPLICATE, REPEAT, memory_rules
from tests.support.collected_reads import NEEDS, Collected, Read, random_readers
from tests.support.defaults import PRESS
from tests.support.raw_records import HOUR_MS, Given

MIDNIGHT_MS = 20_777 * DAY_S * 1_000
SIGMAS = 5
EACH = 5
"""Articles that a reader reads, each once."""
Outcomes = dict[str, dict[tuple[int, str, str], int]]


@pytest.fixture(scope="module")
def once() -> list[Read]:
    """120 readers, each with some of 30 articles on two sites, at any time of a day: sorted by it."""
    rng = random.Random(13)
    articles = [(site, f"/{number}") for site in ("demo", "other") for number in range(15)]
    reads = [
        Read(MIDNIGHT_MS + rng.randrange(DAY_S * 1_000), reader, site, article, rng.randbytes(16).hex())
        for reader in random_readers(120, rng)
        for site, article in rng.sample(articles, EACH)
    ]
    return sorted(reads)


@pytest.fixture(scope="module")
def dump(once: list[Read]) -> list[dict[str, Any]]:
    events = [orjson.loads(record.value or b"") for record in Collected().records(once)]
    assert all(len(event["repeat_key"]) == 16 for event in events)
    return events


FIELDS = (
    "event_id", "event_type", "site_id", "article_id", "occurred_at", "repeat_key", "producer_id", "sequence",
)  # fmt: skip
DISTANCES: dict[str, Callable[[int, int], int]] = {
    "bits that differ": lambda one, other: (one ^ other).bit_count(),
    "common prefix": lambda one, other: one ^ other,
    "difference": lambda one, other: abs(one - other),
}


def _number(value: str | int) -> int:
    if isinstance(value, int):
        return value
    try:
        return int(value, 16)
    except ValueError:
        return int.from_bytes(value.encode(), "big")


def _nearest(numbers: Sequence[int], distance: Callable[[int, int], int]) -> list[int]:
    """For each the place of the one that is nearest, beside itself."""
    found = []
    for place, one in enumerate(numbers):
        distances = [distance(one, other) for other in numbers]
        distances[place] = 1 << 600
        found.append(distances.index(min(distances)))
    return found


def _is_chance(links: int, right: int, events: int) -> bool:
    """Whether so many right ones of so many links are to be expected of guesses; two may be one in both directions."""
    share = (EACH - 1) / (events - 1)
    return right <= links * share + SIGMAS * math.sqrt(2 * links * share)


def test_the_log_has_no_other_field(dump: list[dict[str, Any]]) -> None:
    """Here no reader is a crawler or internal: agent_class would divide the log into as many crowds."""
    assert {name for event in dump for name in event} == set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
def test_equal_values_link_no_reader(field: str, once: list[Read], dump: list[dict[str, Any]]) -> None:
    """Nor do equal beginnings or ends of values, however long: the events of one reader are as any others.

    Each event has a request of its own, at a random time. Those of one request share a time and have sequence numbers
    side by side, so they can be linked; docs/privacy says so.
    """
    texts = [str(event[field]) for event in dump]
    for length in range(1, max(map(len, texts)) + 1):
        for cut in (slice(length), slice(-length, None)):
            alike = Counter(text[cut] for text in texts)
            of_reader: Counter[Hashable] = Counter(
                (text[cut], read.reader) for text, read in zip(texts, once, strict=True)
            )
            links, right = (sum(math.comb(n, 2) for n in counter.values()) for counter in (alike, of_reader))
            assert _is_chance(links, right, len(dump)), (cut, links, right)


@pytest.mark.parametrize("by", DISTANCES)
def test_near_values_link_no_reader(by: str, once: list[Read], dump: list[dict[str, Any]]) -> None:
    """Of each event the one with the nearest value, in every field; requests are as in the test above."""
    for field in ("event_id", "occurred_at", "repeat_key", "sequence"):
        nearest = _nearest([_number(event[field]) for event in dump], DISTANCES[by])
        right = sum(once[place].reader == read.reader for place, read in zip(nearest, once, strict=True))
        assert _is_chance(len(dump), right, len(dump)), (field, right)


def test_what_would_link_readers_is_found(once: list[Read]) -> None:
    """The measure itself: a visitor_id links all events of a reader on a site."""
    events = [orjson.loads(one.value or b"") for one in Collected(visitors=True).records(once)]
    nearest = _nearest([_number(event["visitor_id"]) for event in events], DISTANCES["common prefix"])
    right = sum(once[place].reader == read.reader for place, read in zip(nearest, once, strict=True))
    assert right > 0.9 * len(events)
    assert not _is_chance(len(events), right, len(events))


def test_without_the_salt_no_reader_can_be_tried(once: list[Read], dump: list[dict[str, Any]]) -> None:
    """Somebody who knows all addresses, agents and articles, but has no salt or another one, finds none of the keys."""
    keys = {event["repeat_key"] for event in dump}
    for salt in (b"", bytes(32), random.Random(14).randbytes(32)):
        assert not keys & {repeat_key(salt, read.site, read.article, *read.reader) for read in once}


# what the rules make of it


@pytest.fixture(scope="module")
def reloads() -> list[Read]:
    """Two hours before midnight and two after: readers reload, come back, and one event in ten is sent twice."""
    rng = random.Random(15)
    readers = random_readers(60, rng)
    found: list[Read] = []
    for at_ms in sorted(MIDNIGHT_MS + rng.randrange(-2 * HOUR_MS, 2 * HOUR_MS) for _ in range(3_000)):
        event_id = rng.randbytes(8).hex()
        read = Read(at_ms, rng.choice(readers), rng.choice(("demo", "other")), f"/{rng.randrange(8)}", event_id)
        found += [read] * rng.choice((1,) * 9 + (2,))
    return found


def _outcomes(records: Sequence[Given]) -> Outcomes:
    """By outcome, the count of each hour, site and article."""
    rules = memory_rules(PRESS)
    assert rules is not None
    memory, fold = Memory(rules), Fold(PRESS)
    found: Outcomes = {}
    for start in range(0, len(records), 500):
        for (slice_, site, outcome), articles in fold(records[start : start + 500], memory).counts.items():
            hour = slice_ * PRESS.windows[0].grain_ms // HOUR_MS
            counts = found.setdefault(outcome, Counter())
            for article, count in articles.items():
                counts[hour, site, article] += count
    return found


def test_a_key_for_each_article_counts_as_a_name_for_all(reloads: list[Read]) -> None:
    """Over midnight too, when both change with the salt: an hour is never of two days."""
    keyed = Collected().records(reloads)
    named = Collected(RuleNeeds(), visitors=True).records(reloads)
    assert [b"repeat_key" in (one.value or b"") for one in named] == [False] * len(reloads)
    assert [b"visitor_id" in (one.value or b"") for one in keyed] == [False] * len(reloads)
    names = {orjson.loads(one.value or b"")["visitor_id"] for one in named}
    assert len(names) == 2 * 2 * 60, "one for each day, site and reader, on all articles"
    found = _outcomes(keyed)
    assert found == _outcomes(named)
    seen = {(read.at_ms // HOUR_MS, read.site, read.article, read.reader) for read in reloads}
    assert found["view"] == Counter((hour, site, article) for hour, site, article, _ in seen)
    assert sum(found[DUPLICATE].values()) == sum(one == other for one, other in pairwise(reloads)) > 100
    assert sum(found[REPEAT].values()) > 500


def test_without_a_salt_there_is_no_key_and_everything_counts(reloads: list[Read]) -> None:
    """The metrics say how many; who does not want to be recognised never has one, and is none of them."""
    saltless, asked = Collected(seed=None), Collected()
    for collected, headers in ((saltless, {}), (asked, {"Sec_GPC": "1"})):
        records = collected.records(reloads, **headers)
        assert not [one for one in records if b"repeat_key" in (one.value or b"")]
        found = _outcomes(records)
        assert set(found) == {"view", DUPLICATE}
        assert sum(found["view"].values()) == len({read.event_id for read in reloads})
    assert saltless.without_salt() == (len(reloads), 0)
    assert asked.without_salt() == (0, 0)
    both = Collected(NEEDS, visitors=True, seed=None)
    both.records(reloads[:9])
    assert both.without_salt() == (9, 9)
