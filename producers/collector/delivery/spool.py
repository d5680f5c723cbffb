"""Events on disk while Kafka does not accept them: a queue that survives kill -9 and loss of power.

Puts that wait at the same time are committed together, so a disk of 500 fsyncs a second stores tens of thousands of
events a second. One thread does all work on the file: the event loop never waits for the disk. The file never outgrows
its limit, reuses the room of sent events, and shrinks when it is empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from producers.collector.delivery.spool_file import (
    CHUNK_EVENTS,
    RESERVE_BYTES,
    WAL_BYTES,
    Chunk,
    Record,
    SpoolError,
    SpoolFile,
    SpoolFullError,
)

__all__ = ["CHUNK_EVENTS", "SMALLEST_LIMIT_BYTES", "Chunk", "Record", "Spool", "SpoolError", "SpoolFullError"]

SMALLEST_LIMIT_BYTES = WAL_BYTES + RESERVE_BYTES + 8 * 1024 * 1024

COMMIT_BYTES = 2 * 1024 * 1024
"""A commit ends at so many bytes, before compression: one more put still fits into SQLite's log."""

PUT_BYTES = 384 * 1024
"""One request's events at most: 500 in 64 KiB, with the fields that are added to them."""

QUEUE_BYTES = 64 * 1024 * 1024
"""How much may wait in memory for the disk."""

NEARLY_FULL = 0.8

_ROW_BYTES = 512  # of a row beside its body, so that our bound is reached before SQLite's

T = TypeVar("T")


@dataclass(frozen=True)
class _Put:
    records: Sequence[Record]
    doubtful: bool
    bytes: int
    stored: asyncio.Future[None]


class Spool:
    """An open spool, for one event loop and one process: `async with Spool.open(directory, limit_bytes) as spool`.

    `events` counts what is stored or being stored.
    """

    def __init__(self, file: SpoolFile, limit_bytes: int, worker: ThreadPoolExecutor) -> None:
        self.path = file.path
        self.limit_bytes = limit_bytes
        self.events = file.events
        self._file = file
        self._room_bytes = _room(limit_bytes)
        self._queue: deque[_Put] = deque()
        self._queue_bytes = 0
        self._scheduled = False
        self._worker = worker
        self._loop = asyncio.get_running_loop()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, limit_bytes: int) -> AsyncIterator[Self]:
        """Opens the spool in `directory`, made if it is missing (0700, its files 0600), and closes it afterwards.

        Raises SpoolError if another process has it, or if the file is damaged: it is never deleted or repaired here.
        """
        if limit_bytes < SMALLEST_LIMIT_BYTES:
            raise SpoolError(f"A spool needs at least {SMALLEST_LIMIT_BYTES >> 20} MiB; raise its limit.")
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "spool") as worker:
            file = await loop.run_in_executor(worker, SpoolFile, directory / "spool.sqlite3", _room(limit_bytes))
            spool = cls(file, limit_bytes, worker)
            try:
                yield spool
            finally:
                while spool._queue:
                    await spool._run(spool._store)
                await asyncio.shield(spool._run(file.close))

    @property
    def bytes(self) -> int:
        """Disk space in use, SQLite's log included."""
        return self._file.bytes

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest stored event was put, in ms since the epoch; None if there is none."""
        return self._file.oldest_ms

    @property
    def nearly_full(self) -> bool:
        return self._file.used_bytes >= NEARLY_FULL * self._room_bytes

    @property
    def full(self) -> bool:
        """Whether a put of PUT_BYTES would be refused: to be checked before events are numbered."""
        return self._refuses(PUT_BYTES)

    async def put(self, records: Sequence[Record], *, doubtful: bool) -> None:
        """Stores records after all others. They are on disk when it returns; cancelling it does not undo it.

        `doubtful`: they may be in Kafka's log already. Raises SpoolFullError: none of them is stored.
        """
        await asyncio.shield(self.enqueue(records, doubtful=doubtful))

    def enqueue(self, records: Sequence[Record], *, doubtful: bool) -> asyncio.Future[None]:
        """As `put`, with its place in the order taken at once; the future is done when they are on disk."""
        size = sum(len(key) + len(value) for key, value in records)
        if self._refuses(size):
            what = "waits for its disk" if self._queue_bytes + size > QUEUE_BYTES else "has reached its limit"
            raise SpoolFullError(f"The spool {self.path} {what} ({self.limit_bytes >> 20} MiB).")
        put = _Put(records, doubtful, size, self._loop.create_future())
        self.events += len(records)
        self._queue_bytes += size
        self._queue.append(put)
        if not self._scheduled:
            self._scheduled = True
            self._worker.submit(self._store)
        return put.stored

    async def take(self, done: Chunk | None = None) -> Chunk:
        """Deletes `done`, which Kafka has acknowledged, and marks the oldest events as under way: one durable commit.

        The chunk is empty if nothing is stored; `events` also counts what is still being stored. Raises SpoolError.
        """
        return await self._run(lambda: self._take(done.last if done else 0, more=True))

    async def forget(self, done: Chunk) -> None:
        """Deletes events that Kafka has acknowledged, durably, and marks none. Raises SpoolError."""
        await self._run(lambda: self._take(done.last, more=False))

    def _refuses(self, size: int) -> bool:
        queued = self._queue_bytes + size
        return queued > QUEUE_BYTES or self._file.used_bytes + queued + _ROW_BYTES > self._room_bytes

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._worker, work)

    # From here on in the worker's thread.

    def _store(self) -> None:
        """Commits the waiting puts, in order, in few rows."""
        self._scheduled = False
        group: list[_Put] = []
        size = 0
        while self._queue and size < COMMIT_BYTES:
            group.append(self._queue.popleft())
            size += group[-1].bytes
        if not group:
            return
        error: SpoolFullError | None = None
        try:
            self._file.store(_rows(group), time.time_ns() // 1_000_000)
        except SpoolFullError as full:
            error = full
        self._loop.call_soon_threadsafe(self._stored, group, error)
        if self._queue:
            self._worker.submit(self._store)

    def _take(self, done: int, *, more: bool) -> Chunk:
        chunk, gone = self._file.take(done, more=more)
        # Here and not in `take`, which may be cancelled while this goes on.
        self._loop.call_soon_threadsafe(self._gone, gone)
        if done and self._file.oldest_ms is None:
            self._worker.submit(self._shrink)
        return chunk

    def _shrink(self) -> None:
        """Shrinks the file in steps, between which other work is done."""
        if self._file.oldest_ms is None and self._file.shrink():
            self._worker.submit(self._shrink)

    # In the event loop again.

    def _stored(self, group: list[_Put], error: SpoolFullError | None) -> None:
        for put in group:
            self._queue_bytes -= put.bytes
            if error is not None:
                self.events -= len(put.records)
            if put.stored.done():
                continue
            if error is None:
                put.stored.set_result(None)
            else:
                put.stored.set_exception(error)

    def _gone(self, events: int) -> None:
        self.events -= events


def _room(limit_bytes: int) -> int:
    return limit_bytes - WAL_BYTES - RESERVE_BYTES


def _rows(group: list[_Put]) -> Iterator[tuple[bool, list[Record]]]:
    """The records of several puts in order, joined into rows if equally doubtful and not too many."""
    for doubtful, puts in itertools.groupby(group, key=lambda put: put.doubtful):
        records: list[Record] = []
        for put in puts:
            if records and len(records) + len(put.records) > CHUNK_EVENTS:
                yield doubtful, records
                records = []
            records.extend(put.records)
        yield doubtful, records
