"""When rising lists are read: each once a minute, one after the other, and for a tenth of the time at most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Hints, Merged, Span
from ranker.lists.rising import Counts
from ranker.serve.live import rising
from ranker.serve.live.board import BoardWriter
from ranker.serve.live.demand import Demand
from ranker.serve.live.published import Ages
from ranker.serve.live.rising import RisingLists
from ranker.settings import Site
from ranker.store.errors import StoreUnavailableError
from ranker.store.reader import ListRead
from tests.support.reader import T
from tests.support.rising_site import BOARDS, GENERATION

READING_MS = 200
SITES = ("a", "b", "c")


class Readings:
    """In place of Redis: every reading takes as long, by the clock that measures it."""

    def __init__(self) -> None:
        self.of: list[str] = []
        self.error: Exception | None = None
        self.perf_s = 0.0

    async def counts(self, site: str, *_: Any) -> Counts:
        self.of.append(site)
        self.perf_s += READING_MS / 1000
        if self.error is not None:
            raise self.error
        read = ListRead(Merged([], False, False, Hints()), Span(T - 1, T, level=True, complete=True), 0, {0: T}, True)
        return Counts(read, read, None, frozenset())

    async def rises(self, *_: Any) -> tuple[list[Any], bool]:
        return [], True

    def keep(self, generation: Generation, sites: set[str]) -> None:
        """What is remembered of a reading makes no difference here."""


class Clocked:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = T
        self.readings = Readings()
        monkeypatch.setattr(rising, "time", SimpleNamespace(perf_counter=lambda: self.readings.perf_s))
        sites = {site: Site(site) for site in SITES}
        self.board = BoardWriter(sites, Ages(30_000, 3_600_000), lambda: self.now_ms, BOARDS)
        self.board.generation = GENERATION
        self.demand = Demand(self.board)
        self.lists = RisingLists(None, self.board, self.demand, {})
        self.lists._reader = self.readings  # type: ignore[assignment]

    async def after(self, ms: int) -> list[str]:
        """What is read so much later, once."""
        self.now_ms += ms
        before = len(self.readings.of)
        await self.lists.follow(GENERATION, 1)
        return self.readings.of[before:]

    def use(self, *sites: str) -> None:
        for site in sites:
            self.demand.use(ListName(site, "rising", "1h"))


async def test_lists_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading of 200 ms, then nothing for two seconds; what was read longest ago comes first, a minute later."""
    clocked = Clocked(monkeypatch)
    clocked.use(*SITES)
    assert await clocked.after(0) == ["a"]
    assert await clocked.after(1_999) == []
    assert await clocked.after(1) == ["b"]
    assert await clocked.after(2_000) == ["c"]
    assert await clocked.after(55_999) == []
    clocked.use(*SITES)
    assert await clocked.after(1) == ["a"]
    assert clocked.board.published(ListName("a", "rising", "1h")) is not None


async def test_other_lists_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read for boards that count, for other windows, or if the generation has no such windows."""
    clocked = Clocked(monkeypatch)
    clocked.demand.use(ListName("a", "read", "1h"))
    clocked.demand.use(ListName("a", "rising", "24h"))
    assert await clocked.after(0) == []
    clocked.use("a")
    clocked.board.generation = None
    assert await clocked.after(0) == []


async def test_what_cannot_be_read_is_tried_again_a_little_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it is answered; the fault is reported until it ends."""
    clocked = Clocked(monkeypatch)
    clocked.use("a")
    clocked.readings.error = StoreUnavailableError("Redis is away")
    assert await clocked.after(0) == ["a"]
    assert clocked.lists.fault == "the list rising of a: Redis is away"
    assert await clocked.after(4_999) == []
    clocked.readings.error = None
    assert await clocked.after(1) == ["a"]
    assert clocked.lists.fault == ""


async def test_a_fault_that_nobody_asks_about_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept as long as the list would not be tried again, and no longer."""
    clocked = Clocked(monkeypatch)
    clocked.use("a")
    clocked.readings.error = StoreUnavailableError("Redis is away")
    await clocked.after(0)
    clocked.now_ms += 60_001
    clocked.demand.drop_unused(clocked.now_ms)
    clocked.now_ms -= 60_001
    await clocked.after(4_999)
    assert clocked.lists.fault
    await clocked.after(1)
    assert not clocked.lists.fault


async def test_a_list_that_went_out_of_use_while_it_was_read_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would stay for good."""
    clocked = Clocked(monkeypatch)
    clocked.use("a")
    counts = clocked.readings.counts

    async def slow(site: str, *rest: Any) -> Counts:
        clocked.demand.drop_unused(clocked.now_ms + 60_001)
        return await counts(site, *rest)

    monkeypatch.setattr(clocked.readings, "counts", slow)
    assert await clocked.after(0) == ["a"]
    assert len(clocked.board) == 0
