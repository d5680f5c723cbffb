"""A reader over shards in memory: its own lists, filters, wishes and merges, with nothing but Redis taken away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ranker.core.generation import Generation, ListName
from ranker.core.merge import NO_EXTRA_KEYS, ExtraKeys, Hints, Span
from ranker.lists.filters import Filter
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.api.list_request import ListRequest
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.serve.live.build_live import build_live
from ranker.serve.live.published import Ages
from ranker.serve.live.refresh import Refresh
from ranker.settings import Site
from ranker.store.generations import Active
from ranker.store.reader import ListRead, Snapshot
from tests.property import merges
from tests.property.merges import ARTICLES, FEW_OR_MANY, MAX_STRAYS, Shards, distributions
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

NOW_MS = 1_795_396_624_735
HOUR_MS = 3_600_000
DAY, WEEK = (ListName("demo", "read", window.name) for window in DEFAULT_WINDOWS)
ALL = 1_000

_GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
_METRICS = ReaderMetrics(new_registry())


@dataclass(frozen=True)
class Known:
    """What the catalogue says of an article."""

    title: str | None
    section: str | None
    format: str | None
    published_at: int | None
    hidden: bool


@dataclass(frozen=True)
class Reading:
    """Two lists of a site, its catalogue and aliases, the reader's limits, and the requests, one after the other."""

    lists: dict[ListName, Shards]
    catalogue: dict[str, Known]
    aliases: dict[bytes, bytes]
    queries: list[Query]
    places: int
    max_strays: int
    budget: int
    hide_unknown: bool

    def admitted(self, article_id: str, filter_: Filter, *, coming: bool = False) -> bool:
        """The filter in plain words; `coming`: one that is yet to be published counts as young."""
        known = self.catalogue.get(article_id, Known(None, None, None, None, hidden=False))
        age_ms = None if known.published_at is None else NOW_MS - known.published_at
        young = filter_.within_ms is None or (
            age_ms is not None and (coming or age_ms >= 0) and age_ms <= filter_.within_ms
        )
        return (
            not known.hidden
            and article_id not in filter_.exclude
            and (known.section in filter_.sections or not filter_.sections)
            and (known.format in filter_.formats or not filter_.formats)
            and known.section not in filter_.not_sections
            and known.format not in filter_.not_formats
            and young
            and (known.title is not None or not self.hide_unknown)
        )

    def naive(self, name: ListName, filter_: Filter) -> list[tuple[str, int]]:
        """The whole list, whatever its length, filtered."""
        everything = [
            (article.decode(), count) for count, article in self.lists[name].everything(ExtraKeys(self.aliases))
        ]
        return [row for row in everything if row[1] >= filter_.min_count and self.admitted(row[0], filter_)]

    def latest(self, filter_: Filter) -> list[str]:
        """What is published, newest first; what has moved stands under its new name alone."""
        dated = [(known.published_at, article_id) for article_id, known in self.catalogue.items() if known.published_at]
        moved = {article.decode() for article in self.aliases}
        return [
            article_id
            for published_at, article_id in sorted(dated, reverse=True)
            if published_at <= NOW_MS and article_id not in moved and self.admitted(article_id, filter_)
        ]

    def may_be_short(self, name: ListName, query: Query, asked: Iterable[Query]) -> bool:
        """Whether a limit stands in the way: of places, and of what can be looked up by name for all `asked` together.

        As many articles as there are places: whether there is one more, a reader cannot always tell.
        """
        first = self.lists[name].everything(ExtraKeys(self.aliases))
        admitted = set(self.naive(name, query.filter))
        held = sum((article.decode(), count) in admitted for count, article in first[: self.places])
        if len(first) < self.places or held >= query.offset + query.limit:
            return False
        wanted = query.filter
        by_name = self.hide_unknown or wanted.sections or wanted.formats or wanted.within_ms is not None
        matching = {
            article_id
            for one in asked
            for article_id in self.catalogue
            if self.admitted(article_id, one.filter.in_catalogue, coming=True)
        }
        return not by_name or len(matching) > self.budget


@dataclass
class Shown:
    """The product's own lists and refresh."""

    lists: Lists
    refresh: Refresh
    asked: list[Query] = field(default_factory=list)

    def answer(self, name: ListName, query: Query) -> dict[str, Any]:
        """What a request gets, refreshes included that it waits for."""
        self.asked.append(query)
        return asyncio.run(self._answer(name, query))

    async def _answer(self, name: ListName, query: Query) -> dict[str, Any]:
        async def requested() -> dict[str, Any] | None:
            await self.lists.read(name, query, 10.0)
            return await self.lists._full(ListRequest(name, query, counts=True, client=b""), 10.0)

        request = asyncio.ensure_future(requested())
        while not request.done():
            await asyncio.sleep(0)
            await self.refresh.refresh_new()
        content = request.result()
        assert content is not None
        return content

    def rows(self, name: ListName, query: Query) -> tuple[list[tuple[str, int]], bool]:
        """Article ids with their counts, and whether the list says it is complete."""
        content = self.answer(name, query)
        ranks = [item["rank"] for item in content["items"]]
        assert ranks == list(range(query.offset + 1, query.offset + 1 + len(ranks)))
        return [(item["article_id"], item["count"]) for item in content["items"]], content["complete"]


