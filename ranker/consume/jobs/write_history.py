"""Writes the rank history: every list as it was at the full hour. Each consumer does it for its own generation.

The first writer of an entry wins, so consumers that write at once only waste work. Nothing waits for the history, and
counts do not depend on it: if no complete list can be read in time, the hour stays unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

from ranker.core.generation import Generation, ListName
from ranker.core.merge import ExtraKeys
from ranker.core.times import HOUR_MS
from ranker.lists.articles import Article, Articles, known_as
from ranker.lists.catalogue import Catalogue
from ranker.lists.filters import Filter
from ranker.lists.names import names_of
from ranker.metrics import ConsumerMetrics
from ranker.service.periodic import periodic
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.history import PLACES, settle, settled_hour, write_ranks
from ranker.store.reader import ListRead, Reader
from schemas.article_id import DEFAULT, IdRule

log = logging.getLogger(__name__)

MAX_SITES = 1_000
"""Sites whose lists are written; configured ones first."""
PATIENCE_MS = HOUR_MS // 2
"""How long after the hour its lists may still be written: ranks are compared with entries of at least this age, and
against an entry that was just written no rank would have moved."""

_TRY_S = (10.0, 300.0)
"""Pause between two attempts, and its maximum: it grows while lists of the hour cannot be written."""
_CATALOGUE_ROUNDS = 10
"""Of 100,000 changes each."""


class HistoryWriter:
    """`sites` are the configured ones with their rules for article ids, `partitions` returns how many shards make a
    list (0: not known yet). Sites in `hide_unknown` list only articles of the catalogue.
    """

    def __init__(
        self,
        client: Any,
        generation: Generation,
        sites: Mapping[str, IdRule],
        partitions: Callable[[], int],
        now_ms: Callable[[], int],
        metrics: ConsumerMetrics,
        hide_unknown: Collection[str] = (),
    ) -> None:
        self._client = client
        self._generation = generation
        self._sites = sites
        self._partitions = partitions
        self._now_ms = now_ms
        self._metrics = metrics
        self._hide_unknown = frozenset(hide_unknown)
        self._reader = Reader(client)
        self._hour = 0
        self._done: set[str] = set()
        """Sites whose lists of the hour are all written."""
        self._found_ms = now_ms()
        metrics.history_age_seconds.set_function(lambda: max(0, self._now_ms() - self._found_ms) / 1000)

    async def run(self) -> None:
        """Tries every ten seconds or so, until cancelled; an error is logged once, and the write tried again."""
        await periodic(
            _TRY_S[0],
            lambda: self.write_due(self._now_ms()),
            "rank history is not written",
            (StoreUnavailableError, StoreFullError),
            at_most_s=_TRY_S[1],
            spread=0.5,  # consumers that were started together should not do the same work together
            never_ends=True,  # the history must not be able to stop the counting
        )

    async def write_due(self, now_ms: int) -> bool:
        """Writes the lists of this hour that are not written yet; returns whether none of them is left to write.

        Raises StoreUnavailableError and StoreFullError.
        """
        hour = now_ms // HOUR_MS
        if await settled_hour(self._client, self._generation.id) == hour:
            self._found_ms = now_ms
            return True
        if now_ms - hour * HOUR_MS >= PATIENCE_MS:
            return True
        partitions = self._partitions()
        if not partitions:
            return False
        snapshot = await self._reader.refresh(self._generation, partitions, (), {}, {})
        if snapshot.answered < partitions:
            return False
        if hour != self._hour:
            self._hour, self._done = hour, set()
        sites = [*sorted(self._sites), *sorted(snapshot.sites.difference(self._sites))]
        if len(sites) > MAX_SITES or not snapshot.all_sites:
            log.warning("rank history of %d sites only; name those that matter in ranker.toml", MAX_SITES)
        articles = await self._articles()
        written = 0
        due = [site for site in sites[:MAX_SITES] if site not in self._done]
        for site in due:
            written += await self._write(site, hour, partitions, articles)
        settled = self._done.issuperset(due)
        log.info("ranks written", extra={"hour": hour, "sites": len(due), "lists": written, "all": settled})
        if settled:
            await settle(self._client, self._generation.id, hour)
            self._found_ms = now_ms
            self._done.clear()  # if Redis loses the history, the next attempt writes it again
        return settled

    async def _articles(self) -> Articles:
        """The catalogue now. Read anew each hour (100,000 articles: 0.5 s): to keep it would take 75 MB for good."""
        catalogue = Catalogue(self._client, self._now_ms, self._sites)
        for _ in range(_CATALOGUE_ROUNDS):
            if not await catalogue.follow():
                break
        return catalogue.articles

    async def _write(self, site: str, hour: int, partitions: int, articles: Articles) -> int:
        """Writes those of a site's lists that are complete at this hour; returns how many were not written before.

        An empty list is written too if the site has others, so that the next article in it is "new".
        """
        names = [ListName(site, board, w.name) for w in self._generation.windows for board in self._generation.boards]
        moved = {old.encode(): new.encode() for old, new in articles.aliases(site).items()}
        extras = dict.fromkeys(names, ExtraKeys(aliases=moved))
        read = (await self._reader.refresh(self._generation, partitions, names, {}, extras)).lists
        ready = {name: one for name, one in read.items() if one.span.complete and one.span.as_of_ms // HOUR_MS == hour}
        written = 0
        if any(one.merged.rows for one in read.values()):
            known, rule, hide_unknown = articles.of(site), self._sites.get(site, DEFAULT), site in self._hide_unknown
            ranks = {name: shown(one, known, rule, hide_unknown=hide_unknown) for name, one in ready.items()}
            written = await write_ranks(self._client, self._generation.id, hour, ranks)
            self._metrics.history_written.inc(written)
        if len(ready) == len(names):
            self._done.add(site)
        return written


def shown(read: ListRead, articles: Mapping[str, Article], rule: IdRule, *, hide_unknown: bool) -> list[str]:
    """The ids in the first places as readers publish them, without hidden articles."""
    published = Filter(known=hide_unknown)

    def is_shown(article_id: str) -> bool:
        own, name = names_of(article_id, rule)
        return published.admits(own, known_as(articles, own, name), 0)

    ids = (raw.decode() for _, raw in read.merged.rows)
    return list(islice(filter(is_shown, ids), PLACES))
