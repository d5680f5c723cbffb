"""The catalogue's articles that filters admit, found once for all lists of a site, without holding up the loop."""

from __future__ import annotations

import asyncio
from itertools import islice

from ranker.lists.articles import Articles
from ranker.lists.filters import BUDGET, Filter

AGAIN_MS = 10_000
"""How long a filter's articles are taken for the same while the catalogue does not change: time alone admits some."""
AT_ONCE = 5_000
"""Articles that are looked through without a pause: about a millisecond."""


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
