"""Lists that are spread over sections and formats, or without what stands in others: the naive way to make them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st

from ranker.core.generation import ListName
from ranker.core.merge import ExtraKeys
from ranker.lists.filters import Filter
from ranker.serve.api.query import Query, Unless
from tests.property.merges import Shards
from tests.property.readings import DAY, HOUR_MS, NOW_MS, WEEK, Known, Reading, queries, reading_of, readings


@dataclass(frozen=True)
class Spread:
    """The whole list of a query, of any length; `passed` has how many articles were passed over above each of the rows."""

    rows: list[str]
    passed: list[int]

    def page(self, query: Query) -> tuple[list[str], int]:
        """A page, and how many articles are passed over above its last row, or above the list's."""
        end = query.offset + query.limit
        return self.rows[query.offset : end], (self.passed[:end] or [0])[-1]


def greedy(reading: Reading, order: Iterable[str], query: Query) -> Spread:
    """Down the order: an article is passed over if its section, or its format, has all the places it may have."""
    out = left_out(reading, query)
    taken: Counter[tuple[str, str]] = Counter()
    rows: list[str] = []
    passed: list[int] = []
    over = 0
    for article_id in order:
        if article_id in out:
            continue
        known = reading.catalogue.get(article_id)
        values = [(field, getattr(known, field), most) for field, most in query.max_per if known is not None]
        limited = [(field, value, most) for field, value, most in values if value]
        if any(taken[field, value] == most for field, value, most in limited):
            over += 1
            continue
        for field, value, _ in limited:
            taken[field, value] += 1
        rows.append(article_id)
        passed.append(over)
    return Spread(rows, passed)


def left_out(reading: Reading, query: Query) -> set[str]:
    """The first places of the other lists as a site shows them: without hidden articles, whatever the query's filter."""
    shown = [reading.naive(ListName("demo", one.board, one.window), Filter())[: one.places] for one in query.unless]
    return {article_id for rows in shown for article_id, _ in rows}


def naive(reading: Reading, name: ListName, query: Query) -> Spread:
    return greedy(reading, [article_id for article_id, _ in reading.naive(name, query.filter)], query)


def may_be_short(reading: Reading, name: ListName, query: Query, asked: Iterable[Query]) -> bool:
    """Whether the places that were read may not suffice for the list, or for one of those that it is without."""
    for one in query.unless:  # for these nothing is looked up
        read, held = _held(reading, ListName("demo", one.board, one.window), Filter())
        if read == reading.places and len(held) < one.places:
            return True
    read, held = _held(reading, name, query.filter)
    end = query.offset + query.limit
    if read < reading.places or len(greedy(reading, held, query).rows) >= end:
        return False
    # no page of so many places is in what was read: a limit of look-ups decides
    return reading.may_be_short(name, replace(query, limit=end + read, offset=0), asked)


def _held(reading: Reading, name: ListName, filter_: Filter) -> tuple[int, list[str]]:
    """How many rows of a list are read, and the articles in them that the filter admits."""
    first = reading.lists[name].everything(ExtraKeys(reading.aliases))[: reading.places]
    admitted = {article_id for article_id, _ in reading.naive(name, filter_)}
    return len(first), [article.decode() for _, article in first if article.decode() in admitted]


def is_spread(reading: Reading) -> None:
    """A complete answer is the naive list's page, with its `skipped`; another one is in order, and keeps the limits."""
    with reading_of(reading) as shown:
        for query in reading.queries:
            content = shown.answer(DAY, query)
            found = [item["article_id"] for item in content["items"]]
            assert ("skipped" in content) == bool(query.max_per)
            if content["complete"]:
                rows, passed = naive(reading, DAY, query).page(query)
                assert (found, content.get("skipped", 0)) == (rows, passed if query.max_per else 0)
            else:
                assert may_be_short(reading, DAY, query, shown.asked)
                loose = [article_id for article_id, _ in reading.naive(DAY, query.filter)]
                assert [article_id for article_id in loose if article_id in found] == found
                for field, most in query.max_per:
                    counted = Counter(item[field] for item in content["items"] if item[field])
                    assert max(counted.values(), default=0) <= most


