"""The spool's file: SQLite of the standard library, in WAL mode with synchronous=FULL, so every commit is fsynced.

Not a library: persist-queue commits every item by itself, pickles it and has no bound in bytes; litequeue sets
synchronous=1, which a loss of power undoes, and keeps finished items. Here a row holds all events that arrived during
the commit before it, compressed with zlib (level 1, measured: 32 bytes an event instead of 260, for 0.8 µs).

For one thread; without asyncio.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

CHUNK_EVENTS = 5_000
"""How many events are sent, marked and deleted together, unless one row holds more."""

CHUNK_BYTES = 1024 * 1024
"""A chunk ends at so many compressed bytes, even with fewer events."""

WAL_BYTES = 8 * 1024 * 1024
"""Part of the limit kept free for SQLite's log: 4 MiB until a checkpoint, and the commit that reaches them."""

RESERVE_BYTES = WAL_BYTES
"""A file that is deleted when the disk is full: then a checkpoint is possible, and events can be marked and deleted."""

SHRINK_PAGES = 2_000
"""Pages of an empty file that are freed at a time."""

_FORMAT = 1
_PAGE_BYTES = 4096

_log = logging.getLogger("producers.collector")
_decode = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode

Record = tuple[bytes, bytes]
"""Key and value, as they go to Kafka."""


class SpoolError(Exception):
    """The spool cannot be opened, or the disk failed. The text says what to do."""


class SpoolFullError(SpoolError):
    """No event of this put is stored: the spool is at its limit, or its disk is full."""


@dataclass(frozen=True)
class Chunk:
    """The oldest events, durably marked as under way. `doubtful` of them may be in the log already."""

    last: int
    records: list[Record]
    doubtful: int


class SpoolFile:
    """An open file, locked against other processes until `close`.

    `room_bytes` is the limit for rows; SQLite's log and the reserve come on top. `events` is the number of events when
    it was opened. `used_bytes` is the size of rows, `bytes` that and the log, `oldest_ms` when the oldest row was put.
    """

    def __init__(self, path: Path, room_bytes: int) -> None:
        """Raises SpoolError if another process has it, or if it is damaged: it is never deleted or repaired here."""
        self.path = path
        self.events = 0
        self.used_bytes = 0
        self.bytes = 0
        self.oldest_ms: int | None = None
        self._next_id = 1
        self._sent_to = 0
        self._reserve = path.with_name("reserve")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives its log the mode of the file.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"The spool {path} cannot be opened: {error}. Check the directory's owner.") from error
        try:
            self._prepare(room_bytes)
        except sqlite3.Error as error:
            self.close()
            raise self._unusable(error) from error
        except SpoolError:
            self.close()
            raise

    def close(self) -> None:
        self._db.close()

    def store(self, rows: Iterable[tuple[bool, list[Record]]], now_ms: int) -> None:
        """Stores rows of (doubtful, records) after all others, all or none. Raises SpoolFullError."""
        next_id = self._next_id
        try:
            with self._transaction():
                for doubtful, records in rows:
                    body = zlib.compress(msgspec.msgpack.encode(records), 1)
                    row = (next_id, now_ms, len(records), doubtful, body)
                    self._db.execute("INSERT INTO queue VALUES (?, ?, ?, ?, ?)", row)
                    next_id += 1
        except sqlite3.Error as error:
            raise SpoolFullError(f"The spool {self.path} cannot be written: {error}. Make room on its disk.") from error
        self._next_id = next_id
        self._measure()

    def take(self, done: int, *, more: bool) -> tuple[Chunk, int]:
        """Deletes the rows up to `done` and, with `more`, marks the oldest of the others as under way, in one commit.

        Returns the marked ones, and how many events were deleted. Raises SpoolError.
        """
        try:
            try:
                return self._take(done, more=more)
            except sqlite3.OperationalError:
                # Most likely the disk is full: without the reserve and after a checkpoint a small commit fits.
                self._reserve.unlink(missing_ok=True)
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                return self._take(done, more=more)
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"The spool {self.path} failed: {error}. Check its disk.") from error

    def shrink(self) -> bool:
        """Frees disk space that an empty file does not need; returns whether there is more to free."""
        with contextlib.suppress(sqlite3.Error):
            # As a script, since `execute` would free the first page only.
            self._db.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")
            self._measure()
            if self._db.execute("PRAGMA freelist_count").fetchone() != (0,):
                return True
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._measure()
            self._allocate_reserve()
        return False

    def _prepare(self, room_bytes: int) -> None:
        run = self._db.execute
        # Locked until the end against a second process, which also avoids a file of shared memory.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run(f"PRAGMA page_size = {_PAGE_BYTES}")
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        run(f"PRAGMA max_page_count = {room_bytes // _PAGE_BYTES}")
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
                # Rows up to this id have been under way. One number, since marking each row would rewrite its pages.
                run("CREATE TABLE mark (sent_to INTEGER)")
                run("INSERT INTO mark VALUES (0)")
                run(f"PRAGMA user_version = {_FORMAT}")
        (self._sent_to,) = run("SELECT sent_to FROM mark").fetchone()
        last, self.events = run("SELECT coalesce(max(id), 0), coalesce(sum(events), 0) FROM queue").fetchone()
        # Never the id of a row that was sent: the mark would apply to another one.
        self._next_id = max(last, self._sent_to) + 1
        self._measure()
        self._allocate_reserve()

    def _unusable(self, error: sqlite3.Error) -> SpoolError:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return SpoolError(
                f"The spool {self.path} is in use by another process. Give each collector a directory of its own."
            )
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return self._damaged(str(error))
        return SpoolError(f"The spool {self.path} cannot be opened: {error}. Check the disk.")

    def _damaged(self, what: str) -> SpoolError:
        return SpoolError(
            f"The spool {self.path} is damaged ({what}). Move it away to start with an empty one; what can be read of "
            f"it comes out with: sqlite3 {self.path.name} .recover"
        )

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

    def _take(self, done: int, *, more: bool) -> tuple[Chunk, int]:
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
        self._measure()
        return Chunk(last, records, doubtful), gone

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
        """Moves a row that cannot be read out of the queue."""
        self._db.execute("INSERT OR REPLACE INTO aside SELECT * FROM queue WHERE id = ?", (id_,))
        self._db.execute("DELETE FROM queue WHERE id = ?", (id_,))
        _log.error(
            "%d events in the spool %s cannot be read (%s); they are kept in its table aside, and not sent",
            events,
            self.path,
            error,
        )

    def _allocate_reserve(self) -> None:
        """Allocates the reserve, if the disk has room for it."""
        with contextlib.suppress(OSError):
            file = os.open(self._reserve, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVE_BYTES)
            finally:
                os.close(file)

    def _measure(self) -> None:
        """Measures the space in use. An error is ignored: it does not undo the commit before."""
        with contextlib.suppress(sqlite3.Error, OSError):
            (pages,) = self._db.execute("PRAGMA page_count").fetchone()
            (free,) = self._db.execute("PRAGMA freelist_count").fetchone()
            self.used_bytes = (pages - free) * _PAGE_BYTES
            oldest = self._db.execute("SELECT put_ms FROM queue ORDER BY id LIMIT 1").fetchone()
            self.oldest_ms = oldest[0] if oldest else None
            self.bytes = self.used_bytes + self.path.with_name(self.path.name + "-wal").stat().st_size
