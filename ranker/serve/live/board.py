"""What is shown: lists, articles, ranks, and how current they are. The refresh writes it, everybody else reads."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping

from ranker.core import rising_boards
from ranker.core.generation import Generation, ListName
from ranker.core.rising_boards import RisingBoard
from ranker.lists.archive import Archive
from ranker.lists.articles import Articles
from ranker.lists.boards import NOTHING_RISES
from ranker.lists.history import Ranks
from ranker.serve.live.published import Ages, Published
from ranker.settings import Site

_NO_RANKS = Ranks({})


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Board:
    """Read-only. `revision` changes with every refresh: what was made of an older one is out of date."""

    def __init__(
        self,
        sites: Mapping[str, Site],
        ages: Ages,
        now_ms: Callable[[], int] = wall_ms,
        rising: Mapping[str, RisingBoard] = NOTHING_RISES,
    ) -> None:
        """`sites` and `rising` are the configured ones."""
        self.ages = ages
        self.now_ms = now_ms
        self.revision = 0
        self.fault = ""
        """What cannot be read at present; "" if all can."""
        self.generation: Generation | None = None
        """The active one; None until it has been read."""
        self.articles = Articles({})
        """The catalogue as it is shown."""
        self.articles_read_ms = 0
        """When the catalogue was last found level with Redis."""
        self.archive: Archive | None = None
        """Which documents of periods there are; None if no site has a calendar."""
        self.takedowns_known = False
        """Whether the catalogue was whole once, since the start: what is frozen must not show what was taken down."""
        self._sites = sites
        self._rising = rising
        self._available: tuple[Generation | None, Mapping[str, RisingBoard]] = None, {}
        self._lists: dict[ListName, Published] = {}
        self._ranks: dict[ListName, Ranks] = {}
        self._changes: dict[str, int] = {}
        self._skipped_until: dict[ListName, int] = {}
        self._counted_sites: frozenset[str] = frozenset()
        self._shown_sites: frozenset[str] = frozenset()
        self._has_all_sites = False
        self._read_ms: int | None = None
        self._refreshed = asyncio.Event()
        self._attempted = asyncio.Event()

    def published(self, name: ListName) -> Published | None:
        """The list on show; None if it has not been read."""
        return self._lists.get(name)

    def shown(self) -> Iterable[Published]:
        """Every list on show."""
        return self._lists.values()

    def ranks(self, name: ListName) -> Ranks:
        """The history of a list, as far as it has been read."""
        return self._ranks.get(name, _NO_RANKS)

    def changes_of(self, site: str) -> int:
        """How often the site's articles have changed: what was made of them before is out of date."""
        return self._changes.get(site, 0)

    @property
    def rising(self) -> Mapping[str, RisingBoard]:
        """The rising boards that the active generation has the counts for."""
        if self.generation is not None and self.generation is not self._available[0]:
            self._available = self.generation, rising_boards.available(self._rising, self.generation)
        return {} if self.generation is None else self._available[1]

    def is_rising(self, name: ListName) -> bool:
        """Whether this is the list of a rising board."""
        board = self.rising.get(name.board)
        return board is not None and board.recent == name.window

    def is_skipped(self, name: ListName, ago_ms: int = 0) -> bool:
        """Whether the next refreshes skip the list, because whole lists had to be read for it, or did `ago_ms` ago."""
        return self._skipped_until.get(name, 0) > self.now_ms() - ago_ms

    def site(self, name: str) -> Site:
        """How a site is shown; one that is not configured as a site without any setting."""
        return self._sites.get(name) or Site(name)

    @property
    def all_show_counts(self) -> bool:
        """Whether no site hides its counts."""
        return all(site.show_counts for site in self._sites.values())

    def knows(self, site: str) -> bool | None:
        """Whether a site is configured or has counts or articles; None if only reading one of its lists can tell."""
        counted = site in self._counted_sites or site in self._shown_sites
        if counted or site in self._sites or self.articles.of(site):
            return True
        return False if self._has_all_sites else None

    @property
    def sites(self) -> list[str]:
        """The sites that can be named, configured ones first."""
        others = self._counted_sites | self._shown_sites | self.articles.sites
        return sorted(self._sites) + sorted(others - self._sites.keys())

    def not_ready(self) -> list[str]:
        """Why no list can be served; a reader that serves stale lists is ready."""
        if self._read_ms is None:
            return [self.fault or "no list has been read yet"]
        if self.now_ms() - self._read_ms > self.ages.gone_ms:
            return [f"the last lists are too old to serve; {self.fault}"]
        return []

    async def first_attempt(self, deadline_s: float) -> None:
        """Waits until Redis has been read once, with or without success: before that nothing is known."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._attempted.wait()

    async def newer(self, revision: int) -> int:
        """The present revision, once it is another one than `revision`."""
        while self.revision == revision:
            await self._refreshed.wait()
        return self.revision

    def __len__(self) -> int:
        return len(self._lists)

    def oldest_s(self) -> float:
        """Age of the oldest list that every refresh reads, in seconds; of the future first. NaN: there is none."""
        now_ms = self.now_ms()
        ages = [published.age_ms(now_ms) for published in self._lists.values() if not published.every_ms]
        return min(ages, key=lambda age: (age >= 0, -age), default=math.nan) / 1000


class BoardWriter(Board):
    """The refresh's own view of the board."""

    def show(self, published: Published) -> None:
        self._lists[published.name] = published

    def show_ranks(self, ranks: Mapping[ListName, Ranks]) -> None:
        self._ranks = dict(ranks)

    def skip_until(self, name: ListName, until_ms: int) -> None:
        """See `is_skipped`; 0 ends it."""
        self._skipped_until[name] = until_ms

    def end_skips(self) -> None:
        self._skipped_until.clear()

    def show_articles(self, articles: Articles, changed: Iterable[str], now_ms: int) -> None:
        """The catalogue as it was read at `now_ms`; `changed` are the sites whose articles are others now."""
        self.articles = articles
        for site in changed:
            self._changes[site] = self._changes.get(site, 0) + 1
        self.articles_read_ms = now_ms

    def drop(self, names: Iterable[ListName]) -> None:
        """Lists that are not in use any more."""
        for name in names:
            for kept in (self._lists, self._skipped_until, self._ranks):
                kept.pop(name, None)

    def take_sites(self, counted: frozenset[str], now_ms: int, *, is_all: bool) -> None:
        """The sites that have counts, by a reading that has just succeeded; `is_all`: there are no others."""
        self._counted_sites, self._has_all_sites, self._read_ms = counted, is_all, now_ms

    def finish(self) -> None:
        """After each refresh, whether it succeeded or not: a new revision."""
        # Shards that were emptied name no sites for a while; what is on show goes on being served.
        self._shown_sites = frozenset(name.site for name, shown in self._lists.items() if shown.read.site_known)
        self.revision += 1
        self._refreshed.set()
        self._refreshed = asyncio.Event()

    def note_attempt(self) -> None:
        self._attempted.set()
