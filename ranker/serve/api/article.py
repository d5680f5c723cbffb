"""One article explained: its place in every list, how far the next places are, and its counts by the hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ranker.core import hours, rules
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.merge import PLACES
from ranker.core.times import HOUR_MS, rfc3339
from ranker.lists.articles import Article, known_as
from ranker.lists.filters import Filter
from ranker.lists.names import names_of, own_name
from ranker.serve.api.items import catalogue_fields, list_places
from ranker.serve.api.list_request import ArticleRequest
from ranker.serve.api.query import fault, quoted
from ranker.serve.api.refusals import check_age, existing_list, refusal, unread
from ranker.serve.live.board import Board
from ranker.serve.live.demand import Demand
from ranker.serve.live.hourly import Hourly, HourlyCounts
from ranker.serve.live.published import Published

HOURS_DEADLINE_S = 3.0
"""How long one answer waits for them; without the hours it goes out all the same."""
MAX_IDS = 16
"""Ids of one article that its hours are read for: each is looked for in every slice."""
MAX_ALIASES = 100
"""Ids that an answer names; all of them are counted."""
MAX_RANK_DETAILS = 100
"""Lists whose ranks are kept from one article to the next; a refresh makes them anew."""

_UNKNOWN = Article()


class _Found(NamedTuple):
    """One id and the article that it stands under, and every list; `counted`: whether one has counts of it, or may."""

    requested: str
    article_id: str
    lists: list[Published]
    counted: bool


class ArticleDetails:
    """Explains single articles."""

    def __init__(self, board: Board, demand: Demand, hourly: Hourly) -> None:
        self._board = board
        self._demand = demand
        self._hourly = hourly
        self._rank_details: dict[ListName, tuple[Published, int, RankDetails]] = {}

    async def answer(self, request: ArticleRequest, deadline_s: float) -> tuple[dict[str, Any], float]:
        """One article in every list: the answer's fields, and until when they hold (perf_counter).

        `article_id` is the normal form of the id as requested, or the id itself if that alone has counts. An id that
        was moved is answered for the article that it stands under: `alias_of` is that article, and all the rest is
        that article's, the counts of all its ids together. A hidden article is explained to clients that may see
        counts only. `count` is null if it could not be read in time. Raises ProblemError.
        """
        board = self._board
        generation = board.generation
        if generation is None:
            raise unread(board)
        site, counts = request.site, request.counts
        rule = board.site(site).ids
        found = await self._found(generation, request, request.ids[0], deadline_s)
        for other in request.ids[1:]:  # as lists have it if their topic's ids are not brought into the normal form
            if not found.counted:
                as_given = await self._found(generation, request, other, deadline_s)
                is_known = own_name(other, rule) in board.articles.of(site)
                found = as_given if as_given.counted or is_known else found
        now_ms, began = board.now_ms(), time.perf_counter()
        as_of_ms = min(published.as_of_ms for published in found.lists)
        check_age(now_ms - as_of_ms, board)
        article_id, aliases = found.article_id, board.articles.aliases(site)
        own, name = names_of(article_id, rule)
        article = known_as(board.articles.of(site), own, name) or _UNKNOWN
        known = article is not _UNKNOWN or found.requested in aliases or found.counted
        if not known or (article.hidden and not counts):
            raise refusal([fault("id", f"{quoted(found.requested)} is neither counted nor in the catalogue")], [], {})
        details = {one.name: self._list_details(one, now_ms).detail(article_id, request.edge) for one in found.lists}
        moved = sorted(old for old, to in aliases.items() if to == article_id)
        ids = [article_id, *moved]
        counted = any(one.count for one in details.values())
        hourly = await self._hours(found.lists[0], ids, request.client) if counts and counted else None
        content = {
            "site": site,
            "article_id": found.requested,
            **catalogue_fields(article),
            "hidden": article.hidden,
            "alias_of": article_id if article_id != found.requested else None,
            "aliases": moved[:MAX_ALIASES],
            "as_of": rfc3339(as_of_ms),
            "lists": [self._place(name, one, article_id, own, now_ms, counts=counts) for name, one in details.items()],
            "dropped": None if hourly is None else _dropped(hourly, generation),
            "hours": None if hourly is None else _hours(hourly, generation),
        }
        return content, began + (board.ages.gone_ms - (now_ms - as_of_ms)) / 1000

    def use(self, request: ArticleRequest) -> None:
        """Notes that an article's answer is still requested."""
        generation, site = self._board.generation, request.site
        if generation is not None:
            aliases = self._board.articles.aliases(site)
            for name in _names(generation, site):
                for requested in request.ids:
                    self._demand.keep_article(name, aliases.get(requested, requested).encode())

    async def _found(
        self, generation: Generation, request: ArticleRequest, requested: str, deadline_s: float
    ) -> _Found:
        article_id = self._board.articles.aliases(request.site).get(requested, requested)
        lists = await self._read(generation, request.site, article_id, deadline_s, request.client)
        counted = any(published.count_of(article_id.encode()) != 0 for published in lists)
        return _Found(requested, article_id, lists, counted)

    async def _read(
        self, generation: Generation, site: str, article_id: str, deadline_s: float, client: bytes
    ) -> list[Published]:
        """Every list with the article's count, as far as it can be had in time."""
        names, raw = _names(generation, site), article_id.encode()
        read = await asyncio.gather(*(self._demand.article(name, raw, deadline_s, client) for name in names))
        return [existing_list(one, site, self._board) for one in read]

    def _list_details(self, published: Published, now_ms: int) -> RankDetails:
        name = published.name
        changes = self._board.changes_of(name.site)
        kept = self._rank_details.pop(name, None)
        if kept is None or kept[0] is not published or kept[1] != changes:
            hide_unknown = self._board.site(name.site).hide_unknown
            articles = self._board.articles.of(name.site)
            kept = published, changes, RankDetails(published, articles, now_ms, hide_unknown=hide_unknown)
        self._rank_details[name] = kept
        if len(self._rank_details) > MAX_RANK_DETAILS:
            del self._rank_details[next(iter(self._rank_details))]
        return kept[2]

    def _place(
        self, name: ListName, detail: RankDetail, article_id: str, own: str, now_ms: int, *, counts: bool
    ) -> dict[str, Any]:
        moved = self._board.ranks(name).about(article_id, detail.rank, now_ms, own)
        return {
            "board": name.board,
            "window": name.window,
            "count": detail.count if counts else None,
            "rank": detail.rank,
            "listed_since": None if moved.entered_at_ms is None else rfc3339(moved.entered_at_ms),
            "best_rank": moved.best_rank,
            "to_above": detail.to_above if counts else None,
            "to_below": detail.to_below if counts else None,
            "to_edge": detail.to_edge if counts else None,
        }

    async def _hours(self, shown: Published, ids: Collection[str], client: bytes) -> HourlyCounts | None:
        """Read at the home of every id, and in shards that mark it as a stray; None for too many ids."""
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
        return await self._hourly.counts(generation, site, frozen, shown.as_of_ms, HOURS_DEADLINE_S, client)


