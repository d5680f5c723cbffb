"""What a site has, and one article explained: where it stands in every list, why, and its counts by the hour."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ranker.core import hours
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.lists.articles import Article
from ranker.serve.api import list_request
from ranker.serve.api.clients import Clients
from ranker.serve.api.hourly import Hourly, HourlyCounts
from ranker.serve.api.items import described
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import fault, shown
from ranker.serve.api.rank_detail import RankDetail, RankDetails
from ranker.serve.http.body import Body
from ranker.serve.live.published import Published, rfc3339

LISTS_DEADLINE_S = 3.0
HOURS_DEADLINE_S = 3.0
"""How long one answer waits for them; without the hours it goes out all the same."""
MAX_IDS = 16
"""Ids of one article that its hours are read for: each is looked for in every slice."""
MAX_ALIASES = 100
"""Ids that an answer names; all of them are counted."""
MAX_STANDINGS = 100
"""Lists whose ranks are kept from one article to the next; a refresh makes them anew."""
MAX_SITES = 100
"""Sites whose sections and formats are kept counted."""

Answer = Callable[[Request, str, Body, float, float, Callable[[], None]], Response]
"""Makes the response: request, site, body, when it was begun and until when it holds (perf_counter), and whom to tell
while it goes on being asked for."""

_UNKNOWN = Article()


class About:
    """Two routes: `site` and `article`."""

    def __init__(self, lists: Lists, clients: Clients, answer: Answer) -> None:
        self._lists = lists
        self._clients = clients
        self._refresher = lists.refresher
        self._answer = answer
        self._hourly = Hourly(lists.refresher)
        self._standings: dict[ListName, tuple[Published, int, RankDetails]] = {}
        self._found: dict[str, tuple[int, dict[str, Counter[str]], int]] = {}

    async def site(self, request: Request) -> Response:
        """Boards, windows, and the sections and formats of the articles that are shown, with their numbers."""
        await self._refresher.attempted(LISTS_DEADLINE_S)
        name, counts = list_request.asked_site(request, self._lists)
        began = time.perf_counter()
        generation = self._generation()
        if self._refresher.knows(name) is None:
            some = ListName(name, next(iter(generation.boards)), generation.longest.name)
            list_request.held(await self._refresher.first(some, LISTS_DEADLINE_S), name, self._lists)
        found, articles = self._occurring(name)
        content = {
            "site": name,
            "title": self._lists.site(name).title,
            "boards": sorted(generation.boards),
            "windows": [
                {"name": w.name, "length_s": w.length_ms // 1000, "grain_s": w.grain_ms // 1000}
                for w in generation.windows
            ],
            "show_counts": self._lists.site(name).show_counts,
            "articles": articles if counts else None,
            # by name: an order by number would tell what is not to be told
            **{
                kind: [{"name": one, "articles": of[one] if counts else None} for one in sorted(of, key=_alphabetical)]
                for kind, of in found.items()
            },
        }
        return self._answer(request, name, Body(orjson.dumps(content)), began, began + 60.0, lambda: None)

    async def article(self, request: Request) -> Response:
        """One article in every list.

        An id that was moved is answered for the article that it stands under: `article_id` is the id as asked,
        `alias_of` that article, and all the rest is that article's, the counts of all its ids together. A hidden
        article is explained too, except to who may not see counts. `count` is null where it could not be read in time.
        """
        await self._refresher.attempted(LISTS_DEADLINE_S)
        site, asked, edge, counts = list_request.asked_article(request, self._lists)
        self._clients.charge(request)
        client = self._clients.of(request)
        began = time.perf_counter()
        generation = self._generation()
        names = [ListName(site, board, window.name) for window in generation.windows for board in generation.boards]
        aliases = self._refresher.articles.aliases(site)
        article_id = aliases.get(asked, asked)
        lists = await self._read(names, article_id, client)
        now_ms = self._refresher.now_ms()
        as_of_ms = min(published.as_of_ms for published in lists)
        list_request.check_age(now_ms - as_of_ms, self._lists)
        article = self._refresher.articles.of(site).get(article_id, _UNKNOWN)
        standings = {published.name: self._standing(published, now_ms).of(article_id, edge) for published in lists}
        known = article is not _UNKNOWN or asked in aliases or any(one.count != 0 for one in standings.values())
        if not known or (article.hidden and not counts):
            raise list_request.refusal([fault("id", f"{shown(asked)} is neither counted nor in the catalogue")], [], {})
        moved = sorted(old for old, to in aliases.items() if to == article_id)
        counted = any(one.count for one in standings.values())
        told = await self._hours(lists[0], [article_id, *moved], client) if counts and counted else None
        content = {
            "site": site,
            "article_id": asked,
            **described(article),
            "hidden": article.hidden,
            "alias_of": article_id if article_id != asked else None,
            "aliases": moved[:MAX_ALIASES],
            "as_of": rfc3339(as_of_ms),
            "lists": [self._placed(name, one, article_id, now_ms, counts=counts) for name, one in standings.items()],
            "hours": None if told is None else _hours(told, generation),
        }
        until = began + (self._refresher.ages.gone_ms - (now_ms - as_of_ms)) / 1000
        return self._answer(
            request, site, Body(orjson.dumps(content)), began, until, lambda: self._used(names, article_id)
        )

    def _generation(self) -> Generation:
        generation = self._refresher.generation
        if generation is None:
            raise list_request.unread(self._lists)
        return generation

    async def _read(self, names: Iterable[ListName], article_id: str, client: bytes) -> list[Published]:
        """Every list with the article's count, as far as it can be had in time."""
        raw = article_id.encode()
        read = await asyncio.gather(*(self._refresher.about(name, raw, LISTS_DEADLINE_S, client) for name in names))
        return [list_request.held(one, name.site, self._lists) for name, one in zip(names, read, strict=True)]

    def _used(self, names: Iterable[ListName], article_id: str) -> None:
        for name in names:
            self._refresher.keep_about(name, article_id.encode())

    def _standing(self, published: Published, now_ms: int) -> RankDetails:
        name = published.name
        changes = self._refresher.changes_of(name.site)
        kept = self._standings.pop(name, None)
        if kept is None or kept[0] is not published or kept[1] != changes:
            hide_unknown = self._lists.site(name.site).hide_unknown
            articles = self._refresher.articles.of(name.site)
            kept = published, changes, RankDetails(published, articles, now_ms, hide_unknown=hide_unknown)
        self._standings[name] = kept
        if len(self._standings) > MAX_STANDINGS:
            del self._standings[next(iter(self._standings))]
        return kept[2]

    def _placed(
        self, name: ListName, standing: RankDetail, article_id: str, now_ms: int, *, counts: bool
    ) -> dict[str, Any]:
        moved = self._refresher.ranks(name).about(article_id, standing.rank, now_ms)
        return {
            "board": name.board,
            "window": name.window,
            "count": standing.count if counts else None,
            "rank": standing.rank,
            "listed_since": None if moved.entered_at_ms is None else rfc3339(moved.entered_at_ms),
            "best_rank": moved.best_rank,
            "to_above": standing.to_above if counts else None,
            "to_below": standing.to_below if counts else None,
            "to_edge": standing.to_edge if counts else None,
        }

    async def _hours(self, shown: Published, ids: Collection[str], client: bytes) -> HourlyCounts | None:
        """Read at the home of every id, and where it is marked as a stray; None for too many ids."""
        if len(ids) > MAX_IDS:
            return None
        shards: dict[int, set[str]] = {}
        hints = shown.read.merged.hints
        for article_id in ids:
            at_home = home(f"{shown.name.site}/{article_id}".encode(), shown.partitions)
            held = {at_home, *hints.strays.get(article_id.encode(), ())}
            for shard in range(shown.partitions) if hints.whole else held:
                shards.setdefault(shard, set()).add(article_id)
        frozen = {shard: frozenset(articles) for shard, articles in sorted(shards.items())}
        generation, site = shown.generation, shown.name.site
        return await self._hourly.of(generation, site, frozen, shown.as_of_ms, HOURS_DEADLINE_S, client)

    def _occurring(self, site: str) -> tuple[dict[str, Counter[str]], int]:
        """Sections and formats with the number of articles shown in each, and of all that are shown."""
        changes = self._refresher.changes_of(site)
        kept = self._found.pop(site, None)
        if kept is None or kept[0] != changes:
            shown = [one for one in self._refresher.articles.of(site).values() if not one.hidden]
            sections = Counter(one.section for one in shown if one.section)
            formats = Counter(one.format for one in shown if one.format)
            kept = changes, {"sections": sections, "formats": formats}, len(shown)
        self._found[site] = kept
        if len(self._found) > MAX_SITES:
            del self._found[next(iter(self._found))]
        return kept[1], kept[2]


def _hours(told: HourlyCounts, generation: Generation) -> list[Mapping[str, Any]] | None:
    if told.hours is None:
        return None
    weighed = hours.weighed(told.hours, generation.boards)
    return [{"from": rfc3339(told.from_ms + at * hours.HOUR_MS), **by_board} for at, by_board in enumerate(weighed)]


def _alphabetical(name: str) -> tuple[str, str]:
    """What names are sorted by: É stands beside E, and not behind Z."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold(), name
