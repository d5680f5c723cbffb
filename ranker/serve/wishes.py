"""What each refresh asks of a list beside its first places: aliases, and the articles that filters look up by name."""

from __future__ import annotations

from collections.abc import Callable

from ranker.core.merge import Wish
from ranker.lists.articles import Articles
from ranker.lists.filters import BUDGET, Filter
from ranker.serve.matching import Matching
from ranker.store.question import ListName

MAX_FILTERS = 16
"""Filters of one list that look up articles at once; more have to do with the first places."""
MAX_LISTS = 8
"""Lists that have such filters at once: together they bound what web traffic can ask of Redis."""
IN_USE_MS = 60_000
MAX_NAMED = 500
"""Single articles that are looked up at once, of all sites; the one asked for longest ago makes room."""
NAMED_MS = 10_000
"""How long a single article is read at every refresh after it was asked for."""


def always() -> bool:
    """Every look-up is allowed."""
    return True


class _Asked:
    """One filter of one list: when it was asked for last, and whether a refresh has tried to look its articles up."""

    def __init__(self, now_ms: int) -> None:
        self.asked_ms = now_ms
        self.tried = False


class Wishes:
    """Kept while asked for, a minute at a time."""

    def __init__(self) -> None:
        self._asked: dict[ListName, dict[Filter, _Asked]] = {}
        self._aliases: dict[str, tuple[int, dict[bytes, bytes]]] = {}
        self._named: dict[tuple[str, bytes], int] = {}
        self._matching = Matching()

    def name(self, site: str, article: bytes, now_ms: int) -> None:
        """Notes that one article's counts are asked for, wherever it stands."""
        self._named.pop((site, article), None)
        self._named[site, article] = now_ms  # the last one asked for stands last
        if len(self._named) > MAX_NAMED:
            del self._named[next(iter(self._named))]

    def ask(self, name: ListName, filter_: Filter, now_ms: int, may: Callable[[], bool] = always) -> bool:
        """Notes that a filter needs its articles looked up; true where the next refresh may do that for the first time.

        False where no more can be, `may` says no to a new one, or refreshes do so already or have found it to be over
        the budget: whoever asks again must not cause another one.
        """
        asked = self._asked.get(name)
        if asked is None:
            if len(self._asked) >= MAX_LISTS:
                return False
            asked = self._asked[name] = {}
        about = asked.get(filter_)
        if about is None:
            if len(asked) >= MAX_FILTERS or not may():
                return False
            about = asked[filter_] = _Asked(now_ms)
        about.asked_ms = now_ms
        return not about.tried

    async def of(self, name: ListName, articles: Articles, changes: int, now_ms: int) -> tuple[Wish, frozenset[Filter]]:
        """What to ask of a list now, and the filters that are covered by that."""
        asked = self._asked.get(name, {})
        for filter_ in [old for old, about in asked.items() if now_ms - about.asked_ms > IN_USE_MS]:
            del asked[filter_]
        if not asked:
            self._asked.pop(name, None)
        self._matching.keep({(of.site, filter_) for of, filters in self._asked.items() for filter_ in filters})
        wanted: frozenset[bytes] = frozenset()
        covered = set()
        for filter_, about in list(asked.items()):
            ids = await self._matching.ids(name.site, filter_, articles, changes, now_ms)
            about.tried = True
            if ids is not None and len(wanted | ids) <= BUDGET:
                wanted |= ids
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
        aliases = articles.aliases(site)
        if not aliases:
            self._aliases.pop(site, None)  # nothing is kept of sites that clients invent
            return {}
        kept = self._aliases.get(site)
        if kept is None or kept[0] != changes:
            encoded = {moved.encode(): to.encode() for moved, to in aliases.items()}
            kept = self._aliases[site] = (changes, encoded)
        return kept[1]
