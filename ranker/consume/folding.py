"""Folds the chunks of one partition; if the kernel does it, in a thread: the process fetches and applies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from ranker.consume.errors import PartitionStoppedError
from ranker.consume.fold_chunk import Piece, fold_chunk
from ranker.core.fold import Fold
from ranker.core.memory import Memory
from ranker.log.chunks import Chunk

Folded = list[Piece | PartitionStoppedError]
_REST_S = 0.001


def together(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Those for the kernel that follow one another, which are folded together; every other one alone."""
    some: list[Chunk] = []
    for chunk in chunks:
        if some and not (chunk.stretches and some[-1].stretches and chunk.start == some[-1].end):
            yield some
            some = []
        some.append(chunk)
    if some:
        yield some


def until_stopped(folded: Folded) -> Iterator[Piece]:
    """The pieces. Raises PartitionStoppedError behind the last one that could be folded."""
    for piece in folded:
        if isinstance(piece, PartitionStoppedError):
            raise piece
        yield piece


class Folding:
    """Of one partition. What it is given is folded in order, one call at a time."""

    def __init__(self, partition: int, fold: Fold, *, accept_create_time: bool) -> None:
        self._fold = partial(fold_chunk, partition, fold=fold, accept_create_time=accept_create_time)
        self._busy = False

    async def counts(self, chunks: Sequence[Chunk], memory: Memory | None, accepted: int, most_cost: int) -> Folded:
        """The chunks' counts, as `fold_chunk` yields them; the last one may be why the partition stops.

        The caller's state may be another one afterwards.
        """
        if not chunks[0].stretches:
            return self._folded(chunks, memory, accepted, most_cost)
        self._busy = True
        folded = asyncio.get_running_loop().run_in_executor(None, self._folded, chunks, memory, accepted, most_cost)
        folded.add_done_callback(self._ended)
        return await asyncio.shield(folded)

    def _folded(self, chunks: Sequence[Chunk], memory: Memory | None, accepted: int, most_cost: int) -> Folded:
        found: Folded = []
        try:
            for chunk in chunks:
                found.extend(self._fold(chunk, memory=memory, accepted=accepted, most_cost=most_cost))
        except PartitionStoppedError as stopped:
            found.append(stopped)
        return found

    def _ended(self, folded: asyncio.Future[Folded]) -> None:
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