def is_spread_in_pages(reading: Reading) -> None:
    """The next page goes on where this one ends, and counts on."""
    with reading_of(reading) as shown:
        query = reading.queries[0]
        whole = shown.answer(DAY, replace(query, limit=1_000, offset=0))
        paged: list[object] = []
        skipped = 0
        while True:
            page = shown.answer(DAY, replace(query, offset=len(paged)))
            paged += page["items"]
            assert page.get("skipped", 0) >= skipped
            skipped = page.get("skipped", 0)
            if len(page["items"]) < query.limit:
                break
        assert (paged, skipped) == (whole["items"], whole.get("skipped", 0))


def is_spread_and_filled_up(reading: Reading) -> None:
    """The limits hold for the list and what fills it up together; `skipped` counts both."""
    with reading_of(replace(reading, places=1_000)) as shown:
        for query in reading.queries:
            content = shown.answer(DAY, replace(query, fallback=True))
            rows = [row[0] for name in (DAY, WEEK) for row in reading.naive(name, query.filter)]
            chain = greedy(reading, dict.fromkeys([*rows, *reading.latest(query.filter)]), query)
            found = [item["article_id"] for item in content["items"]]
            page, passed = chain.page(query)
            assert (found, content.get("skipped", 0)) == (page, passed if query.max_per else 0)


def is_spread_of_the_latest(reading: Reading) -> None:
    """What was just published has sections too, and may be without what is read most."""
    with reading_of(replace(reading, places=1_000)) as shown:
        for query in reading.queries:
            content = shown.answer(DAY._replace(board="latest"), replace(query, fallback=True))
            rows, passed = greedy(reading, reading.latest(query.filter), query).page(query)
            assert [item["article_id"] for item in content["items"]] == rows
            assert content.get("skipped", 0) == (passed if query.max_per else 0)
            assert content["complete"]


@st.composite
def _spread_query(draw: st.DrawFn) -> Query:
    fields = draw(st.sampled_from([(), ("section",), ("section",), ("format",), ("format", "section")]))
    others = st.builds(Unless, st.just("read"), st.sampled_from([DAY.window, WEEK.window]), st.integers(1, 8))
    query = draw(queries())
    return replace(
        query,
        filter=draw(st.sampled_from([Filter(), Filter(), query.filter])),
        max_per=tuple((field, draw(st.integers(1, 3))) for field in fields),
        unless=tuple(draw(st.lists(others, max_size=2))),
    )


def _long(seed: int, of: Reading) -> Reading:
    """Some 40 articles of three sections, most of them in both lists: there is much to pass over."""
    random = Random(seed)
    ids = [f"/{number}" for number in range(40)]
    names = ["Culture", "Culture", "Sport", "", None]

    def known() -> Known:
        published_at = NOW_MS - random.randrange(6) * HOUR_MS
        return Known("T", random.choice(names), random.choice(names), published_at, hidden=random.random() < 0.1)

    def shards() -> Shards:
        made = Shards([{} for _ in range(of.lists[DAY].partitions)])
        for article in random.sample(ids, random.randrange(10, 40)):
            made.totals[made.home(article.encode())][article.encode()] = random.randrange(1, 7)
        return made

    catalogue = {article: known() for article in random.sample(ids, random.randrange(20, 41))}
    return replace(of, lists={DAY: shards(), WEEK: shards()}, catalogue=catalogue, places=random.randrange(1, 40))


def spread_readings() -> st.SearchStrategy[Reading]:
    """As `readings`, or with long lists, and with queries that limit sections and formats and name other lists."""
    return st.builds(
        lambda reading, seed, wanted: replace(_long(seed, reading) if seed % 4 else reading, queries=wanted),
        readings(),
        st.integers(0, 1_000_000),
        st.lists(_spread_query(), min_size=1, max_size=3),
    )
