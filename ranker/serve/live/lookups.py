"""What each refresh asks of a list beside its first places: aliases, and the articles that filters look up by name."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from operator import itemgetter
from typing import TypeVar

from ranker.core.merge import ExtraKeys
from ranker.lists.articles import Articles
from ranker.lists.filters import BUDGET, Filter
from ranker.store.shard_query import ListName

_T = TypeVar("_T")

MAX_FILTERS = 32
"""Filters of all sites that look up articles at once; more have to do with the first places. Each looks through its
site's catalogue whenever that has changed (100,000 articles: 23 ms)."""
MAX_LISTS = 8
"""Lists that have such filters at once: together they bound what web traffic can ask of Redis."""
IN_USE_MS = 60_000
MAX_NAMED = 500
"""Single articles that are looked up at once, of all sites; of the client with most of them the oldest makes room."""
NAMED_MS = 10_000
"""How long a single article is read at every refresh after it was asked for."""
AGAIN_MS = 10_000
"""How long a filter's articles are taken for the same while the catalogue does not change: time alone admits some."""
AT_ONCE = 5_000
"""Articles that are looked through without a pause: about a millisecond."""


def anybody() -> bytes:
    """Every look-up is allowed, and all are one client's."""
    return b""


class _Asked:
    """One filter of one list: when it was asked for last, and whether a refresh has tried to look its articles up.

    `client` has caused the look-up.
    """

    def __init__(self, now_ms: int, client: bytes) -> None:
        self.asked_ms = now_ms
        self.client = client
        self.tried = False


class Lookups:
    """Kept while asked for, a minute at a time. The client that has caused most makes room for others."""

    def __init__(self) -> None:
        self._asked: dict[ListName, dict[Filter, _Asked]] = {}
        self._aliases: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        self._named: dict[tuple[str, bytes], tuple[int, bytes]] = {}
        self._matching = Matching()

    def name(self, site: str, article: bytes, now_ms: int, client: bytes = b"") -> None:
        """Notes that one article's counts are asked for, wherever it stands."""
        _, first = self._named.pop((site, article), (0, client))
        self._named[site, article] = now_ms, first  # the last one asked for stands last
        if len(self._named) > MAX_NAMED:
            del self._named[_oldest_of_most({named: of for named, (_, of) in self._named.items()})]

    def ask(self, name: ListName, filter_: Filter, now_ms: int, payer: Callable[[], bytes | None] = anybody) -> bool:
        """Notes that a filter needs its articles looked up; true where the next refresh may do that for the first time.

        False where no more can be, `payer` names no client for a new one, or refreshes do so already or have found it
        to be over the budget: whoever asks again must not cause another one.
        """
        if not self.keep(name, filter_, now_ms):
            client = payer()
            if client is None or not self._has_room(name, filter_, client):
                return False
            self._asked.setdefault(name, {})[filter_] = _Asked(now_ms, client)
        return not self._asked[name][filter_].tried

    def keep(self, name: ListName, filter_: Filter, now_ms: int) -> bool:
        """Notes that a filter is still in use; false where it is not looked up, or no longer."""
        about = self._asked.get(name, {}).get(filter_)
        if about is not None:
            about.asked_ms = now_ms
        return about is not None

    def _has_room(self, name: ListName, filter_: Filter, client: bytes) -> bool:
        """Whether one more filter of a list can be looked up, once others have made room for it as far as they must."""
        lists = {of: next(iter(asked.values())).client for of, asked in self._asked.items()}
        filters = {(of.site, each): asked[each].client for of, asked in self._asked.items() for each in asked}
        full_lists = name not in lists and len(lists) >= MAX_LISTS
        full_filters = (name.site, filter_) not in filters and len(filters) >= MAX_FILTERS
        list_ = _yields(lists, client) if full_lists else None
        found = _yields(filters, client) if full_filters else None
        if (full_lists and list_ is None) or (full_filters and found is None):
            return False
        if list_ is not None:
            self.forget(list_)
        if found is not None:
            for of in [of for of in self._asked if of.site == found[0]]:
                self._drop(of, [found[1]])
        return True

    def _drop(self, name: ListName, filters: Iterable[Filter]) -> None:
        for filter_ in filters:
            self._asked[name].pop(filter_, None)
        if not self._asked[name]:
            del self._asked[name]

    async def of(
        self, name: ListName, articles: Articles, changes: int, now_ms: int
    ) -> tuple[ExtraKeys, frozenset[Filter]]:
        """What to ask of a list now, and the filters that are covered by that."""
        asked = self._asked.get(name, {})
        if asked:
            self._drop(name, [old for old, about in asked.items() if now_ms - about.asked_ms > IN_USE_MS])
        self._matching.keep({(of.site, filter_) for of, filters in self._asked.items() for filter_ in filters})
        found = []
        turns: Counter[bytes] = Counter()
        for filter_, about in list(asked.items()):
            ids = await self._matching.ids(name.site, filter_, articles, changes, now_ms)
            about.tried = True
            if ids is not None:
                found.append((turns[about.client], len(ids), filter_, ids))
                turns[about.client] += 1
        wanted: set[bytes] = set()
        covered = set()
        left = 2 * BUDGET  # filters that find the same articles take time too: 32 of them 60 ms, for each list
        found.sort(key=itemgetter(0, 1))  # each client's first one, the narrowest of them first; then their second ones
        for _, _, filter_, ids in found:
            if len(ids) > left:
                continue
            left -= len(ids)
            new = ids - wanted
            if len(wanted) + len(new) <= BUDGET:
                wanted |= new
                covered.add(filter_)
        wanted |= self._named_of(name.site, now_ms)
        return ExtraKeys(self._aliases_of(name.site, articles, changes), frozenset(wanted)), frozenset(covered)

    def forget(self, name: ListName) -> None:
        self._asked.pop(name, None)

    def _named_of(self, site: str, now_ms: int) -> frozenset[bytes]:
        while self._named and now_ms - next(iter(self._named.values()))[0] > NAMED_MS:
            del self._named[next(iter(self._named))]
        return frozenset(article for named, article in self._named if named == site)

    def _aliases_of(self, site: str, articles: Articles, changes: int) -> dict[bytes, bytes]:
        aliases = articles.aliases(site)
        if not aliases:
            self._aliases.pop(site, None)  # nothing is kept of sites that clients invent
            return {}
        kept = self._aliases.get(site)
        if kept is None or kept[0] != changes:
            encoded = {moved.encode(): to.encode() for moved, to in aliases.items()}
            kept = self._aliases[site] = (changes, encoded)
        return kept[1]


