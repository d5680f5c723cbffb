"""The JSON of a list, from the board: its own places, and those of longer windows. After list_request, before items."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ranker.core import rules
from ranker.core.generation import LATEST, Generation, ListName, Window
from ranker.core.times import rfc3339
from ranker.lists.articles import Article, known_as
from ranker.lists.filters import Filter
from ranker.lists.names import name_of
from ranker.serve.api import items, receipts
from ranker.serve.api.list_request import ListRequest
from ranker.serve.api.query import Query, fault
from ranker.serve.api.refusals import check_age, existing_list, refusal, send_token, unknown_site, unread
from ranker.serve.api.spread import Spread
from ranker.serve.live.board import Board
from ranker.serve.live.demand import Demand
from ranker.serve.live.published import Published
from ranker.serve.live.same_moment import SameMoment


class Lists:
    """What lists answer, as of now."""

    def __init__(
        self, board: Board, demand: Demand, pays_look_up: Callable[[bytes], bytes | None] = lambda client: client
    ) -> None:
        """`pays_look_up` returns the client that pays for a filter's first look-up; None if it may cause no more."""
        self._board = board
        self._demand = demand
        self._pays_look_up = pays_look_up
        self._newest = _Newest(board)
        self._same_moment = SameMoment(board, demand)

    async def answer(self, request: ListRequest, deadline_s: float) -> tuple[dict[str, Any], float]:
        """The answer's fields, read and looked up as far as can be in time, and until when they hold (perf_counter).

        Raises ProblemError for what does not exist, has not been read, or is too old.
        """
        board, name = self._board, request.name
        published = None
        if name.board == LATEST:
            if board.knows(name.site) is None:
                raise refusal([unknown_site(name.site)], [], {})
            await self.read(name, request.query, deadline_s)
            age_ms = board.now_ms() - board.articles_read_ms
        else:
            published = existing_list(await self.read(name, request.query, deadline_s), name.site, board)
            age_ms = published.age_ms(board.now_ms())
        check_age(age_ms, board, published)
        content = await self._full(request, deadline_s)
        if content is None:
            raise unread(board)
        seldom_ms = 0 if published is None else published.every_ms
        left_ms = (board.ages.gone_ms if content["stale"] else board.ages.stale_ms + seldom_ms) - age_ms
        return content, time.perf_counter() + left_ms / 1000

    async def read(self, name: ListName, query: Query, deadline_s: float) -> Published | None:
        """Has every list read that an answer takes; the list itself, None if it cannot be had in time."""
        own, others = self._chain(name, query), _others(name, query)
        if self._board.is_rising(name):  # it is read once a minute, so at no other list's moment
            await self._demand.first_of_all(others, deadline_s)
            others = []
        read = await self._demand.first_of_all([*own, *others], deadline_s)
        return read[0] if read and name.board != LATEST else None

    def use(self, name: ListName) -> None:
        """Notes that a list's answer is still requested."""
        if name.board != LATEST:
            self._demand.use(name)

    async def _full(self, request: ListRequest, deadline_s: float) -> dict[str, Any] | None:
        name, query, counts, client = request
        content, lacking = self._content(name, query, counts=counts)
        if lacking:
            filter_ = self._filter(name.site, query).in_catalogue
            for one in lacking:
                await self._demand.look_up(one, filter_, deadline_s, lambda: self._pays_look_up(client))
            content, _ = self._content(name, query, counts=counts)
        return content

    def content(self, name: ListName, query: Query, *, counts: bool) -> dict[str, Any] | None:
        """The answer's fields as of now; None if the list has not been read. `counts`: whether they are shown."""
        return self._content(name, query, counts=counts)[0]

    def _content(self, name: ListName, query: Query, *, counts: bool) -> tuple[dict[str, Any] | None, list[ListName]]:
        """The fields, and the lists that may have more for them than was read."""
        generation = self._board.generation
        if generation is None or not self._has(generation, name):
            return None, []
        if name.board == LATEST:
            return self._latest(name, query, generation), []
        (published, *others), agree = self._same_moment.lists([name, *_others(name, query)])
        if published is None:
            return None, []
        short = False
        now_ms = self._board.now_ms()
        articles = self._board.articles.of(name.site)
        filter_ = self._filter(name.site, query)
        left_out, others_whole = self._left_out(query, others, articles, now_ms)
        spread = Spread(query.offset + query.limit, query.max_per, left_out)
        lacking: list[ListName] = []
        for one in self._chain(name, query):
            shown = published if one == name else self._demand.use(one)
            if shown is None:
                continue
            part = items.list_places(shown, filter_, articles, now_ms, spread.left, spread.takes)
            spread.add(part.places)
            if filter_.in_catalogue in shown.covered:
                self._demand.keep_filter(one, filter_.in_catalogue)
            elif part.short and shown.rises is None:
                lacking.append(one)
            if one == name:
                short = part.short
        if query.fallback:
            newest = self._newest.article_ids(name.site)
            spread.add(items.newest(newest, filter_, articles, now_ms, spread.left, spread.takes).places)
        places = spread.places
        is_rising = published.rises is not None
        ranks = None if query.filtered or is_rising else self._board.ranks(name)
        span, age_ms = published.read.span, published.age_ms(now_ms)
        is_stale = published.is_stale(now_ms, self._board.ages)
        behind, paused_ms = published.behind(self._board.ages), published.read.paused_until_ms
        content: dict[str, Any] = {
            "site": name.site,
            "board": name.board,
            "window": _window(published.window, span.from_ms, span.as_of_ms),
            "as_of": rfc3339(span.as_of_ms),
            "complete": (
                span.complete
                and (agree or is_rising)
                and others_whole
                and not short
                and not behind
                and age_ms >= 0
                and not (is_rising and is_stale)
            ),
            "stale": is_stale,
            "total": published.read.total if counts else None,
            "rules": list(rules.in_force(published.generation)),
            "dropped": rules.dropped_by_rule(published.generation, [published.read.outcomes]) if counts else None,
            "rules_paused": rfc3339(paused_ms) if paused_ms > span.from_ms else None,
        }
        if behind:
            content["behind"] = items.shards_behind(behind)
        if ranks is not None:
            content["history"] = items.history(ranks)
        if query.max_per:
            content["skipped"] = spread.skipped
        if query.fallback:
            content["fallback"] = list(dict.fromkeys(place.origin for place in places))
        if query.receipt:
            every = self._filter(name.site, Query())
            if not query.names_hidden and receipts.names_hidden(published, every, articles, now_ms):
                mend = send_token(self._board.site(name.site))
                why = f"an article that is not shown has moved, and its name would be among the aliases; {mend}"
                raise refusal([], [fault("receipt", why)], {})
            content["receipt"] = receipts.receipt(published, every, articles, now_ms)
        content["items"] = list(items.items(places, query, ranks, name.window, now_ms, counts=counts, rising=is_rising))
        return content, lacking

    def _latest(self, name: ListName, query: Query, generation: Generation) -> dict[str, Any]:
        now_ms = self._board.now_ms()
        window = next(window for window in generation.windows if window.name == name.window)
        filter_ = self._filter(name.site, query)
        within_ms = min(window.length_ms, filter_.within_ms or window.length_ms)
        articles = self._board.articles.of(name.site)
        others, _ = self._same_moment.lists(_others(name, query))
        left_out, others_whole = self._left_out(query, others, articles, now_ms)
        spread = Spread(query.offset + query.limit, query.max_per, left_out)
        newest = self._newest.article_ids(name.site)
        in_window = replace(filter_, within_ms=within_ms)
        places = items.newest(newest, in_window, articles, now_ms, spread.left, spread.takes)
        spread.add(places.places)
        if query.fallback and not places.short:
            spread.add(items.newest(newest, filter_, articles, now_ms, spread.left, spread.takes).places)
        read_ms = self._board.articles_read_ms
        content: dict[str, Any] = {
            "site": name.site,
            "board": LATEST,
            "window": _window(Window(window.name, window.length_ms, 0), read_ms - window.length_ms, read_ms),
            "as_of": rfc3339(read_ms),
            "complete": not places.short and others_whole,
            "stale": now_ms - read_ms > self._board.ages.stale_ms,
            "total": None,
            "rules": [],
            "dropped": None,
            "rules_paused": None,
        }
        if query.max_per:
            content["skipped"] = spread.skipped
        if query.fallback:
            content["fallback"] = [LATEST] if spread.places else []
        content["items"] = list(items.items(spread.places, query, None, name.window, now_ms, counts=False))
        return content

    def _left_out(
        self, query: Query, others: Sequence[Published | None], articles: Mapping[str, Article], now_ms: int
    ) -> tuple[set[str], bool]:
        """The articles in the first places of other lists as they are shown, and whether that is all of them."""
        names: set[str] = set()
        is_whole = True
        for other, shown in zip(query.unless, others, strict=True):
            if shown is None:
                is_whole = False
                continue
            every = self._filter(shown.name.site, Query())
            first = items.list_places(shown, every, articles, now_ms, other.places)
            names.update(place.name for place in first.places)
            is_current = shown.read.span.complete and not shown.behind(self._board.ages) and shown.age_ms(now_ms) >= 0
            is_whole = is_whole and is_current and not first.short
        return names, is_whole

    def _chain(self, name: ListName, query: Query) -> list[ListName]:
        """The list, and those of longer windows that fill it up."""
        generation = self._board.generation
        if name.board == LATEST or generation is None or not self._has(generation, name):
            return []
        if self._board.is_rising(name):
            return [name]
        windows = [window.name for window in generation.windows]
        longer = windows[windows.index(name.window) + 1 :] if query.fallback else []
        return [name, *(name._replace(window=window) for window in longer)]

    def _filter(self, site: str, query: Query) -> Filter:
        return replace(query.filter, known=True) if self._board.site(site).hide_unknown else query.filter

    def _has(self, generation: Generation, name: ListName) -> bool:
        """Whether there is such a list; another generation may have come since the request was parsed."""
        named = name.board == LATEST or name.board in generation.boards
        counted = named and any(window.name == name.window for window in generation.windows)
        return counted or self._board.is_rising(name)


