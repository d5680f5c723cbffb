"""A panic of the kernel behind the fold, in merging, routing or packing, stops its partition; other errors end the process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.errors import Stop
from ranker.consume.worker import Worker
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.log.chunks import Chunk
from ranker.metrics import ConsumerMetrics, new_registry
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

PANIC = "panic in the kernel: index out of bounds"


class Fails:
    """As columns and as a router."""

    cost = 1

    def __init__(self, words: str) -> None:
        self.words = words
        self.routed = 0

    def add(self, _: object) -> None:
        raise RuntimeError(self.words)

    def cost_with(self, _: object, __: int) -> int:
        return 1

    def changes(self, *_: object) -> None:
        self.routed += 1
        raise RuntimeError(self.words)


async def _open(_: object) -> Any:
    version = SimpleNamespace(n=0, floors=(0, 0))
    return SimpleNamespace(version=version, log_end=0, articles=0, memory=None, epoch=None, watermark_ms=0)


def worker_of(fails: Fails, metrics: ConsumerMetrics) -> Worker:
    generation, nobody = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS), cast("Any", None)
    gate = cast("Any", SimpleNamespace(open=_open, check_last_counted=lambda _: asyncio.sleep(0)))
    return Worker(
        generation,
        Fold(generation),
        cast("Any", fails),
        3,
        nobody,
        gate,
        nobody,
        nobody,
        metrics,
        DeadLetterLimit(3, 1.0, 100),
        0.0,
        None,
        accept_create_time=True,
    )


async def opened(worker: Worker) -> asyncio.Task[None]:
    worker._next_tick_s = float("inf")
    running = asyncio.create_task(worker.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert worker.is_open
    return running


@pytest.mark.parametrize("is_routed", [False, True])
async def test_a_panic_stops_the_partition(*, is_routed: bool) -> None:
    """At the second chunk, which is merged with the first, or when the batch is routed; what is merged by half is not."""
    metrics, router = ConsumerMetrics(new_registry(), []), Fails(PANIC)
    worker = worker_of(router, metrics)
    running = await opened(worker)
    columns = None if is_routed else cast("Any", Fails(PANIC))
    chunks = [Chunk(at, at + 1, partial=PartialCounts(records=1, columns=columns)) for at in (0, 1)]
    await worker.take(chunks, asyncio.get_running_loop().time())
    await asyncio.wait_for(running, 10.0)
    assert worker.stopped is not None
    assert worker.stopped.stop is Stop.FOLD
    assert str(worker.stopped).startswith(f"partition 3: its counts cannot be made a step ({PANIC}); this is a fault")
    assert not worker.is_open
    assert router.routed == is_routed


async def test_another_error_is_no_panic() -> None:
    worker = worker_of(Fails("something else"), ConsumerMetrics(new_registry(), []))
    running = await opened(worker)
    await worker.take([Chunk(0, 1, partial=PartialCounts(records=1))], asyncio.get_running_loop().time())
    with pytest.raises(RuntimeError, match="something else"):
        await asyncio.wait_for(running, 10.0)
