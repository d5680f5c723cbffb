"""Keeps the articles in memory level with Redis, and starts over beside what is shown when Redis was filled anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ranker.lists.articles import Articles
from ranker.store.catalogue import Seen, read_changes

log = logging.getLogger(__name__)

PAGES = 100
"""Pages of changes taken in per refresh: 100,000 articles at once at the start, a few at a time after it."""
SETTLED_MS = 60_000
"""A catalogue filled anew takes the place of the old one when it reaches as far, or has stopped growing for so long."""


class Catalogue:
    """`articles` are what is shown.

    A new lineage means that the consumer reads the topic from its start into Redis. Meanwhile the old articles stay,
    changes included: a removal that has not been read again yet must not come undone. Then those that the topic does
    not hold any more are gone.
    """

    def __init__(self, client: Any, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._now_ms = now_ms
        self.articles = Articles()
        self._seen: dict[int, Seen] = {}
        self._anew: Articles | None = None
        self._reached: dict[int, int] = {}
        self._grew_ms: int | None = None
        self._changed: set[str] = set()
        """Sites that have changed and were not told yet: a look that ended early has taken some in."""

    async def follow(self) -> set[str]:
        """Takes in what changed; returns the sites it belongs to. Raises StoreUnavailableError, at no loss.

        A partition that has not begun is looked for again next time.
        """
        partition, partitions = 0, 1
        for _ in range(PAGES):
            seen = self._seen.get(partition, Seen())
            changes = await read_changes(self._client, partition, seen)
            partitions = max(partitions, changes.partitions)
            if seen.lineage and changes.seen.lineage != seen.lineage:
                self._start_over()
                partition = 0
                continue
            self._changed |= self.articles.take(changes.records)
            if self._anew is not None and changes.records:
                self._anew.take(changes.records)
                self._grew_ms = self._now_ms()
            self._seen[partition] = changes.seen  # only now: what was not taken in is read again
            if changes.more:
                continue
            partition += 1
            if partition == partitions:
                self._changed |= self._settle()
                break
        changed, self._changed = self._changed, set()
        return changed

    def _start_over(self) -> None:
        log.info("the catalogue is filled anew; reading it from the start")
        for partition, seen in self._seen.items():
            self._reached[partition] = max(seen.n, self._reached.get(partition, 0))
        self._seen.clear()
        self._anew = Articles()
        self._grew_ms = None

    def _settle(self) -> set[str]:
        """Shows the new catalogue once it holds what the old one did; returns the sites of both."""
        if self._anew is None:
            return set()
        reached = all(self._seen.get(partition, Seen()).n >= n for partition, n in self._reached.items())
        settled = self._grew_ms is not None and self._now_ms() - self._grew_ms > SETTLED_MS
        if not (reached or settled):
            return set()
        sites = self.articles.sites | self._anew.sites
        self.articles, self._anew = self._anew, None
        self._reached.clear()
        return set(sites)
