"""Folding in a thread: what is folded together, where it stops, and that nobody touches a memory that a thread changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import pytest

from ranker.consume import folding
from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.consume.fold_chunk import Piece
from ranker.consume.folding import Folding, together, until_stopped
from ranker.core.fold import Fold
from ranker.core.partial_counts import PartialCounts
from ranker.log.chunks import Chunk

NOBODY = cast("Any", None)


def raw(start: int, end: int) -> Chunk:
    return Chunk(start, end, stretches=[NOBODY])


def test_what_follows_is_folded_together() -> None:
    """Chunks of records, without any, or behind a hole are folded alone."""
    chunks = [raw(0, 5), raw(5, 9), Chunk(9, 12), raw(12, 13), raw(14, 15), raw(15, 16), Chunk(16, 17), Chunk(17, 18)]
    spans = [[(chunk.start, chunk.end) for chunk in some] for some in together(chunks)]
    assert spans == [[(0, 5), (5, 9)], [(9, 12)], [(12, 13)], [(14, 15), (15, 16)], [(16, 17)], [(17, 18)]]
    assert list(together([])) == []


async def test_it_stops_at_the_first_that_cannot_be_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes before is handed out; what comes behind is not folded at all."""
    folded = []

    def fold(_: int, chunk: Chunk, **__: Any) -> Iterator[Piece]:
        folded.append(chunk.start)
        yield Piece(chunk.start, chunk.start + 2, PartialCounts(records=2))
        if chunk.start == 5:
            raise PartitionStoppedError("no", Stop.FOLD)
        yield Piece(chunk.start + 2, chunk.end, None)

    monkeypatch.setattr(folding, "fold_chunk", fold)
    chunks = [raw(0, 5), raw(5, 9), raw(9, 12)]
    found = await Folding(0, cast("Fold", NOBODY), accept_create_time=True).counts(chunks, None, 0, 100)
    handed = until_stopped(found)
    assert [(piece.start, piece.end) for piece in islice(handed, 3)] == [(0, 2), (2, 5), (5, 7)]
    with pytest.raises(PartitionStoppedError, match="no"):
        next(handed)
    assert folded == [0, 5]


async def test_it_is_at_rest_once_the_thread_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if whoever waited for it was cancelled, and whoever waits for its rest is."""
    goes_on, began = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def fold(*_: Any, **__: Any) -> list[Piece]:
        loop.call_soon_threadsafe(began.set)
        assert goes_on.wait(10)
        return []

    monkeypatch.setattr(folding, "fold_chunk", fold)
    one = Folding(0, cast("Fold", NOBODY), accept_create_time=True)
    await one.at_rest()
    counting = asyncio.create_task(one.counts([raw(0, 5)], None, 0, 100))
    await began.wait()
    counting.cancel()
    resting = asyncio.create_task(one.at_rest())
    await asyncio.wait([counting])
    for _ in range(3):
        await asyncio.sleep(0.01)
        resting.cancel()
    await asyncio.sleep(0.01)
    assert not resting.done()
    goes_on.set()
    async with asyncio.timeout(5):
        await asyncio.wait([resting])
    assert not resting.cancelled()


async def test_a_fault_of_the_kernel_stops_the_partition() -> None:
    """As any fault of the fold: with a sentence, and not the process."""

    class Panics:
        def raw(self, *_: Any) -> None:
            raise RuntimeError("panic in the kernel: index out of bounds")

    found = await Folding(3, cast("Fold", Panics()), accept_create_time=True).counts(
        [raw(0, 5), raw(5, 9)], None, 0, 100
    )
    (stopped,) = found
    assert isinstance(stopped, PartitionStoppedError)
    assert stopped.stop is Stop.FOLD
    assert "partition 3: offsets 0 and on cannot be folded (RuntimeError: panic in the kernel" in str(stopped)
