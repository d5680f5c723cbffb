"""Lists as a reader answers them, against the naive list: filters, offsets, pages and fallbacks, at every limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.serve.api.query import Query
from tests.property.merges import Shards, cases, equals_the_union
from tests.property.readings import ALL, DAY, NOW_MS, WEEK, Known, Reading, reading_of, readings
from tests.property.spreads import (
    is_spread,
    is_spread_and_filled_up,
    is_spread_in_pages,
    is_spread_of_the_latest,
    spread_readings,
)

EXAMPLES, MANY = 50, 1_000


def is_the_naive_list(reading: Reading) -> None:
    """A complete answer is the whole filtered list, cut; if it is not, as it says, a limit stands in the way."""
    with reading_of(reading) as shown:
        for query in reading.queries:
            rows, complete = shown.rows(DAY, query)
            naive = reading.naive(DAY, query.filter)
            if complete:
                assert rows == naive[query.offset : query.offset + query.limit]
            else:
                assert reading.may_be_short(DAY, query, shown.asked)
                assert [row for row in naive if row in rows] == rows, "something else, or in another order"


def is_in_pages(reading: Reading) -> None:
    """While a list stands still, its pages make up the list: nothing stands in two of them, nothing in none."""
    with reading_of(reading) as shown:
        size, filter_ = reading.queries[0].limit, reading.queries[0].filter
        paged: list[tuple[str, int]] = []
        while len(paged) < ALL:
            page, complete = shown.rows(DAY, Query(size, len(paged), filter_))
            paged += page
            naive = reading.naive(DAY, filter_)
            assert not complete or paged == naive[: len(paged)]
            assert len(page) == size or not complete or paged == naive
            if len(page) < size:
                break
        assert len({article_id for article_id, _ in paged}) == len(paged)
        assert paged == shown.rows(DAY, Query(ALL, 0, filter_))[0]


def is_filled_up(reading: Reading) -> None:
    """First the list itself, then what longer ones have beside it, then the latest; each article once, with its origin."""
    with reading_of(reading) as shown:
        for query in reading.queries:
            most = replace(query, offset=0, limit=query.offset + query.limit)
            content = shown.answer(DAY, replace(query, fallback=True))
            items = [(item["article_id"], item["origin"]) for item in content["items"]]
            whole = shown.answer(DAY, replace(most, fallback=True))
            filled = [(item["article_id"], item["origin"]) for item in whole["items"]]
            assert items == filled[query.offset :]
            assert len({article_id for article_id, _ in filled}) == len(filled)
            origins = [origin for _, origin in filled]
            assert content["fallback"] == sorted(set(origins), key=["24h", "7d", "latest"].index)
            assert origins == sorted(origins, key=["24h", "7d", "latest"].index)
            (day, complete), (_, week_complete) = shown.rows(DAY, most), shown.rows(WEEK, most)
            assert [article_id for article_id, origin in filled if origin == "24h"] == [row[0] for row in day]
            if complete and week_complete:
                chain = dict.fromkeys(row[0] for row in day)
                chain |= dict.fromkeys(row[0] for row in reading.naive(WEEK, query.filter)[: most.limit])
                chain |= dict.fromkeys(reading.latest(query.filter))
                assert [article_id for article_id, _ in filled] == list(chain)[: most.limit]


PROPERTIES: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "lists": (readings(), is_the_naive_list),
    "pages": (readings(), is_in_pages),
    "fallback": (readings(), is_filled_up),
    "spread": (spread_readings(), is_spread),
    "spread pages": (spread_readings(), is_spread_in_pages),
    "spread fallback": (spread_readings(), is_spread_and_filled_up),
    "spread latest": (spread_readings(), is_spread_of_the_latest),
    "merge": (cases(), equals_the_union),
}
"""What is drawn, and what has to hold for it."""


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds(name: str, examples: int) -> None:
    drawn, holds = PROPERTIES[name]
    settings(max_examples=examples)(given(drawn)(holds))()


def test_what_moved_is_not_new_under_its_old_name() -> None:
    """An address that moved to another stands neither among the latest nor in what they fill up."""
    published = Known("T", None, None, NOW_MS, hidden=False)
    empty = {DAY: Shards([{}]), WEEK: Shards([{}])}
    query = Query(10, fallback=True)
    reading = Reading(empty, {"/old": published, "/new": published}, {b"/old": b"/new"}, [query], 5, 5, 5, False)
    with reading_of(reading) as shown:
        assert [item["article_id"] for item in shown.answer(DAY, query)["items"]] == ["/new"]
