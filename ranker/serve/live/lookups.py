"""What a refresh reads of a list beside its first places: aliases, articles that filters match, single articles."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from operator import itemgetter
from typing import TypeVar

from ranker.core.generation import ListName
from ranker.core.merge import ExtraKeys
from ranker.lists.articles import Articles
from ranker.lists.filters import BUDGET, Filter

_T = TypeVar("_T")

MAX_FILTERS = 32
"""Filters of all sites that look up articles at once; more have to do with the first places. Each looks through its
site's catalogue whenever that has changed (100,000 articles: 23 ms)."""
MAX_LISTS = 8
"""Lists that have such filters at once: together they bound what web traffic can cause in Redis."""
IN_USE_MS = 60_000
MAX_NAMED = 500
"""Single articles that are looked up at once, of all sites; of the client with most of them the oldest makes room."""
NAMED_MS = 10_000
"""How long a single article is read at every refresh after it was requested."""
AGAIN_MS = 10_000
"""How long a filter's articles are taken for the same while the catalogue does not change: time alone admits some."""
AT_ONCE = 5_000
"""Articles that are looked through without a pause: about a millisecond."""


def anybody() -> bytes:
    """Every look-up is allowed, and all are one client's."""
    return b""


class _Lookup:
    """One filter of one list: when it was requested last, and whether a refresh has tried to look its articles up.

    `client` has caused it.
    """

    def __init__(self, now_ms: int, client: bytes) -> None:
        self.used_ms = now_ms
        self.client = client
        self.tried = False


class Lookups:
    """Kept while requested, a minute at a time. The client that has caused most makes room for others."""

    def __init__(self) -> None:
        self._lookups: dict[ListName, dict[Filter, _Lookup]] = {}
        self._aliases: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        self._articles: dict[tuple[str, bytes], tuple[int, bytes]] = {}
        self._articles_by: dict[bytes, int] = {}
        """Client to how many of these it has caused; the one that caused the last comes last."""
        self._matching = Matching()

    def add_article(self, site: str, article: bytes, now_ms: int, client: bytes = b"") -> None:
        """Notes that one article's counts are requested, whatever its rank."""
        known = self._articles.pop((site, article), None)
        self._articles[site, article] = now_ms, known[1] if known else client  # the last one requested comes last
        if known is None:
            self._articles_by[client] = self._articles_by.pop(client, 0) + 1
        if len(self._articles) > MAX_NAMED:
            most = max(self._articles_by, key=self._articles_by.__getitem__)
            self._forget_article(next(named for named, (_, client) in self._articles.items() if client == most))

    def keep_article(self, site: str, article: bytes, now_ms: int) -> None:
        """Notes that an article is still requested; one that has made room for others is not taken again."""
        if (site, article) in self._articles:
            self.add_article(site, article, now_ms)

    def add(self, name: ListName, filter_: Filter, now_ms: int, payer: Callable[[], bytes | None] = anybody) -> bool:
        """Notes that a filter needs its articles looked up; true if the next refresh may do that for the first time.

        False if there is no room, if `payer` returns no client for a new one, or if refreshes have looked them up or
        found them to be over the budget: another request must not cause another refresh.
        """
        if not self.keep(name, filter_, now_ms):
            client = payer()
            if client is None or not self._has_room(name, filter_, client):
                return False
            self._lookups.setdefault(name, {})[filter_] = _Lookup(now_ms, client)
        return not self._lookups[name][filter_].tried

    def keep(self, name: ListName, filter_: Filter, now_ms: int) -> bool:
        """Notes that a filter is still in use; false if it is not looked up, or no longer."""
        lookup = self._lookups.get(name, {}).get(filter_)
        if lookup is not None:
            lookup.used_ms = now_ms
        return lookup is not None

    def _has_room(self, name: ListName, filter_: Filter, client: bytes) -> bool:
        """Whether one more filter of a list can be looked up, once others have made room for it."""
        lists = {of: next(iter(lookups.values())).client for of, lookups in self._lookups.items()}
        filters = {(of.site, each): lookups[each].client for of, lookups in self._lookups.items() for each in lookups}
        full_lists = name not in lists and len(lists) >= MAX_LISTS
        full_filters = (name.site, filter_) not in filters and len(filters) >= MAX_FILTERS
        list_ = _yields(lists, client) if full_lists else None
        found = _yields(filters, client) if full_filters else None
        if (full_lists and list_ is None) or (full_filters and found is None):
            return False
        if list_ is not None:
            self.forget(list_)
        if found is not None:
            for of in [of for of in self._lookups if of.site == found[0]]:
                self._drop(of, [found[1]])
        return True

    def _drop(self, name: ListName, filters: Iterable[Filter]) -> None:
        for filter_ in filters:
            self._lookups[name].pop(filter_, None)
        if not self._lookups[name]:
            del self._lookups[name]

    async def extra_keys(
        self, name: ListName, articles: Articles, changes: int, now_ms: int
    ) -> tuple[ExtraKeys, frozenset[Filter]]:
        """What to read of a list now, and the filters that this covers."""
        lookups = self._lookups.get(name, {})
        if lookups:
            self._drop(name, [old for old, lookup in lookups.items() if now_ms - lookup.used_ms > IN_USE_MS])
        self._matching.keep({(of.site, filter_) for of, filters in self._lookups.items() for filter_ in filters})
        found = []
        turns: Counter[bytes] = Counter()
        for filter_, lookup in list(lookups.items()):
            ids = await self._matching.ids(name.site, filter_, articles, changes, now_ms)
            lookup.tried = True
            if ids is not None:
                found.append((turns[lookup.client], len(ids), filter_, ids))
                turns[lookup.client] += 1
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
        wanted |= self._articles_named(name.site, now_ms)
        return ExtraKeys(self._encoded_aliases(name.site, articles, changes), frozenset(wanted)), frozenset(covered)

    def forget(self, name: ListName) -> None:
        self._lookups.pop(name, None)

    def _forget_article(self, named: tuple[str, bytes]) -> None:
        _, client = self._articles.pop(named)
        self._articles_by[client] -= 1
        if not self._articles_by[client]:
            del self._articles_by[client]

    def _articles_named(self, site: str, now_ms: int) -> frozenset[bytes]:
        while self._articles and now_ms - next(iter(self._articles.values()))[0] > NAMED_MS:
            self._forget_article(next(iter(self._articles)))
        return frozenset(article for named, article in self._articles if named == site)

    def _encoded_aliases(self, site: str, articles: Articles, changes: int) -> dict[bytes, bytes]:
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
    """The place that `client` gets of those taken: the oldest of the client with most, unless both had as many then."""
    taken = Counter(clients.values())
    ((most, places),) = taken.most_common(1)
    return next(place for place, of in clients.items() if of == most) if places > taken[client] + 1 else None


class _Found:
    """`ids` None: more than the budget."""

    def __init__(self, changes: int, now_ms: int, ids: frozenset[bytes] | None) -> None:
        self.changes = changes
        self.found_ms = now_ms
        self.ids = ids


class Matching:
    """Called by the refresh alone, which also changes the catalogue: nothing changes while it is searched."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Filter], _Found] = {}

    async def ids(
        self, site: str, filter_: Filter, articles: Articles, changes: int, now_ms: int
    ) -> frozenset[bytes] | None:
        """Every article of the site's catalogue that the filter admits; None if they are too many."""
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
