"""A file as what it holds: unpacked if it is gzip, also twice, and never taken for whole if it was cut."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import orjson

from producers.articles.markup import UnreadableError

HEAD_BYTES = 65_536
LONGEST_TAIL_BYTES = 2 << 20
"""More than a line of JSON may have."""
_MOST_PACKINGS = 3
_IN_MEMORY = 16 << 20
LARGEST_UNPACKED_BYTES = 1 << 30
"""Of JSON lines that were packed: they are unpacked to disk before the first is imported."""


class _Begun(io.RawIOBase):
    """`head`, and then what is left of the file."""

    def __init__(self, head: bytes, rest: io.BufferedIOBase) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer)) or self._rest.read1(len(buffer))  # as much as has come: a pipe may pause
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def gzip_errors() -> Iterator[None]:
    """Raises UnreadableError in place of gzip's errors."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableError(f"it is gzip that is damaged, or whose end is missing: {error}") from error


def unpacked(source: io.BufferedIOBase) -> tuple[bytes, io.BufferedIOBase, bool]:
    """The first HEAD_BYTES of what the file holds, all of it, and whether it was packed. Raises UnreadableError."""
    for packings in range(_MOST_PACKINGS + 1):
        with gzip_errors():
            head = source.read(HEAD_BYTES)
        source = io.BufferedReader(_Begun(head, source))
        if not head.startswith(b"\x1f\x8b"):
            return head, source, packings > 0
        source = gzip.GzipFile(fileobj=source)
    raise UnreadableError(f"it is packed with gzip more than {_MOST_PACKINGS} times")


@contextlib.contextmanager
def whole(packed: io.BufferedIOBase) -> Iterator[BinaryIO]:
    """The same, after it was read to its end once. Raises UnreadableError."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        size = 0
        with gzip_errors():
            while data := packed.read(HEAD_BYTES):
                size += copy.write(data)
                if size > LARGEST_UNPACKED_BYTES:
                    most = LARGEST_UNPACKED_BYTES >> 30
                    raise UnreadableError(f"it has more than {most} GiB unpacked; import it in parts")
        copy.seek(0)
        yield cast("BinaryIO", copy)


def check_end(lines: BinaryIO | io.BufferedIOBase) -> None:
    """Raises UnreadableError if the last of these JSON lines was cut. Files only: a pipe has no end to look at."""
    if not lines.seekable():
        return
    here = lines.tell()
    lines.seek(max(0, lines.seek(0, io.SEEK_END) - LONGEST_TAIL_BYTES))
    last = lines.read().rpartition(b"\n")[2]
    lines.seek(here)
    if last.strip():
        try:
            orjson.loads(last.removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError as error:
            raise UnreadableError(
                f"its end is missing: its last line has no line end and is no JSON ({error})"
            ) from error