@contextmanager
def reading_of(reading: Reading) -> Iterator[Shown]:
    with merges.small(reading.places, reading.max_strays, reading.budget):
        board, demand, refresh, _ = build_live(
            None,
            sites={"demo": Site("Demo", hide_unknown=reading.hide_unknown)},
            refresh_ms=50,
            ages=Ages(30_000, 3_600_000),
            metrics=_METRICS,
            now_ms=lambda: NOW_MS,
        )
        partitions = reading.lists[DAY].partitions
        board.generation = refresh._active.generation = _GENERATION
        refresh._active.active = Active(1, _GENERATION.id, partitions)
        refresh._reader = _InMemory(reading.lists)  # type: ignore[assignment]
        board.articles.apply((*record, offset) for offset, record in enumerate(_records(reading)))
        yield Shown(Lists(board, demand), refresh)


class _InMemory:
    """In the place of the store's reader: the same merges, on shards in memory."""

    def __init__(self, lists: Mapping[ListName, Shards]) -> None:
        self._lists = lists

    async def refresh(
        self,
        generation: Generation,
        partitions: int,
        lists: Iterable[ListName],
        hints: Mapping[ListName, Hints],
        extras: Mapping[ListName, ExtraKeys],
    ) -> Snapshot:
        span = Span(NOW_MS - 24 * HOUR_MS, NOW_MS, level=True, complete=True)
        read = {
            name: ListRead(
                self._lists[name].run(hints.get(name), extras.get(name, NO_EXTRA_KEYS)),
                span,
                100,
                dict.fromkeys(range(partitions), NOW_MS),
                True,
            )
            for name in lists
        }
        return Snapshot(read, frozenset({"demo"}), True, partitions)


def _records(reading: Reading) -> Iterator[tuple[bytes, bytes]]:
    """As feeds and the editor's hand write them."""
    for article_id, known in reading.catalogue.items():
        said: dict[str, Any] = {"site_id": "demo", "article_id": article_id}
        key = f"demo/{article_id}".encode()
        if known.title is not None:
            fields = {"title": known.title, "section": known.section, "format": known.format}
            record = {"status": "published", "published_at": known.published_at, **fields}
            yield key, json.dumps(said | {name: value for name, value in record.items() if value is not None}).encode()
        if known.hidden:
            yield key + b"#editor", json.dumps(said | {"hidden": True}).encode()
    for moved, to in reading.aliases.items():
        alias = {"site_id": "demo", "article_id": moved.decode(), "alias_of": to.decode()}
        yield b"demo/" + moved + b"#alias", json.dumps(alias).encode()


_NAMES = st.sampled_from(["Culture", "Sport", "Monde"])
_AGES_MS = st.integers(-2, 6).map(lambda hours: hours * HOUR_MS)


@st.composite
def _known(draw: st.DrawFn) -> Known:
    if draw(st.integers(0, 5)) == 0:  # of some, only that the editor hides them
        return Known(None, None, None, None, hidden=True)
    return Known(
        "T",
        draw(st.none() | _NAMES),
        draw(st.none() | _NAMES),
        draw(st.none() | _AGES_MS.map(lambda age_ms: NOW_MS - age_ms)),
        hidden=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    names = st.sampled_from([frozenset[str]()] * 3 + [frozenset({"Culture"}), frozenset({"Sport"})])
    return Filter(
        draw(names),
        draw(names),
        draw(names),
        draw(names),
        draw(st.none() | st.integers(1, 5).map(lambda hours: hours * HOUR_MS)),
        draw(st.frozensets(ARTICLES.map(bytes.decode), max_size=4)),
        draw(st.sampled_from([0, 0, 0, 2, 4])),
    )


def queries() -> st.SearchStrategy[Query]:
    return st.builds(Query, st.integers(1, 12), st.integers(0, 12), filters())


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    day = draw(distributions())
    return Reading(
        {DAY: day, WEEK: draw(distributions(day.partitions))},
        draw(st.dictionaries(ARTICLES.map(bytes.decode), _known(), min_size=draw(FEW_OR_MANY), max_size=40)),
        draw(merges.aliases()),
        draw(st.lists(queries(), min_size=1, max_size=3)),
        draw(st.integers(1, 12)),
        draw(MAX_STRAYS),
        draw(st.sampled_from([0, 3, 8, 100])),
        draw(st.booleans()),
    )