def _names(generation: Generation, site: str) -> list[ListName]:
    return [ListName(site, board, window.name) for window in generation.windows for board in generation.boards]


def _hours(hourly: HourlyCounts, generation: Generation) -> list[Mapping[str, Any]] | None:
    if hourly.hours is None:
        return None
    weighed = hours.weighed(hourly.hours, generation.boards)
    return [{"from": rfc3339(hourly.from_ms + at * HOUR_MS), **by_board} for at, by_board in enumerate(weighed)]


def _dropped(hourly: HourlyCounts, generation: Generation) -> dict[str, int] | None:
    return None if hourly.hours is None else rules.dropped_by_rule(generation, hourly.hours)


@dataclass(frozen=True, slots=True)
class RankDetail:
    """Distances are counts, never negative; None if there is no such place, or the count is not known.

    `to_edge`: what an article outside the first places lacks to reach the last of them, or how far one inside is ahead
    of it.
    """

    count: int | None
    rank: int | None
    to_above: int | None
    to_below: int | None
    to_edge: int | None


class RankDetails:
    """One list without the articles that it does not show."""

    def __init__(
        self, published: Published, articles: Mapping[str, Article], now_ms: int, *, hide_unknown: bool
    ) -> None:
        self._published = published
        places = list_places(published, Filter(known=hide_unknown), articles, now_ms, PLACES).places
        self._ranks = {place.article_id: rank for rank, place in enumerate(places, 1)}
        self._counts = [place.count or 0 for place in places]

    def detail(self, article_id: str, edge: int) -> RankDetail:
        """`edge` is the place that distances to the list's edge are counted to, from 1."""
        count = self._published.count_of(article_id.encode())
        rank = self._ranks.get(article_id)
        if count is None:
            return RankDetail(None, None, None, None, None)
        to_edge = abs(count - self._counts[edge - 1]) if len(self._counts) >= edge else None
        if rank is None:
            return RankDetail(count, None, None, None, to_edge)
        above = self._counts[rank - 2] - count if rank > 1 else None
        below = count - self._counts[rank] if rank < len(self._counts) else None
        return RankDetail(count, rank, above, below, to_edge)
