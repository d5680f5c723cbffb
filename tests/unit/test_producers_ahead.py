"""Reading ahead in a thread: all of it, in order, no more than is wanted, and an end while nothing comes."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator

import pytest

from producers.ahead import PORTION, portions


async def test_everything_comes_in_order_and_then_the_error() -> None:
    """What the iterator raises is raised behind what it gave."""

    def numbers() -> Iterator[int]:
        yield from range(3 * PORTION + 7)
        raise LookupError

    found: list[int] = []

    async def take() -> None:
        async for portion in portions(numbers(), asyncio.Event()):
            assert len(portion) <= PORTION
            found.extend(portion)

    with pytest.raises(LookupError):
        await take()
    assert found == list(range(3 * PORTION + 7))


async def test_no_more_is_taken_than_is_wanted() -> None:
    """Who is slow holds up the thread; who leaves ends it."""
    taken = itertools.count()
    before = threading.active_count()
    async with contextlib.aclosing(portions(taken, asyncio.Event())) as found:
        assert (await anext(found))[:2] == [0, 1]
        await asyncio.sleep(0.05)
        assert next(taken) <= 3 * PORTION
    for _ in range(500):
        if threading.active_count() == before:
            break
        await asyncio.sleep(0.01)
    assert threading.active_count() == before


async def test_an_iterator_that_gives_nothing_holds_nobody() -> None:
    """What came before its silence is there within a moment, and `stop` ends the wait."""
    silence, stop = threading.Event(), asyncio.Event()

    def numbers() -> Iterator[int]:
        yield 1
        silence.wait()

    try:
        async with contextlib.aclosing(portions(numbers(), stop)) as found:
            async with asyncio.timeout(10):
                assert await anext(found) == [1]
                stop.set()
                with pytest.raises(StopAsyncIteration):
                    await anext(found)
    finally:
        silence.set()
