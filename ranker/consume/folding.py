"""Folds the chunks of one partition; if the kernel does it, in a thread: the process fetches and applies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from ranker.consume.fold_chunk import fold_chunk
from ranker.core.fold import Fold
from ranker.core.memory import Memory
from ranker.core.partial_counts import PartialCounts
from ranker.log.aiokafka_patch import Chunk

_REST_S = 0.001


class Folding:
    """One chunk at a time."""

    def __init__(self, partition: int, fold: Fold, *, accept_create_time: bool) -> None:
        self._fold = partial(fold_chunk, partition, fold=fold, accept_create_time=accept_create_time)
        self._busy = False

    async def counts(self, chunk: Chunk, memory: Memory | None, accepted: int) -> PartialCounts | None:
        """As `fold_chunk`; the caller's state may be another one afterwards."""
        fold = partial(self._fold, chunk, memory=memory, accepted=accepted)
        if not chunk.stretches:
            return fold()
        self._busy = True
        folded = asyncio.get_running_loop().run_in_executor(None, fold)
        folded.add_done_callback(self._ended)
        return await asyncio.shield(folded)

    def _ended(self, folded: asyncio.Future[PartialCounts | None]) -> None:
        self._busy = False
        if not folded.cancelled():
            folded.exception()  # seen, though nobody may wait for it any more

    async def at_rest(self) -> None:
        """Until the memory does not change any more: before the partition's gate opens again, here or in a new worker.

        Some milliseconds, which no cancellation shortens.
        """
        while self._busy:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(_REST_S)
