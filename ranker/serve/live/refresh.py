"""The refresh loop: once per interval every list in use is read and published. Only hourly.py meets Redis too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

from ranker.core.generation import Generation, ListName
from ranker.core.merge import ExtraKeys, Hints
from ranker.lists.articles import Articles
from ranker.lists.catalogue import Catalogue
from ranker.lists.filters import Filter
from ranker.lists.history import Ranks
from ranker.metrics import ReaderMetrics
from ranker.serve.live.active_generation import ActiveGeneration
from ranker.serve.live.aside import Aside
from ranker.serve.live.histories import Histories
from ranker.serve.live.lookups import Lookups, anybody
from ranker.serve.live.published import Ages, Published
from ranker.store.errors import StoreUnavailableError
from ranker.store.reader import Reader, Snapshot

log = logging.getLogger(__name__)

IN_USE_MS = 60_000
"""A list that nobody asked for in this time is not read any more."""
MAX_LISTS = 2_000
"""Lists kept, and lists waited for, at once; beyond it, those kept that were asked for longest ago are dropped."""
NEW_EVERY_S = 0.02
"""Lists that come into use are read together, at most so often: what Redis is asked must not follow web traffic."""
WHOLE_SHARE = 0.1
"""Whole lists (thousands of strays) are read so seldom that they take at most this share of the time."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Refresher:
    """Keeps the lists. `on_change` is called after each refresh: whatever was derived from lists is out of date."""

    def __init__(
        self,
        client: Any,
        *,
        sites: Iterable[str],
        refresh_ms: int,
        ages: Ages,
        metrics: ReaderMetrics,
        now_ms: Callable[[], int] = wall_ms,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.client = client
        self._reader = Reader(client)
        self._configured = frozenset(sites)
        self._refresh_ms = refresh_ms
        self._metrics = metrics
        self.now_ms = now_ms
        self.ages = ages
        self.on_change = on_change
        self.fault = ""
        self._following = ActiveGeneration(client)
        self._lists: dict[ListName, Published] = {}
        self._hints: dict[ListName, Hints] = {}
        self._whole_until: dict[ListName, int] = {}
        self._asked: dict[ListName, int] = {}
        self._sites: frozenset[str] = frozenset()
        self._shown_sites: frozenset[str] = frozenset()
        self._all_sites = False
        self._read_ms: int | None = None
        self._catalogue = Catalogue(client, now_ms)
        self._wishes = Lookups()
        self._histories = Histories(client)
        self._active = Aside("which generation is active", self._following.follow)
        self._articles = Aside("the catalogue", self._follow_catalogue)
        self._past = Aside("the rank history", self._follow_histories)
        self._changes: dict[str, int] = {}
        self.articles_read_ms = 0
        """When the catalogue was last found level with Redis."""
        self._demanded = asyncio.Event()
        self._attempted = asyncio.Event()
        self._waiting: dict[ListName, asyncio.Future[Published | None]] = {}
        # Asked at every scrape: ages go on growing while nothing is refreshed.
        metrics.lists.set_function(lambda: len(self._lists))
        metrics.list_age_seconds.set_function(self._oldest_s)

    @property
    def generation(self) -> Generation | None:
        """The active generation, None until one has been read."""
        return self._following.generation

    @property
    def articles(self) -> Articles:
        """The catalogue as it is shown."""
        return self._catalogue.articles

    def get(self, name: ListName) -> Published | None:
        """The list on show, marked as in use; None where it has not been read yet or its generation has gone."""
        self._asked[name] = self.now_ms()
        return self._lists.get(name)

    async def first(self, name: ListName, deadline_s: float) -> Published | None:
        """The list on show, read now where it is not in use yet; None where that fails or takes too long.

        The list of a site that nobody knows is handed out once and not kept: clients can invent any number of names.
        """
        if name in self._lists:
            return self.get(name)
        if name not in self._waiting and len(self._waiting) >= MAX_LISTS:
            return None
        self._demanded.set()
        return await self._next(name, deadline_s)

    async def _next(self, name: ListName, deadline_s: float) -> Published | None:
        """The list after it was read the next time."""
        answer = self._waiting.setdefault(name, asyncio.get_running_loop().create_future())
        done, _ = await asyncio.wait([answer], timeout=deadline_s)
        return answer.result() if done else None

    async def look_up(
        self, name: ListName, filter_: Filter, deadline_s: float, payer: Callable[[], bytes | None] = anybody
    ) -> None:
        """Has the articles of the catalogue that a filter admits read by name, where they may be; at every refresh too.

        Afterwards the list on show covers the filter, unless that takes more than the budget or the time.
        """
        if not self._wishes.ask(name, filter_, self.now_ms(), payer):
            return
        for _ in range(2):  # the reading that is under way does not know of the filter yet
            self._demanded.set()
            shown = await self._next(name, deadline_s)
            if shown is None or filter_ in shown.covered:
                return

    async def about(self, name: ListName, article: bytes, deadline_s: float, client: bytes) -> Published | None:
        """The list on show with this article's count, unless that takes too long; None where there is no list.

        An article below the first places is read by name at the next refresh and no sooner: what Redis is asked must
        not grow with what the web asks.
        """
        for _ in range(2):  # the reading that is under way does not know of the article yet
            published = self._lists.get(name)
            if published is None or published.read.merged.more:
                self._wishes.name(name.site, article, self.now_ms(), client)
            if published is None:
                published = await self.first(name, deadline_s)
            elif published.count_of(article) is None and self._whole_until.get(name, 0) <= self.now_ms():
                published = await self._next(name, deadline_s)
            if published is None or published.count_of(article) is not None:
                break
        return self.get(name) if name in self._lists else published

    def keep_about(self, name: ListName, article: bytes) -> None:
        """Notes that an article of a list on show is still asked for."""
        published = self._lists.get(name)
        if published is not None:
            self._asked[name] = self.now_ms()
            if published.read.merged.more:
                self._wishes.name(name.site, article, self.now_ms())

    def keep(self, name: ListName, filter_: Filter) -> None:
        """Notes that a filter which was looked up is still in use."""
        self._wishes.keep(name, filter_, self.now_ms())

    def ranks(self, name: ListName) -> Ranks:
        """The history of a list, as far as it has been read."""
        return self._histories.of(name)

    def changes_of(self, site: str) -> int:
        """How often the site's articles have changed: what was made of them before is out of date."""
        return self._changes.get(site, 0)

    async def attempted(self, deadline_s: float) -> None:
        """Waits until Redis has been read once, with or without success: before that nothing is known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._attempted.wait()

    def knows(self, site: str) -> bool | None:
        """Whether a site is configured or has counts or articles; None if only reading one of its lists can tell."""
        counted = site in self._sites or site in self._shown_sites
        if counted or site in self._configured or self.articles.of(site):
            return True
        return False if self._all_sites else None

    @property
    def sites(self) -> list[str]:
        """The sites that can be named, configured ones first."""
        others = self._sites | self._shown_sites | self.articles.sites
        return sorted(self._configured) + sorted(others - self._configured)

    def not_ready(self) -> list[str]:
        """Why no list can be served; a reader that serves stale lists is ready."""
        if self._read_ms is None:
            return [self.fault or "no list has been read yet"]
        if self.now_ms() - self._read_ms > self.ages.gone_ms:
            return [f"the last lists are too old to serve; {self.fault}"]
        return []

    def _oldest_s(self) -> float:
        now_ms = self.now_ms()
        ages = [published.age_ms(now_ms) for published in self._lists.values()]
        return min(ages, key=lambda age: (age >= 0, -age), default=0) / 1000  # one of the future comes first

    async def run(self) -> None:
        """Refreshes until cancelled; whatever fails is logged once and tried again at the next interval."""
        try:
            await self._run()
        finally:
            for aside in (self._active, self._articles, self._past):
                await aside.end()

    async def _run(self) -> None:
        while True:
            due = asyncio.get_running_loop().time() + self._refresh_ms / 1000
            await self._guarded(self.refresh)
            while (left := due - asyncio.get_running_loop().time()) > 0:
                try:
                    # Not wait_for: before Python 3.12 it can swallow a cancellation, and the process would not end.
                    async with asyncio.timeout(left):
                        await self._demanded.wait()
                except TimeoutError:
                    break
                await asyncio.sleep(NEW_EVERY_S)  # whoever asks meanwhile is served by the same reading
                self._demanded.clear()
                await self._guarded(self.refresh_new)

    async def _guarded(self, refresh: Callable[[], Awaitable[None]]) -> None:
        try:
            await refresh()
        except StoreUnavailableError as error:
            self._failed(str(error))
        except Exception as error:  # a reader goes on serving whatever it has, and says what is wrong
            self._failed(f"refresh failed: {error!r}", exc_info=True)
        self._attempted.set()

    def _failed(self, fault: str, *, exc_info: bool = False) -> None:
        self._metrics.refresh_failures.inc()
        self._say(fault, exc_info=exc_info)
        self._release(self._waiting)
        self._tell()

    def _say(self, fault: str, *, exc_info: bool = False) -> None:
        """Remembers what cannot be read ("": all can), and logs each change once."""
        if fault and fault != self.fault:
            log.warning("serving what there is: %s", fault, exc_info=exc_info)
        elif self.fault and not fault:
            log.info("all is refreshed again")
        self.fault = fault

    def _tell(self) -> None:
        """Says that lists are other ones now; a fault of whoever is told ends no refresh."""
        try:
            self.on_change()
        except Exception:
            log.exception("what was made of the lists may be out of date")

    async def refresh(self) -> None:
        """One refresh of everything in use. Raises StoreUnavailableError where no list can be read.

        Where only what stands beside the lists cannot be (its node of a cluster is away), they go on without it.
        """
        started = time.perf_counter()
        now_ms = self.now_ms()
        lacking = []
        try:
            if await self._active.result(patient=self.generation is None):
                self._hints.clear()
                self._whole_until.clear()
        except StoreUnavailableError as error:
            if self.generation is None:
                raise
            lacking.append(str(error))
        try:
            await self._articles.result(patient=not self.articles_read_ms and not self.fault)
        except StoreUnavailableError as error:
            lacking.append(str(error))
        with contextlib.suppress(StoreUnavailableError):  # what is not known is told as unknown
            await self._past.result()
        due = (name for name in self._asked if self._whole_until.get(name, 0) <= now_ms)
        await self._read(list(dict.fromkeys([*due, *self._waiting])))
        self._drop_unused(now_ms)
        self._metrics.refresh_duration_seconds.observe(time.perf_counter() - started)
        self._say("; ".join(lacking))

    async def _follow_catalogue(self) -> None:
        now_ms = self.now_ms()
        for site in await self._catalogue.follow():
            self._changes[site] = self._changes.get(site, 0) + 1
        self.articles_read_ms = now_ms

    async def _follow_histories(self) -> None:
        if self.generation is not None:
            await self._histories.follow(self.generation, self._asked, self.now_ms())

    async def refresh_new(self) -> None:
        """Reads only the lists that somebody waits for."""
        await self._read(list(self._waiting))

    async def _read(self, lists: Collection[ListName]) -> None:
        """Reads and publishes `lists` (those that the generation has) and wakes who waits for them."""
        generation, active = self.generation, self._following.active
        if generation is None or active is None:
            raise StoreUnavailableError("no generation is active in Redis; is `ranker consume` running?")
        windows = {window.name for window in generation.windows}
        wanted = [name for name in lists if name.board in generation.boards and name.window in windows]
        started = time.perf_counter()
        asked_ms = self.now_ms()
        articles, changes = self.articles, self.changes_of
        made = {name: await self._wishes.of(name, articles, changes(name.site), asked_ms) for name in wanted}
        wishes = {name: wish for name, (wish, _) in made.items()}
        snapshot = await self._reader.refresh(generation, active.partitions, wanted, self._hints, wishes)
        took_ms = (time.perf_counter() - started) * 1000
        now_ms = self.now_ms()
        unknown = self._publish(snapshot, made, generation, active.partitions, now_ms, took_ms)
        self._release(lists, unknown)
        self._tell()
        if not snapshot.answered:
            raise StoreUnavailableError(f"no shard of generation {generation.id} has begun")
        self._sites, self._all_sites = snapshot.sites, snapshot.all_sites
        self._read_ms = now_ms

    def _publish(
        self,
        snapshot: Snapshot,
        made: Mapping[ListName, tuple[ExtraKeys, frozenset[Filter]]],
        generation: Generation,
        partitions: int,
        now_ms: int,
        took_ms: float,
    ) -> dict[ListName, Published]:
        """Keeps what was read; returns what was not: the first reading of a list whose site nobody knows."""
        unknown = {}
        for name, read in snapshot.lists.items():
            old = self._lists.get(name)
            if old is None and not read.site_known and not self.knows(name.site):
                unknown[name] = Published(name, generation, partitions, read, now_ms)
                continue
            self._hints[name] = read.merged.hints
            self._whole_until[name] = now_ms + int(took_ms / WHOLE_SHARE) if read.merged.whole else 0
            self._asked.setdefault(name, now_ms)
            if old is None or old.yields_to(read, generation, partitions, now_ms, self.ages):
                wish, covered = made[name]
                self._lists[name] = Published(name, generation, partitions, read, now_ms, covered, wish.wanted)
        # Shards that were emptied name no sites for a while; what is on show goes on being served.
        self._shown_sites = frozenset(name.site for name, shown in self._lists.items() if shown.read.site_known)
        return unknown

    def _release(self, names: Iterable[ListName], unknown: Mapping[ListName, Published] | None = None) -> None:
        for name in list(names):
            answer = self._waiting.pop(name, None)
            if answer is not None:
                answer.set_result(self._lists.get(name) or (unknown or {}).get(name))

    def _drop_unused(self, now_ms: int) -> None:
        unused = [name for name, asked in self._asked.items() if now_ms - asked > IN_USE_MS]
        if len(self._asked) - len(unused) > MAX_LISTS:
            unused = sorted(self._asked, key=lambda name: self._asked[name])[: len(self._asked) - MAX_LISTS]
        for name in unused:
            for kept in (self._asked, self._lists, self._hints, self._whole_until):
                kept.pop(name, None)
            self._wishes.forget(name)
            self._histories.forget(name)
