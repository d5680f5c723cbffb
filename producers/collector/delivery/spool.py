"""Events on disk while Kafka does not take them: a queue that survives kill -9 and loss of power.

What waits at the same time is committed together, so a disk of 500 fsyncs a second takes tens of thousands of events a
second. One thread does all that touches the file: the event loop never waits for the disk. The file never outgrows its
limit, gives the room of what was sent to what comes, and shrinks when it is empty.
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
"""Where a commit ends, before packing: one more put fits into SQLite's log all the same."""

PUT_BYTES = 384 * 1024
"""What one request can bring at most: 500 events in 64 KiB, with what is added to them."""

QUEUE_BYTES = 64 * 1024 * 1024
"""How much may wait in memory for the disk."""

NEARLY_FULL = 0.8

_ROW_BYTES = 512  # what a row takes beside its body, so that the bound is met before SQLite meets it

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
        """Open the spool in `directory`, made where it is missing (0700, its files 0600), and close it afterwards.

        Raises SpoolError where another process has it, or the file is damaged: it is never deleted or mended here.
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
        """What is in use of the disk, SQLite's log included."""
        return self._file.bytes

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest stored event was put, in ms since the epoch."""
        return self._file.oldest_ms

    @property
    def nearly_full(self) -> bool:
        return self._file.used_bytes >= NEARLY_FULL * self._room_bytes

    @property
    def full(self) -> bool:
        """Whether a put of PUT_BYTES would be refused: known beforehand, so that no event is numbered in vain."""
        return self._refuses(PUT_BYTES)

    async def put(self, records: Sequence[Record], *, doubtful: bool) -> None:
        """Store records behind all that is there. They are on disk when it returns; cancelling it takes nothing back.

        `doubtful` says that they may be in Kafka's log already. Raises SpoolFullError: none of them is stored.
        """
        await asyncio.shield(self.enqueue(records, doubtful=doubtful))

    def enqueue(self, records: Sequence[Record], *, doubtful: bool) -> asyncio.Future[None]:
        """Take the place in the order at once; the future is what `put` waits for. Raises SpoolFullError as well."""
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
        """Forget `done`, which Kafka has acknowledged, and mark the oldest events as under way: one durable commit.

        The chunk has no records where nothing is stored; what is being stored counts in `events`. Raises SpoolError.
        """
        return await self._run(lambda: self._take(done.last if done else 0, more=True))

    async def forget(self, done: Chunk) -> None:
        """Delete what Kafka has acknowledged, durably, and mark nothing. Raises SpoolError."""
        await self._run(lambda: self._take(done.last, more=False))

    def _refuses(self, size: int) -> bool:
        queued = self._queue_bytes + size
        return queued > QUEUE_BYTES or self._file.used_bytes + queued + _ROW_BYTES > self._room_bytes

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._worker, work)

    # From here on in the worker's thread.

    def _store(self) -> None:
        """Commit what waits, in its order, as few rows."""
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
        """In steps, between which others have their turn."""
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
    """The records of several puts in their order, together as far as they are of one kind and one row holds them."""
    for doubtful, puts in itertools.groupby(group, key=lambda put: put.doubtful):
        records: list[Record] = []
        for put in puts:
            if records and len(records) + len(put.records) > CHUNK_EVENTS:
                yield doubtful, records
                records = []
            records.extend(put.records)
        yield doubtful, records
