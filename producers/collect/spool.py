"""Events on disk while Kafka does not take them: a queue in one SQLite file that survives kill -9 and loss of power.

SQLite of the standard library, in WAL mode with synchronous=FULL: what is accepted has been fsynced. Not a library:
persist-queue writes and commits every item by itself, pickles it and knows no bound; litequeue asks for synchronous=1,
which a loss of power undoes, and keeps what was done. Here a row holds all that arrived during the commit before it,
packed with zlib (level 1: 32 bytes an event instead of 260, for 0.8 µs), so that a disk of 500 fsyncs a second takes
tens of thousands of events a second.

One thread does all of it, so the event loop never waits for the disk. The file never outgrows its limit, gives the room
of what was sent to what comes, and shrinks when it is empty.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sqlite3
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

CHUNK_EVENTS = 5_000
"""How many events are sent, marked and deleted together, and the most that one row holds of several puts."""

CHUNK_BYTES = 1024 * 1024
"""Where a chunk ends before it has so many events: packed size of its rows."""

WAL_BYTES = 8 * 1024 * 1024
"""Kept free of the limit for SQLite's log of changes: 4 MiB until it is worked in, and the commit that reaches them."""

RESERVE_BYTES = WAL_BYTES
"""A file given up when the disk is full: then the log can be worked in, and what Kafka takes be marked and deleted."""

COMMIT_BYTES = 2 * 1024 * 1024
"""Where a commit ends, before packing: one more put fits into the log all the same."""

SMALLEST_LIMIT_BYTES = WAL_BYTES + RESERVE_BYTES + 8 * 1024 * 1024

QUEUE_BYTES = 64 * 1024 * 1024
"""How much may wait in memory for the disk."""

SHRINK_PAGES = 2_000

NEARLY_FULL = 0.8

_FILE = "spool.sqlite3"
_FORMAT = 1
_PAGE_BYTES = 4096
_ROW_BYTES = 512  # room for a row's own pages and cells, so that the bound is met before SQLite meets it

_log = logging.getLogger("producers.collect")
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode

Record = tuple[bytes, bytes]
"""Key and value, as they go to Kafka."""


class SpoolError(Exception):
    """The spool cannot be opened, or the disk failed. The text says what to do."""


class SpoolFullError(SpoolError):
    """Nothing of this put is stored: the spool is at its limit, or its disk is full."""


@dataclass(frozen=True)
class Chunk:
    """The oldest events, durably marked as under way. `doubtful` of them may be in the log already."""

    last: int
    records: list[Record]
    doubtful: int


@dataclass(frozen=True)
class _Put:
    records: Sequence[Record]
    doubtful: bool
    bytes: int
    stored: asyncio.Future[None]


