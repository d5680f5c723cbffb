"""A file as what it holds: unpacked if it is gzip, also twice, and never taken for whole if it was cut."""

from __future__ import annotations

import contextlib
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from producers.articles.markup import UnreadableError

HEAD_BYTES = 65_536
_MOST_PACKINGS = 3
_IN_MEMORY = 16 << 20
LARGEST_UNPACKED_BYTES = 4 << 30
"""Of JSON lines that were packed: they are unpacked to disk before the first is imported."""


class _Begun(io.RawIOBase):
    """`head`, and then what is left of the file."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._head.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def damage_told() -> Iterator[None]:
    """Raises UnreadableError in place of gzip's errors."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableError(f"it is gzip that is damaged, or whose end is missing: {error}") from error


def unpacked(source: BinaryIO) -> tuple[bytes, BinaryIO, bool]:
    """The first HEAD_BYTES of what the file holds, all of it, and whether it was packed. Raises UnreadableError."""
    for packings in range(_MOST_PACKINGS + 1):
        with damage_told():
            head = source.read(HEAD_BYTES)
        source = cast("BinaryIO", io.BufferedReader(_Begun(head, source)))
        if not head.startswith(b"\x1f\x8b"):
            return head, source, packings > 0
        source = cast("BinaryIO", gzip.GzipFile(fileobj=source))
    raise UnreadableError(f"it is packed with gzip more than {_MOST_PACKINGS} times")


@contextlib.contextmanager
def whole(packed: BinaryIO) -> Iterator[BinaryIO]:
    """The same, after it was read to its end once. Raises UnreadableError."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        size = 0
        with damage_told():
            while data := packed.read(HEAD_BYTES):
                size += copy.write(data)
                if size > LARGEST_UNPACKED_BYTES:
                    most = LARGEST_UNPACKED_BYTES >> 30
                    raise UnreadableError(f"it has more than {most} GiB unpacked; import it in parts")
        copy.seek(0)
        yield cast("BinaryIO", copy)
