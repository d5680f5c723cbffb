"""Answers for lists, from what a Refresher keeps: which lists an answer takes, and its content out of memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ranker.core.generation import LATEST, Generation, ListName, Window
from ranker.lists.filters import Filter
from ranker.serve.api import items
from ranker.serve.api.items import Place
from ranker.serve.api.latest import Newest
from ranker.serve.api.query import Query
from ranker.serve.live.lookups import anybody
from ranker.serve.live.published import Published, rfc3339
from ranker.serve.live.refresh import Refresher
from ranker.settings import Site


class Lists:
    """`sites` are the configured ones; others are shown as a site without any setting is."""

    def __init__(self, refresher: Refresher, sites: Mapping[str, Site]) -> None:
        self.refresher = refresher
        self._sites = sites
        self._newest = Newest(refresher)

    def site(self, name: str) -> Site:
        """How a site is shown."""
        return self._sites.get(name) or Site(name)

    async def read(self, name: ListName, query: Query, deadline_s: float) -> Published | None:
        """Has every list read that an answer takes; the list itself, None where it cannot be had in time."""
        read = [await self.refresher.first(wanted, deadline_s) for wanted in self._chain(name, query)]
        return read[0] if read else None

    async def full(
        self,
        name: ListName,
        query: Query,
        deadline_s: float,
        *,
        counts: bool,
        payer: Callable[[], bytes | None] = anybody,
    ) -> dict[str, Any] | None:
        """The answer's fields, once what they lack has been looked up by name, as far as that is possible.

        `payer` names the client of each look-up that nobody has caused yet, None if it may cause no more.
        """
        content, lacking = self._content(name, query, counts=counts)
        if lacking:
            for wanted in lacking:
                lookup = self._filter(name.site, query).in_catalogue
                await self.refresher.look_up(wanted, lookup, deadline_s, payer)
            content, _ = self._content(name, query, counts=counts)
        return content

    def content(self, name: ListName, query: Query, *, counts: bool) -> dict[str, Any] | None:
        """The answer's fields as of now; None where the list has not been read. `counts`: whether they are shown."""
        return self._content(name, query, counts=counts)[0]

    def _content(self, name: ListName, query: Query, *, counts: bool) -> tuple[dict[str, Any] | None, list[ListName]]:
        """The fields, and the lists that may have more for them than was read."""
        generation = self.refresher.generation
        if generation is None or not _has(generation, name):
            return None, []
        if name.board == LATEST:
            return self._latest(name, query, generation), []
        published = self.refresher.get(name)
        if published is None:
            return None, []
        short = False
        now_ms = self.refresher.now_ms()
        articles = self.refresher.articles.of(name.site)
        filter_ = self._filter(name.site, query)
        most = query.offset + query.limit
        found: list[Sequence[Place]] = []
        lacking: list[ListName] = []
        for wanted in self._chain(name, query):
            shown = self.refresher.get(wanted)
            if shown is None:
                continue
            part = items.listed(shown, filter_, articles, now_ms, most)
            found.append(part.places)
            if filter_.in_catalogue in shown.covered:
                self.refresher.keep(wanted, filter_.in_catalogue)
            elif part.short:
                lacking.append(wanted)
            if wanted == name:
                short = part.short
        if query.fallback:
            found.append(items.newest(self._newest.of(name.site), filter_, articles, now_ms, most).places)
        places = items.filled_up(found, most)
        ranks = None if query.filtered else self.refresher.ranks(name)
        span, age_ms = published.read.span, published.age_ms(now_ms)
        behind = published.behind(self.refresher.ages)
        content: dict[str, Any] = {
            "site": name.site,
            "board": name.board,
            "window": _window(published.window, span.from_ms, span.as_of_ms),
            "as_of": rfc3339(span.as_of_ms),
            "complete": span.complete and not short and not behind and age_ms >= 0,
            "stale": age_ms > self.refresher.ages.stale_ms,
            "total": published.read.total if counts else None,
        }
        if behind:
            content["behind"] = items.behind(behind)
        if ranks is not None:
            content["history"] = items.history(ranks)
        if query.fallback:
            content["fallback"] = list(dict.fromkeys(place.origin for place in places))
        content["items"] = list(items.items(places, query, articles, ranks, name.window, now_ms, counts=counts))
        return content, lacking

    def _latest(self, name: ListName, query: Query, generation: Generation) -> dict[str, Any]:
        now_ms = self.refresher.now_ms()
        window = next(window for window in generation.windows if window.name == name.window)
        filter_ = self._filter(name.site, query)
        within_ms = min(window.length_ms, filter_.within_ms or window.length_ms)
        articles = self.refresher.articles.of(name.site)
        most = query.offset + query.limit
        newest = self._newest.of(name.site)
        places = items.newest(newest, replace(filter_, within_ms=within_ms), articles, now_ms, most)
        found = places.places
        if query.fallback and not places.short:
            older = items.newest(newest, filter_, articles, now_ms, most)
            found = items.filled_up([found, older.places], most)
        read_ms = self.refresher.articles_read_ms
        content: dict[str, Any] = {
            "site": name.site,
            "board": LATEST,
            "window": _window(Window(window.name, window.length_ms, 0), read_ms - window.length_ms, read_ms),
            "as_of": rfc3339(read_ms),
            "complete": not places.short,
            "stale": now_ms - read_ms > self.refresher.ages.stale_ms,
            "total": None,
        }
        if query.fallback:
            content["fallback"] = [LATEST] if found else []
        content["items"] = list(items.items(found, query, articles, None, name.window, now_ms, counts=False))
        return content

    def _chain(self, name: ListName, query: Query) -> list[ListName]:
        """The list, and those of longer windows that fill it up."""
        generation = self.refresher.generation
        if name.board == LATEST or generation is None or not _has(generation, name):
            return []
        windows = [window.name for window in generation.windows]
        longer = windows[windows.index(name.window) + 1 :] if query.fallback else []
        return [name, *(name._replace(window=window) for window in longer)]

    def _filter(self, site: str, query: Query) -> Filter:
        return replace(query.filter, known=True) if self.site(site).hide_unknown else query.filter


def _has(generation: Generation, name: ListName) -> bool:
    """Whether there is such a list; another generation may have come since it was asked for."""
    named = name.board == LATEST or name.board in generation.boards
    return named and any(window.name == name.window for window in generation.windows)


def _window(window: Window, from_ms: int, to_ms: int) -> dict[str, Any]:
    return {
        "name": window.name,
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "grain_s": window.grain_ms // 1000,
    }