class Spool:
    """An open spool, for one event loop and one process: `async with Spool.open(directory, limit_bytes) as spool`.

    `events` counts what is stored or being stored, `bytes` what is in use of the disk, SQLite's log included;
    `oldest_ms` is when the oldest stored event was put (ms since the epoch).
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        if limit_bytes < SMALLEST_LIMIT_BYTES:
            raise SpoolError(f"A spool needs at least {SMALLEST_LIMIT_BYTES >> 20} MiB; raise its limit.")
        self.path = directory / _FILE
        self.limit_bytes = limit_bytes
        self.events = 0
        self.bytes = 0
        self.oldest_ms: int | None = None
        self._reserve = directory / "reserve"
        self._room_bytes = limit_bytes - WAL_BYTES - RESERVE_BYTES
        self._used_bytes = 0
        self._queue: deque[_Put] = deque()
        self._queue_bytes = 0
        self._scheduled = False
        self._closed = False
        self._next_id = 1
        self._sent_to = 0
        self._worker = ThreadPoolExecutor(1, "spool")
        self._loop = asyncio.get_running_loop()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, limit_bytes: int) -> AsyncIterator[Self]:
        """Open the spool in `directory`, made where it is missing (0700, its files 0600), and close it afterwards.

        Raises SpoolError where another process has it, or the file is damaged: it is never deleted or mended here.
        """
        spool = cls(directory, limit_bytes)
        try:
            await spool._run(spool._open)
            yield spool
        finally:
            # After whatever is still queued, which is stored first.
            await asyncio.shield(spool._run(spool._close))
            spool._worker.shutdown()

    @property
    def nearly_full(self) -> bool:
        return self._used_bytes >= NEARLY_FULL * self._room_bytes

    @property
    def full(self) -> bool:
        """Whether a put would be refused; known without the disk, so that nothing is begun in vain."""
        return self._refuses(0)

    async def put(self, records: Sequence[Record], *, doubtful: bool) -> None:
        """Store records behind all that is there. They are on disk when it returns; cancelling it takes nothing back.

        `doubtful` says that they may be in Kafka's log already. Raises SpoolFullError: none of them is stored.
        """
        await asyncio.shield(self.enqueue(records, doubtful=doubtful))

    def enqueue(self, records: Sequence[Record], *, doubtful: bool) -> asyncio.Future[None]:
        """Take the place in the order at once; the future is what `put` waits for. Raises SpoolFullError as well."""
        size = sum(len(key) + len(value) for key, value in records)
        if self._refuses(size):
            what = "waits for its disk" if self._queue_bytes > QUEUE_BYTES else "has reached its limit"
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
        chunk: Chunk = await self._run(lambda: self._take(done.last if done else 0, more=True))
        return chunk

    async def forget(self, done: Chunk) -> None:
        """Delete what Kafka has acknowledged, durably, and mark nothing. Raises SpoolError."""
        await self._run(lambda: self._take(done.last, more=False))

    def _refuses(self, size: int) -> bool:
        queued = self._queue_bytes + size
        return queued > QUEUE_BYTES or self._used_bytes + queued + _ROW_BYTES > self._room_bytes

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await self._loop.run_in_executor(self._worker, work)

    # From here on in the worker's thread.

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its log the mode of the file.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self.path.chmod(0o600)
        self._db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise SpoolError(
                    f"The spool {self.path} is in use by another process. Give each collector a directory of its own."
                ) from error
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise self._damaged(str(error)) from error
            raise SpoolError(f"The spool {self.path} cannot be opened: {error}. Check the disk.") from error

    def _prepare(self) -> None:
        run = self._db.execute
        # Held until the end, against a second process; and no shared memory is needed beside the file.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run(f"PRAGMA page_size = {_PAGE_BYTES}")
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        run(f"PRAGMA max_page_count = {self._room_bytes // _PAGE_BYTES}")
        (found,) = run("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise self._damaged(found.replace("\n", " "))
        (version,) = run("PRAGMA user_version").fetchone()
        if version not in {0, _FORMAT}:
            raise SpoolError(f"The spool {self.path} is of a newer version. Start the collector that wrote it.")
        with self._transaction():
            if version == 0:
                columns = "id INTEGER PRIMARY KEY, put_ms INTEGER, events INTEGER, doubtful INTEGER, body BLOB"
                run(f"CREATE TABLE queue ({columns})")
                run(f"CREATE TABLE aside ({columns})")
                # Up to here rows have been under way. One number, since marking a row would write its pages anew.
                run("CREATE TABLE mark (sent_to INTEGER)")
                run("INSERT INTO mark VALUES (0)")
                run(f"PRAGMA user_version = {_FORMAT}")
        (self._sent_to,) = run("SELECT sent_to FROM mark").fetchone()
        last, events = run("SELECT coalesce(max(id), 0), coalesce(sum(events), 0) FROM queue").fetchone()
        # Never the number of a row that was sent, or the mark would hold for another one.
        self._next_id = max(last, self._sent_to) + 1
        self.events = events
        self._look()
        self._lay_by()

    def _lay_by(self) -> None:
        """Have the reserve, where the disk has room for it."""
        with contextlib.suppress(OSError):
            file = os.open(self._reserve, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVE_BYTES)
            finally:
                os.close(file)

    def _damaged(self, what: str) -> SpoolError:
        return SpoolError(
            f"The spool {self.path} is damaged ({what}). Move it away to start with an empty one; what can be read of "
            "it comes out with: sqlite3 spool.sqlite3 .recover"
        )

    def _close(self) -> None:
        self._closed = True
        # Also a spool that could not be opened is closed.
        if hasattr(self, "_db"):
            self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # Some errors of the disk have rolled back already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _store(self) -> None:
        """Commit all that waits, in its order, as few rows."""
        self._scheduled = False
        group: list[_Put] = []
        size = 0
        while self._queue and size < COMMIT_BYTES:
            group.append(self._queue.popleft())
            size += group[-1].bytes
        if not group:
            return
        error: SpoolError | None = None
        next_id = self._next_id
        try:
            with self._transaction():
                for doubtful, records in _rows(group):
                    body = zlib.compress(msgspec.msgpack.encode(records), 1)
                    row = (next_id, time.time_ns() // 1_000_000, len(records), doubtful, body)
                    self._db.execute("INSERT INTO queue VALUES (?, ?, ?, ?, ?)", row)
                    next_id += 1
            self._next_id = next_id
            self._look()
        except sqlite3.Error as failed:
            error = SpoolFullError(f"The spool {self.path} cannot be written: {failed}. Make room on its disk.")
        self._loop.call_soon_threadsafe(self._stored, group, error)
        if self._queue:
            self._worker.submit(self._store)

    def _take(self, done: int, *, more: bool) -> Chunk:
        try:
            try:
                return self._taken(done, more=more)
            except sqlite3.OperationalError:
                # Most likely the disk is full: with the reserve given up and the log worked in, a small commit fits.
                self._reserve.unlink(missing_ok=True)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                return self._taken(done, more=more)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"The spool {self.path} failed: {error}. Check its disk.") from error

    def _taken(self, done: int, *, more: bool) -> Chunk:
        run = self._db.execute
        records: list[Record] = []
        doubtful = 0
        with self._transaction():
            (gone,) = run("SELECT coalesce(sum(events), 0) FROM queue WHERE id <= ?", (done,)).fetchone()
            run("DELETE FROM queue WHERE id <= ?", (done,))
            rows = self._oldest() if more else []
            for id_, events, was_doubtful, body in rows:
                try:
                    records += _decode(zlib.decompress(body))
                except (zlib.error, msgspec.DecodeError) as error:
                    self._put_aside(id_, events, error)
                    gone += events
                    continue
                doubtful += events if was_doubtful or id_ <= self._sent_to else 0
            last = rows[-1][0] if rows else 0
            sent_to = max(self._sent_to, last)
            if sent_to > self._sent_to:
                run("UPDATE mark SET sent_to = ?", (sent_to,))
        self._sent_to = sent_to
        # Here and not in `take`, which may be cancelled while this goes on.
        self._loop.call_soon_threadsafe(self._gone, gone)
        self._look()
        if done and self.oldest_ms is None:
            self._worker.submit(self._shrink)
        return Chunk(last, records, doubtful)

    def _shrink(self) -> None:
        """Give disk back that an empty spool does not need, in steps, between which others have their turn."""
        with contextlib.suppress(sqlite3.Error):
            if self._closed or self.oldest_ms is not None:
                return
            # As a script, since `execute` would free the first page only.
            self._db.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")
            self._look()
            if self._db.execute("PRAGMA freelist_count").fetchone() != (0,):
                self._worker.submit(self._shrink)
                return
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._look()
            self._lay_by()

    def _oldest(self) -> list[tuple[int, int, int, bytes]]:
        """The rows of one chunk."""
        rows: list[tuple[int, int, int, bytes]] = []
        events, size = 0, 0
        for row in self._db.execute("SELECT id, events, doubtful, body FROM queue ORDER BY id"):
            if rows and (events + row[1] > CHUNK_EVENTS or size >= CHUNK_BYTES):
                break
            rows.append(row)
            events += row[1]
            size += len(row[3])
        return rows

    def _put_aside(self, id_: int, events: int, error: Exception) -> None:
        """Keep a row that cannot be read out of the way of all others."""
        self._db.execute("INSERT OR REPLACE INTO aside SELECT * FROM queue WHERE id = ?", (id_,))
        self._db.execute("DELETE FROM queue WHERE id = ?", (id_,))
        _log.error(
            "%d events in the spool %s cannot be read (%s); they are kept in its table aside, and not sent",
            events, self.path, error,
        )  # fmt: skip

    def _look(self) -> None:
        """Note how much is in use."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
        self._used_bytes = (pages - free) * _PAGE_BYTES
        wal = self.path.with_name(_FILE + "-wal")
        self.bytes = self._used_bytes + (wal.stat().st_size if wal.exists() else 0)
        oldest = self._db.execute("SELECT put_ms FROM queue ORDER BY id LIMIT 1").fetchone()
        self.oldest_ms = oldest[0] if oldest else None

    # In the event loop again.

    def _stored(self, group: list[_Put], error: SpoolError | None) -> None:
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
