"""The refresh: once per interval every list in use is read and shown. Only hourly counts are read elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import islice
from typing import Any

from ranker.core.generation import ListName
from ranker.core.merge import Hints
from ranker.lists.archive import Archive
from ranker.lists.catalogue import Catalogue
from ranker.metrics import ReaderMetrics
from ranker.metrics.generation_shown import show_generation
from ranker.serve.live.active_generation import ActiveGeneration
from ranker.serve.live.aside import Aside
from ranker.serve.live.board import BoardWriter
from ranker.serve.live.demand import Demand
from ranker.serve.live.freshness import Freshness
from ranker.serve.live.histories import Histories
from ranker.serve.live.published import Published
from ranker.serve.live.rising import RisingLists
from ranker.store.errors import NothingCountedError, StoreUnavailableError
from ranker.store.reader import Reader
from schemas.article_id import DEFAULT, IdRule

log = logging.getLogger(__name__)

NEW_EVERY_S = 0.02
"""Lists that come into use are read together, at most so often: reads of Redis must not follow web traffic."""
WHOLE_SHARE = 0.1
"""Whole lists (thousands of strays) are read so seldom that they take at most this share of the time."""


class Refresh:
    """Reads what `demand` names, and writes it onto `board`."""

    def __init__(
        self,
        client: Any,
        board: BoardWriter,
        demand: Demand,
        metrics: ReaderMetrics,
        refresh_ms: int,
        rules: Mapping[str, IdRule],
        archive: Archive | None = None,
    ) -> None:
        """`rules` are the sites' rules for article ids; `archive` is followed if there is one."""
        self._board = board
        board.archive = archive
        self._demand = demand
        self._metrics = metrics
        self.refresh_ms = refresh_ms
        self._reader = Reader(client)
        self._active = ActiveGeneration(client)
        self._rules = rules
        self._freshness = Freshness(board, refresh_ms, metrics.list_freshness_seconds.observe)
        self._catalogue = Catalogue(client, board.now_ms, rules)
        self._histories = Histories(client, rules)
        self._hints: dict[ListName, Hints] = {}
        self._rising = RisingLists(client, board, demand, rules)
        self._is_freshness_due = False
        """A refresh is under way whose freshness is not observed yet."""
        self._follow_active = Aside("which generation is active", self._read_active)
        self._follow_articles = Aside("the catalogue", self._read_catalogue)
        self._follow_histories = Aside("the rank history", self._read_histories)
        self._follow_archive = Aside("the archive of periods", self._read_archive)
        self._follow_rising = Aside("rising articles", self._read_rising, patience_s=0)

    async def run(self) -> None:
        """Refreshes until it is cancelled; a failure is logged once and tried again at the next interval."""
        try:
            await self._run()
        finally:
            readings = (self._follow_active, self._follow_articles, self._follow_histories)
            for aside in (*readings, self._follow_archive, self._follow_rising):
                await aside.end()

    async def _run(self) -> None:
        while True:
            due = asyncio.get_running_loop().time() + self.refresh_ms / 1000
            await self._refresh_or_report(self.refresh)
            while (left := due - asyncio.get_running_loop().time()) > 0:
                try:
                    # Not wait_for: before Python 3.12 it can swallow a cancellation, and the process would not end.
                    async with asyncio.timeout(left):
                        await self._demand.urgent.wait()
                except TimeoutError:
                    break
                await asyncio.sleep(NEW_EVERY_S)  # requests that come meanwhile are served by the same reading
                self._demand.urgent.clear()
                await self._refresh_or_report(self.refresh_new)

    async def _refresh_or_report(self, refresh: Callable[[], Awaitable[None]]) -> None:
        try:
            await refresh()
        except StoreUnavailableError as error:
            self._metrics.redis_up.set(isinstance(error, NothingCountedError))
            self._fail(str(error))
        except Exception as error:  # a reader goes on serving what it has, and reports what is wrong
            self._fail(f"refresh failed: {error!r}", exc_info=True)
        self._board.note_attempt()

    def _fail(self, fault: str, *, exc_info: bool = False) -> None:
        self._metrics.refresh_failures.inc()
        self._note_freshness()
        self._report(fault, exc_info=exc_info)
        self._demand.resolve(self._demand.waiting)
        self._board.finish()

    def _note_freshness(self) -> None:
        """Once for each refresh: not when lists are read that come into use between two."""
        if self._is_freshness_due:
            self._is_freshness_due = False
            self._freshness.note()

    def _report(self, fault: str, *, exc_info: bool = False) -> None:
        """Remembers what cannot be read ("": all can), and logs each change once."""
        if fault and fault != self._board.fault:
            log.warning("serving what there is: %s", fault, exc_info=exc_info)
        elif self._board.fault and not fault:
            log.info("all is refreshed again")
        self._board.fault = fault

    async def refresh(self) -> None:
        """One refresh of everything in use. Raises StoreUnavailableError if no list can be read.

        If only what is read beside the lists cannot be (its node of a cluster is away), they go on without it.
        """
        started = time.perf_counter()
        self._is_freshness_due = True
        now_ms = self._board.now_ms()
        lacking = []
        is_redis_up = True
        try:
            if await self._follow_active.result(patient=self._active.generation is None):
                self._hints.clear()
                self._board.end_skips()
        except StoreUnavailableError as error:
            if self._active.generation is None:
                raise
            lacking.append(str(error))
            is_redis_up = False
        try:
            await self._follow_articles.result(patient=not self._board.articles_read_ms and not self._board.fault)
        except StoreUnavailableError as error:
            lacking.append(str(error))
        with contextlib.suppress(StoreUnavailableError):  # ranks that are not known are shown as unknown
            await self._follow_histories.result()
        with contextlib.suppress(StoreUnavailableError):  # documents do not change: what is known of them stays
            if self._board.archive is not None:
                await self._follow_archive.result()
        await self._go_on_rising()
        if self._rising.fault:
            lacking.append(self._rising.fault)
        await self._read(self._demand.due())
        self._drop(self._demand.drop_unused(now_ms))
        self._metrics.redis_up.set(is_redis_up)
        self._metrics.refresh_duration_seconds.observe(time.perf_counter() - started)
        self._report("; ".join(lacking))

    async def refresh_new(self) -> None:
        """Reads only the lists that requests wait for."""
        await self._go_on_rising()
        await self._read(self._demand.waiting)

    def _drop(self, unused: Collection[ListName]) -> None:
        self._board.drop(unused)
        for name in unused:
            self._hints.pop(name, None)
            self._histories.forget(name)

    async def _read_active(self) -> bool:
        """Whether another generation is active now."""
        is_another = await self._active.follow()
        self._board.generation = self._active.generation
        if is_another and self._active.generation is not None:
            show_generation(self._metrics.generation, self._active.generation.id)
        return is_another

    async def _read_catalogue(self) -> None:
        now_ms = self._board.now_ms()
        try:
            changed = await self._catalogue.follow()
        finally:  # what was read is shown, also if the node of a later partition is away: a takedown must not wait
            self._board.articles = self._catalogue.articles
        self._board.takedowns_known = self._catalogue.level
        self._board.show_articles(self._catalogue.articles, changed, now_ms)

    async def _read_histories(self) -> None:
        if self._active.generation is not None:
            try:
                await self._histories.follow(self._active.generation, self._demand.last_used_ms, self._board.now_ms())
            finally:  # another generation's are gone, whether ours can be read or not
                self._board.show_ranks(self._histories.ranks)

    async def _read_archive(self) -> None:
        if self._board.archive is not None:
            await self._board.archive.follow()

    async def _go_on_rising(self) -> None:
        """Nothing waits for rising lists: they show themselves when they have been read."""
        with contextlib.suppress(StoreUnavailableError):
            await self._follow_rising.result()
            await self._follow_rising.result()  # the last reading has ended, so the next one begins

    async def _read_rising(self) -> None:
        generation, active = self._active.generation, self._active.active
        if generation is not None and active is not None:
            await self._rising.follow(generation, active.partitions)

    async def _read(self, due: Collection[ListName]) -> None:
        """Reads and shows the lists that are due and no rising ones (those that the generation has), and ends the
        waiting for them.
        """
        generation, active, board = self._active.generation, self._active.active, self._board
        lists = [name for name in due if not board.is_rising(name)]
        if generation is None or active is None:
            raise NothingCountedError("no generation is active in Redis; is `ranker consume` running?")
        windows = {window.name for window in generation.windows}
        names = [name for name in lists if name.board in generation.boards and name.window in windows]
        started = time.perf_counter()
        begun_ms = board.now_ms()
        looked_up = {
            name: await self._demand.lookups.extra_keys(name, board.articles, board.changes_of(name.site), begun_ms)
            for name in names
        }
        extra = {name: keys for name, (keys, _) in looked_up.items()}
        snapshot = await self._reader.refresh(generation, active.partitions, names, self._hints, extra)
        took_ms = (time.perf_counter() - started) * 1000
        self._note_freshness()
        for read in islice(snapshot.lists.values(), 1):  # every list is read from the same shards
            self._freshness.take(generation.id, read.metas)
        now_ms = board.now_ms()
        unknown = {}
        for name, read in snapshot.lists.items():
            keys, covered = looked_up[name]
            rule = self._rules.get(name.site, DEFAULT)
            shown = board.published(name)
            published = Published(name, generation, active.partitions, read, now_ms, covered, keys.wanted, rule, shown)
            if shown is None and not read.site_known and not board.knows(name.site):
                unknown[name] = published
                continue
            self._hints[name] = read.merged.hints
            board.skip_until(name, now_ms + int(took_ms / WHOLE_SHARE) if read.merged.whole else 0)
            self._demand.keep(name, now_ms)
            if shown is None or shown.yields_to(read, generation, active.partitions, now_ms, board.ages):
                board.show(published)
        self._demand.resolve(lists, unknown)
        if snapshot.answered:
            board.take_sites(snapshot.sites, now_ms, is_all=snapshot.all_sites)
        board.finish()
        if not snapshot.answered:
            raise NothingCountedError(f"no shard of generation {generation.id} has begun")
