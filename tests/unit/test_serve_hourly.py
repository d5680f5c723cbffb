"""Counts by the hour: read two at a time, kept for a minute, and never waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from ranker.core import hours
from ranker.core.generation import Generation
from ranker.core.hours import Hours
from ranker.serve.live import hourly
from ranker.serve.live.hourly import KEPT_MS, MAX_KEPT, Hourly
from ranker.store.errors import StoreUnavailableError
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
T = 1_795_396_624_735


class Reader:
    """Reads nothing until `go` is set; `under_way` are the articles being read, `begun` all that were."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.under_way: set[str] = set()
        self.most = 0
        self.fault: Exception | None = None

    async def read(self, _: Generation, site: str, shards: Mapping[int, frozenset[str]], from_ms: int) -> Hours | None:
        article = next(iter(shards[0]))
        self.begun.append(article)
        self.under_way.add(article)
        self.most = max(self.most, len(self.under_way))
        await self.go.wait()
        self.under_way.discard(article)
        if self.fault:
            raise self.fault
        return hours.no_hours()


class Clock:
    now = T

    def now_ms(self) -> int:
        return self.now


@pytest.fixture
async def reader() -> Reader:
    return Reader()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told(reader: Reader, clock: Clock) -> Hourly:
    made = Hourly(None, clock.now_ms)
    slow: Any = reader
    made._reader = slow
    return made


async def of(told: Hourly, article: str, deadline_s: float = 5.0, client: str = "") -> hourly.HourlyCounts | None:
    """`client` is one for each article if none is given."""
    shards = {0: frozenset({article})}
    return await told.counts(GENERATION, "demo", shards, T, deadline_s, (client or article).encode())


async def test_two_at_once(told: Hourly, reader: Reader) -> None:
    """The third waits until one of them is done; who asks for the same waits for the same reading."""
    asked = [asyncio.create_task(of(told, article)) for article in ("/a", "/b", "/c", "/a")]
    for _ in range(20):  # turns of the loop: more than anything takes that waits for nothing
        await asyncio.sleep(0)
    assert reader.begun == ["/a", "/b"]
    reader.go.set()
    assert all(await asyncio.gather(*asked))
    assert reader.begun == ["/a", "/b", "/c"]
    assert reader.most == 2


async def test_the_deadline(told: Hourly, reader: Reader) -> None:
    """Who waited in vain gets nothing; what was begun is there for the next, what was not is not."""
    answers = await asyncio.gather(*(of(told, article, 0.01) for article in ("/a", "/b", "/c")))
    assert answers == [None, None, None]
    assert reader.begun == ["/a", "/b"]
    reader.go.set()
    assert await of(told, "/a") is not None
    assert reader.begun == ["/a", "/b"]


async def test_kept_for_a_minute(told: Hourly, reader: Reader, clock: Clock) -> None:
    reader.go.set()
    first = await of(told, "/a")
    clock.now += KEPT_MS
    assert await of(told, "/a") is first
    clock.now += 1
    assert await of(told, "/a") is not first
    assert reader.begun == ["/a", "/a"]


async def test_bounded(told: Hourly, reader: Reader) -> None:
    """The one read longest ago goes first."""
    reader.go.set()
    for number in range(MAX_KEPT + 1):
        told._begun.clear()  # a minute later, each time
        await of(told, f"/{number}")
    assert len(told._kept) == MAX_KEPT
    told._begun.clear()
    await of(told, "/1")
    assert len(reader.begun) == MAX_KEPT + 1
    await of(told, "/0")
    assert len(reader.begun) == MAX_KEPT + 2


async def test_so_many_are_read_in_a_minute(told: Hourly, reader: Reader) -> None:
    """A client that walks through all articles gets hours of the first ones, and null of the others; kept ones are given."""
    reader.go.set()
    answers = [await of(told, f"/{number}") for number in range(hourly.READ_A_MINUTE + 2)]
    assert [answer is None for answer in answers] == [False] * hourly.READ_A_MINUTE + [True] * 2
    assert await of(told, "/0") is answers[0]
    assert len(reader.begun) == hourly.READ_A_MINUTE


async def test_one_client_leaves_others_most_of_them(told: Hourly, reader: Reader) -> None:
    """A third, and of what is left then the next one a third; who has read the most has kept ones all the same."""
    reader.go.set()
    answers = [await of(told, f"/{number}", client="greedy") for number in range(hourly.READ_A_MINUTE)]
    assert [answer is not None for answer in answers] == [number < 10 for number in range(hourly.READ_A_MINUTE)]
    answers = [await of(told, f"/other/{number}", client="other") for number in range(hourly.READ_A_MINUTE)]
    assert len([answer for answer in answers if answer is not None]) == 6
    assert await of(told, "/0", client="greedy") is not None


@pytest.mark.parametrize("fault", [StoreUnavailableError("away"), ValueError("strange bytes")])
async def test_what_fails_is_read_again(
    told: Hourly, reader: Reader, fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer goes out without hours; nothing is kept, and a fault of ours is in the log."""
    reader.go.set()
    reader.fault = fault
    assert await of(told, "/a") is None
    assert ("cannot be read" in caplog.text) == isinstance(fault, ValueError)
    reader.fault = None
    assert await of(told, "/a") is not None
