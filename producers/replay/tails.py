"""One file that is read as it grows: lines with their places, and whether it is still the file that it was."""

from __future__ import annotations

import gzip
import os
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import IO, Self, cast

from producers import lines
from producers.replay.position import Mark

CHUNK_BYTES = 256 * 1024
"""Read at a time: so much of a file is sent again at most if a process dies between Kafka's acknowledgement and its
note of that."""
DAMAGED = (OSError, EOFError, zlib.error)
"""What reading raises of a file that is cut, or packed and broken."""
HEAD_BYTES = 1024
"""Bytes by which a file is recognised under another name."""


class Tail:
    """An open file, read from `mark.offset` on. `path` is for messages.

    `finished` files grow no more: copies and packed ones. `came_s` is when lines came last, on the caller's clock.
    """

    def __init__(self, path: Path, file: IO[bytes], mark: Mark, *, finished: bool = False) -> None:
        self.path = path
        self.mark = mark
        self.finished = finished
        self.came_s = 0.0
        self._file = file
        self._head = file.read(mark.head_bytes)
        self.rewind()

    @classmethod
    def open(cls, path: Path, mark: Mark | None = None, *, finished: bool = False) -> Self:
        """Opens a file to be read from its mark on, or from its start; raises OSError."""
        packed = is_packed(path)
        file = cast("IO[bytes]", gzip.open(path) if packed else path.open("rb", buffering=0))  # noqa: SIM115 - `close` does
        if mark is None:
            mark = Mark.new(os.fstat(file.fileno()).st_ino)
        return cls(path, file, mark, finished=finished or packed)

    def close(self) -> None:
        self._file.close()

    @property
    def inode(self) -> int:
        """Of the open file, whatever its name is now."""
        return os.fstat(self._file.fileno()).st_ino

    @property
    def mtime_ns(self) -> int:
        """When the open file was written last."""
        return os.fstat(self._file.fileno()).st_mtime_ns

    def rewind(self) -> None:
        """Go back to the first line that is not known to be in Kafka."""
        self.position = self.mark.offset
        self._rest = b""
        self._cut = 0
        self._file.seek(self.position)

    def take(self) -> list[tuple[int, str]]:
        """(place, line) of the next complete lines, of one chunk if they fit; none if there are none yet.

        `position` is behind them. Raises OSError, EOFError or zlib.error if the file is damaged.
        """
        taken: list[tuple[int, str]] = []
        while not taken:
            begin = self._file.tell()
            if not (found := self._file.read(CHUNK_BYTES)):
                break
            if begin < HEAD_BYTES:
                self._head = (self._head[:begin] + found)[:HEAD_BYTES]
            *whole, rest = (self._rest + found).split(b"\n")
            for line in whole:
                taken.append((self.position, _text(line[: lines.LONGEST_LINE_BYTES])))
                self.position += len(line) + 1 + self._cut
                self._cut = 0
            # The rest of an endless line is not kept.
            self._rest = rest[: lines.LONGEST_LINE_BYTES]
            self._cut += len(rest) - len(self._rest)
        return taken

    def take_last(self) -> list[tuple[int, str]]:
        """The line at the end that has no newline, once it is known that none will come."""
        if not self._rest:
            return []
        taken = [(self.position, _text(self._rest))]
        self.position += len(self._rest) + self._cut
        self._rest, self._cut = b"", 0
        return taken

    def committed(self, kind: str, header: str) -> None:
        """Note that all lines taken are in Kafka, and how those after them are to be read."""
        mark = self.mark
        mark.offset, mark.kind, mark.header = self.position, kind, header
        if mark.head_bytes < HEAD_BYTES and mark.offset > mark.head_bytes:
            # Of what was read: the file may have been emptied while Kafka was waited for.
            mark.head_bytes = min(HEAD_BYTES, mark.offset)
            mark.head = _digest(self._head[: mark.head_bytes])

    def was_truncated(self) -> bool:
        """Whether it was emptied, and perhaps written again, since the lines were taken."""
        if self.finished:
            return False
        descriptor, mark = self._file.fileno(), self.mark
        if os.fstat(descriptor).st_size < self.position + len(self._rest) + self._cut:
            return True
        return mark.head_bytes > 0 and _digest(os.pread(descriptor, mark.head_bytes, 0)) != mark.head


def is_packed(path: Path) -> bool:
    """Whether a file is gzip; raises OSError."""
    with path.open("rb") as file:
        return file.read(2) == lines.GZIP


def holds(path: Path, mark: Mark) -> bool:
    """Whether the file begins as the marked one did, and has all of it that was sent."""
    try:
        packed = is_packed(path)
        with gzip.open(path) if packed else path.open("rb") as file:
            if mark.head_bytes and _digest(file.read(mark.head_bytes)) != mark.head:
                return False
            return file.seek(mark.offset) == mark.offset and (packed or path.stat().st_size >= mark.offset)
    except DAMAGED:
        return False


def _digest(head: bytes) -> str:
    return blake2b(head, digest_size=16).hexdigest()


def _text(line: bytes) -> str:
    # A file that is emptied while its writer stays where it was has zeros up to there.
    return line.lstrip(b"\0").decode("utf-8", "surrogateescape").rstrip("\r")
