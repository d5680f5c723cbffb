"""What each refresh asks of a list beside its first places: aliases, and the articles that filters look up by name."""

from __future__ import annotations

from itertools import islice

from ranker.core.merge import Wish
from ranker.lists.articles import Articles
from ranker.lists.filters import BUDGET, Filter
from ranker.store.reader import ListName

MAX_FILTERS = 16
"""Filters of one list that look up articles at once; more have to do with the first places."""
MAX_LISTS = 32
"""Lists that have such filters at once: together they bound what web traffic can ask of Redis."""
IN_USE_MS = 60_000
AGAIN_MS = 10_000
"""How long a filter's articles are taken for the same while the catalogue does not change: time alone admits some."""
MAX_NAMED = 500
"""Single articles that are looked up at once, of all sites; the one asked for longest ago makes room."""
NAMED_MS = 10_000
"""How long a single article is read at every refresh after it was asked for."""


class _Asked:
    """One filter of one list: when it was asked for last, and its articles; None: they are more than the budget."""

    def __init__(self, now_ms: int) -> None:
        self.asked_ms = now_ms
        self.found_ms = 0
        self.changes = -1
        self.ids: frozenset[bytes] | None = None

    def find(self, filter_: Filter, articles: Articles, site: str, changes: int, now_ms: int) -> None:
        if changes != self.changes or now_ms - self.found_ms > AGAIN_MS:
            found = frozenset(
                article_id.encode() for article_id in islice(filter_.matching(articles.of(site), now_ms), BUDGET + 1)
            )
            self.ids = found if len(found) <= BUDGET else None
            self.changes, self.found_ms = changes, now_ms


class Wishes:
    """Kept while asked for, a minute at a time."""

    def __init__(self) -> None:
        self._asked: dict[ListName, dict[Filter, _Asked]] = {}
        self._aliases: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        self._named: dict[tuple[str, bytes], int] = {}

    def name(self, site: str, article: bytes, now_ms: int) -> None:
        """Notes that one article's counts are asked for, wherever it stands."""
        self._named.pop((site, article), None)
        self._named[site, article] = now_ms  # the last one asked for stands last
        if len(self._named) > MAX_NAMED:
            del self._named[next(iter(self._named))]

    def ask(self, name: ListName, filter_: Filter, now_ms: int) -> bool:
        """Notes that a filter needs its articles looked up; false where no more can be."""
        asked = self._asked.get(name)
        if asked is None:
            if len(self._asked) >= MAX_LISTS:
                return False
            asked = self._asked[name] = {}
        if filter_ in asked:
            asked[filter_].asked_ms = now_ms
        elif len(asked) < MAX_FILTERS:
            asked[filter_] = _Asked(now_ms)
        else:
            return False
        return True

    def of(self, name: ListName, articles: Articles, changes: int, now_ms: int) -> tuple[Wish, frozenset[Filter]]:
        """What to ask of a list now, and the filters that are covered by that."""
        asked = self._asked.get(name, {})
        for filter_ in [old for old, about in asked.items() if now_ms - about.asked_ms > IN_USE_MS]:
            del asked[filter_]
        if not asked:
            self._asked.pop(name, None)
        wanted: frozenset[bytes] = frozenset()
        covered = set()
        for filter_, about in asked.items():
            about.find(filter_, articles, name.site, changes, now_ms)
            if about.ids is not None and len(wanted | about.ids) <= BUDGET:
                wanted |= about.ids
                covered.add(filter_)
        wanted |= self._named_of(name.site, now_ms)
        return Wish(self._aliases_of(name.site, articles, changes), wanted), frozenset(covered)

    def forget(self, name: ListName) -> None:
        self._asked.pop(name, None)

    def _named_of(self, site: str, now_ms: int) -> frozenset[bytes]:
        while self._named and now_ms - next(iter(self._named.values())) > NAMED_MS:
            del self._named[next(iter(self._named))]
        return frozenset(article for named, article in self._named if named == site)

    def _aliases_of(self, site: str, articles: Articles, changes: int) -> dict[bytes, bytes]:
        kept = self._aliases.get(site)
        if kept is None or kept[0] != changes:
            encoded = {moved.encode(): to.encode() for moved, to in articles.aliases(site).items()}
            kept = self._aliases[site] = (changes, encoded)
        return kept[1]
