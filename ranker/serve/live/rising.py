"""Rising lists: read beside the others while they are requested, once a minute each, and shown like them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Hints, Merged
from ranker.core.rising import PLACES
from ranker.lists.rising import RisingReader
from ranker.serve.live.board import BoardWriter
from ranker.serve.live.demand import Demand
from ranker.serve.live.published import KEEP_LEVEL_MS, Published
from ranker.store.errors import StoreUnavailableError
from schemas.article_id import DEFAULT, IdRule

log = logging.getLogger(__name__)

EVERY_MS = 60_000
AGAIN_MS = 5_000
"""When a list that could not be read is tried again."""
SHARE = 0.1
"""Lists are read one after the other, and take at most this share of the time, however many sites are requested."""


class RisingLists:
    """Shows lists on the board, and ends the waiting for them. `fault`: why one cannot be read; "" if all can."""

    def __init__(self, client: Any, board: BoardWriter, demand: Demand, rules: Mapping[str, IdRule]) -> None:
        """`rules` are the sites' rules for article ids."""
        self._board = board
        self._demand = demand
        self._rules = rules
        self._reader = RisingReader(client, rules)
        self._due_ms: dict[ListName, int] = {}
        self._uneven_ms: dict[ListName, int] = {}
        """Since when a list's shards lie between two floors."""
        self._free_ms = self._again_ms = 0
        self._generation = ""
        self.fault = ""

    async def follow(self, generation: Generation, partitions: int) -> None:
        """Reads the list that has been due for longest, if one is; called at every refresh."""
        now_ms = self._board.now_ms()
        if generation.id != self._generation:
            self._generation = generation.id
            self._due_ms.clear()
        names = [name for name in self._demand.due() if self._board.is_rising(name)]
        self._reader.keep(generation, {name.site for name in names})
        self._due_ms = {name: self._due_ms.get(name, 0) for name in names}
        self._uneven_ms = {name: since for name, since in self._uneven_ms.items() if name in self._due_ms}
        if not names and now_ms >= self._again_ms:
            self.fault = ""
        if not names or now_ms < self._free_ms:
            return
        name = min(names, key=self._due_ms.__getitem__)
        if self._due_ms[name] > now_ms:
            return
        began = time.perf_counter()
        try:
            done = await self._show(name, generation, partitions)
        except Exception as error:  # whatever a slice holds, the other lists are good
            if not isinstance(error, StoreUnavailableError):
                log.exception("a rising list cannot be read")
            self.fault = f"the list {name.board} of {name.site}: {error}"
            self._due_ms[name] = self._again_ms = now_ms + AGAIN_MS
            self._demand.resolve([name])
        else:
            self.fault = ""
            if done:
                self._due_ms[name] = now_ms + EVERY_MS
        self._free_ms = self._board.now_ms() + int((time.perf_counter() - began) * 1000 / SHARE)

    async def _show(self, name: ListName, generation: Generation, partitions: int) -> bool:
        """False if shards lie between two floors, for seconds in a minute: the list is better read a little later."""
        board, of = self._board, self._board.rising[name.board]
        articles = board.articles
        counts = await self._reader.counts(name.site, of, generation, partitions, articles)
        now_ms = board.now_ms()
        if not counts.is_level and now_ms - self._uneven_ms.setdefault(name, now_ms) < KEEP_LEVEL_MS:
            return False
        self._uneven_ms.pop(name, None)
        rises, is_whole = await self._reader.rises(name.site, of, generation, partitions, articles, counts)
        rows = [(one.count, one.article_id.encode()) for one in rises]
        read = replace(
            counts.recent,
            merged=Merged(rows, len(rows) == PLACES, False, Hints()),
            span=replace(counts.recent.span, complete=is_whole and counts.is_complete),
        )
        shown, rule = board.published(name), self._rules.get(name.site, DEFAULT)
        published = Published(name, generation, partitions, read, now_ms, rule=rule, before=shown, every_ms=EVERY_MS)
        published.rises = {one.article_id: one for one in rises}
        self._publish(published, shown)
        return True

    def _publish(self, published: Published, shown: Published | None) -> None:
        """A list that is not complete does not take the place of one that is, unless that is old."""
        board, demand, name, now_ms = self._board, self._demand, published.name, self._board.now_ms()
        if shown is None and not published.read.site_known and not board.knows(name.site):
            demand.resolve([name], {name: published})
            return
        if name not in demand.due():
            return  # not in use any more: it would be kept for good
        demand.keep(name, now_ms)
        if (
            shown is None
            or published.read.span.complete
            or not shown.read.span.complete
            or shown.generation.id != published.generation.id
            or shown.is_stale(now_ms, board.ages)
        ):
            board.show(published)
        demand.resolve([name])
        board.finish()