def _others(name: ListName, query: Query) -> list[ListName]:
    """The lists that this one is without."""
    return [name._replace(board=other.board, window=other.window) for other in query.unless]


def _window(window: Window, from_ms: int, to_ms: int) -> dict[str, Any]:
    return {
        "name": window.name,
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "grain_s": window.grain_ms // 1000,
    }


class _Newest:
    """One order for each site, made when it is needed (100,000 articles: some 50 ms, once for each change)."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._orders: dict[str, tuple[int, list[str]]] = {}

    def article_ids(self, site: str) -> Sequence[str]:
        """Article ids, by time of publication, then by id, both downwards; without hidden, undated and moved ones."""
        if site not in self._board.articles.sites:
            return ()  # nothing is kept of sites that clients invent
        changes = self._board.changes_of(site)
        kept = self._orders.get(site)
        if kept is None or kept[0] != changes:
            moved = self._board.articles.aliases(site)
            dated = [
                (article.published_at, article_id)
                for article_id, article in self._board.articles.of(site).items()
                if article.published_at is not None
                and not article.hidden
                and article_id not in moved
                and not (("?" in article_id or "#" in article_id) and self._is_hidden(site, article_id))
            ]
            dated.sort(reverse=True)
            kept = self._orders[site] = (changes, [article_id for _, article_id in dated])
        return kept[1]

    def _is_hidden(self, site: str, own: str) -> bool:
        """Whether an address with its query or fragment is hidden, by itself or with the others of its name."""
        article = known_as(self._board.articles.of(site), own, name_of(own, self._board.site(site).ids))
        return article is not None and article.hidden
