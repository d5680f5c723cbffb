"""Keeps the articles in memory up to date with Redis. If Redis is filled anew, reads them anew beside the old ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ranker.lists.articles import Articles
from ranker.store.topic_copy import Position, read_changes
from schemas.article_id import IdRule

log = logging.getLogger(__name__)

PAGES = 100
"""Pages of changes read per refresh: 100,000 articles at the start, a few at a time after it."""
SETTLED_MS = 60_000
"""A catalogue filled anew replaces the old one when it has reached its offset, or has not grown for so long."""


class Catalogue:
    """`articles` are those to show.

    Under a new lineage the consumer copies the topic from its start into Redis. Meanwhile the old articles stay, with
    all changes applied: a removal that is not copied yet must not come undone. Then the new catalogue replaces them,
    without articles that the topic no longer contains.
    """

    def __init__(self, client: Any, now_ms: Callable[[], int], rules: Mapping[str, IdRule]) -> None:
        """`rules` are the sites' rules for article ids."""
        self._client = client
        self._now_ms = now_ms
        self._rules = rules
        self.articles = Articles(rules)
        self._positions: dict[int, Position] = {}
        self._anew: Articles | None = None
        self._reached: dict[int, int] = {}
        self._grew_ms: int | None = None
        self.level = False
        """Whether `articles` once had all that the topic had: before that nobody knows what was taken down."""
        self._levels: set[int] = set()
        self._changed: set[str] = set()
        """Sites that have changed and were not returned yet: `follow` raised after it had read some."""

    async def follow(self) -> set[str]:
        """Applies the changes; returns the sites they belong to. Raises StoreUnavailableError; nothing is lost then.

        A partition that does not exist yet is tried again next time.
        """
        partition, partitions = 0, 1
        for _ in range(PAGES):
            position = self._positions.get(partition, Position())
            changes = await read_changes(self._client, partition, position)
            partitions = max(partitions, changes.partitions)
            if position.lineage and changes.position.lineage != position.lineage:
                self._start_over()
                partition = 0
                continue
            self._changed |= self.articles.apply(changes.records)
            if self._anew is not None and changes.records:
                self._anew.apply(changes.records)
                self._grew_ms = self._now_ms()
            if changes.level:
                self._levels.add(partition)
            self._positions[partition] = changes.position  # only now: changes that were not applied are read again
            if changes.more:
                continue
            partition += 1
            if partition == partitions:
                self.level |= len(self._levels) == partitions
                self._changed |= self._settle()
                break
        changed, self._changed = self._changed, set()
        return changed

    def _start_over(self) -> None:
        log.info("the catalogue is filled anew; reading it from the start")
        for partition, position in self._positions.items():
            self._reached[partition] = max(position.n, self._reached.get(partition, 0))
        self._positions.clear()
        self._levels.clear()
        self._anew = Articles(self._rules)
        self._grew_ms = None

    def _settle(self) -> set[str]:
        """Replaces the old catalogue once the new one is complete; returns the sites of both."""
        if self._anew is None:
            return set()
        reached = all(self._positions.get(partition, Position()).n >= n for partition, n in self._reached.items())
        settled = self._grew_ms is not None and self._now_ms() - self._grew_ms > SETTLED_MS
        if not (reached or settled):
            return set()
        sites = self.articles.sites | self._anew.sites
        self.articles, self._anew = self._anew, None
        self._reached.clear()
        return set(sites)
