"""What is in use: requests note it here; `due` is what the next refresh reads. Nothing here calls the refresh."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from ranker.core.generation import ListName
from ranker.lists.filters import Filter
from ranker.serve.live.board import Board
from ranker.serve.live.lookups import Lookups, anybody
from ranker.serve.live.published import Published, of_one_moment

IN_USE_MS = 60_000
"""A list that was not requested in this time is not read any more."""
MAX_LISTS = 2_000
"""Lists kept, and lists waited for, at once; beyond it, those kept that were requested longest ago are dropped."""


class Demand:
    """Lists in use, requests that wait for a reading, and what is looked up by name."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._used_ms: dict[ListName, int] = {}
        self._waiting: dict[ListName, asyncio.Future[Published | None]] = {}
        self.lookups = Lookups()
        self.urgent = asyncio.Event()
        """Somebody waits for a list: it is to be read before the next interval."""

    def use(self, name: ListName) -> Published | None:
        """The list on show, in use from now on; None if it has not been read yet."""
        self._used_ms[name] = self._board.now_ms()
        return self._board.published(name)

    async def first(self, name: ListName, deadline_s: float) -> Published | None:
        """The list on show, read now if it is not in use yet; None if that fails or takes too long.

        The list of a site that nobody knows is returned once and not kept: clients can invent any number of names.
        """
        if self._board.published(name) is not None:
            return self.use(name)
        if name not in self._waiting and len(self._waiting) >= MAX_LISTS:
            return None
        self.urgent.set()
        return await self._next(name, deadline_s)

    async def first_of_all(self, names: Sequence[ListName], deadline_s: float) -> list[Published | None]:
        """As `first` of each. If one is not in use yet, one refresh reads all of them: they are of one moment then."""
        if all(self._board.published(name) is not None for name in names):
            return [self.use(name) for name in names]
        shown: list[Published | None] = [None] * len(names)
        for _ in range(2):  # the reading that is under way may have only some of them
            if len(self._waiting.keys() | names) > MAX_LISTS:
                break
            self.urgent.set()
            shown = list(await asyncio.gather(*(self._next(name, deadline_s) for name in names)))
            read = [one for one in shown if one is not None]
            if len(read) < len(names) or of_one_moment(read):
                break
        return [one or self._board.published(name) for name, one in zip(names, shown, strict=True)]

    async def _next(self, name: ListName, deadline_s: float) -> Published | None:
        """The list after it was read the next time."""
        reading = self._waiting.setdefault(name, asyncio.get_running_loop().create_future())
        done, _ = await asyncio.wait([reading], timeout=deadline_s)
        return reading.result() if done else None

    async def look_up(
        self, name: ListName, filter_: Filter, deadline_s: float, payer: Callable[[], bytes | None] = anybody
    ) -> None:
        """Has the articles of the catalogue that a filter admits read by name, now and at every refresh.

        Afterwards the list on show covers the filter, unless that takes more than the budget or the time.
        """
        if not self.lookups.add(name, filter_, self._board.now_ms(), payer):
            return
        for _ in range(2):  # the reading that is under way does not know of the filter yet
            self.urgent.set()
            shown = await self._next(name, deadline_s)
            if shown is None or filter_ in shown.covered:
                return

    def keep_filter(self, name: ListName, filter_: Filter) -> None:
        """Notes that a filter which was looked up is still in use."""
        self.lookups.keep(name, filter_, self._board.now_ms())

    async def article(self, name: ListName, article: bytes, deadline_s: float, client: bytes = b"") -> Published | None:
        """The list on show with this article's count, unless that takes too long; None if there is no list.

        An article below the first places is read by name at the next refresh and no sooner: reads of Redis
        must not grow with web traffic.
        """
        board = self._board
        published = board.published(name)
        for _ in range(2):  # the reading that is under way does not know of the article yet
            published = board.published(name)
            if published is None or published.read.merged.more:
                self.lookups.add_article(name.site, article, board.now_ms(), client)
            if published is None:
                published = await self.first(name, deadline_s)
            elif published.count_of(article) is None and not board.is_skipped(name):
                published = await self._next(name, deadline_s)
            if published is None or published.count_of(article) is not None:
                break
        return self.use(name) if board.published(name) is not None else published

    def keep_article(self, name: ListName, article: bytes) -> None:
        """Notes that an article of a list on show is still requested."""
        published = self._board.published(name)
        if published is not None:
            self.use(name)
            if published.read.merged.more:
                self.lookups.keep_article(name.site, article, self._board.now_ms())

    def due(self) -> list[ListName]:
        """What a refresh reads: every list in use but skipped ones, and the waited-for ones."""
        return list(
            dict.fromkeys([*(name for name in self._used_ms if not self._board.is_skipped(name)), *self._waiting])
        )

    @property
    def last_used_ms(self) -> Mapping[ListName, int]:
        """When each list in use was last requested (ms)."""
        return self._used_ms

    @property
    def waiting(self) -> list[ListName]:
        """Lists that requests wait for."""
        return list(self._waiting)

    def keep(self, name: ListName, now_ms: int) -> None:
        """A list that was read for the first time is in use."""
        self._used_ms.setdefault(name, now_ms)

    def resolve(self, names: Iterable[ListName], unknown: Mapping[ListName, Published] | None = None) -> None:
        """Ends the waiting for `names`, with what is shown now, or with `unknown`, which is not kept."""
        for name in list(names):
            reading = self._waiting.pop(name, None)
            if reading is not None:
                reading.set_result(self._board.published(name) or (unknown or {}).get(name))

    def drop_unused(self, now_ms: int) -> list[ListName]:
        """Forgets and returns the lists that are not in use any more."""
        unused = [name for name, used_ms in self._used_ms.items() if now_ms - used_ms > IN_USE_MS]
        if len(self._used_ms) - len(unused) > MAX_LISTS:
            unused = sorted(self._used_ms, key=self._used_ms.__getitem__)[: len(self._used_ms) - MAX_LISTS]
        for name in unused:
            del self._used_ms[name]
            self.lookups.forget(name)
        return unused