def _yields(clients: Mapping[_T, bytes], client: bytes) -> _T | None:
    """Whose place `client` gets of all that are taken: the oldest one of who has most, unless it has as many then."""
    oldest = _oldest_of_most(clients)
    taken = Counter(clients.values())
    return oldest if taken[clients[oldest]] > taken[client] + 1 else None


def _oldest_of_most(clients: Mapping[_T, bytes]) -> _T:
    (most, _) = Counter(clients.values()).most_common(1)[0]
    return next(place for place, client in clients.items() if client == most)


class _Found:
    """`ids` None: more than the budget."""

    def __init__(self, changes: int, now_ms: int, ids: frozenset[bytes] | None) -> None:
        self.changes = changes
        self.found_ms = now_ms
        self.ids = ids


class Matching:
    """Called by the refresh alone, which is also what changes the catalogue: it stands still during a look."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Filter], _Found] = {}

    async def ids(
        self, site: str, filter_: Filter, articles: Articles, changes: int, now_ms: int
    ) -> frozenset[bytes] | None:
        """Every article of the site's catalogue that the filter admits; None where they are too many."""
        found = self._found.get((site, filter_))
        if found is None or changes != found.changes or now_ms - found.found_ms > AGAIN_MS:
            ids = await _look(filter_, articles, site, now_ms)
            found = self._found[site, filter_] = _Found(changes, now_ms, ids)
        return found.ids

    def keep(self, used: set[tuple[str, Filter]]) -> None:
        """Forgets all others."""
        for key in self._found.keys() - used:
            del self._found[key]


async def _look(filter_: Filter, articles: Articles, site: str, now_ms: int) -> frozenset[bytes] | None:
    found: set[bytes] = set()
    entries = iter(articles.of(site).items())
    while some := dict(islice(entries, AT_ONCE)):
        found.update(article_id.encode() for article_id in filter_.matching(some, now_ms))
        if len(found) > BUDGET:
            return None
        await asyncio.sleep(0)
    return frozenset(found)
