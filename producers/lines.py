"""Files as numbered lines, plain or gzip, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

STDIN = "-"
LONGEST_LINE_BYTES = 1 << 20
"""What is longer is no line of a log; the rest of it is passed over unread."""


class DamagedInputError(Exception):
    """A file ends in the middle of what gzip promised, or cannot be read on."""


def digest(name: str) -> bytes:
    """SHA-256 of the file as it lies on disk. What comes by standard input is named by chance: it comes only once."""
    if name == STDIN:
        return os.urandom(32)
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def stdin() -> io.BufferedReader:
    """Standard input as bytes, for good: a `sys.stdin` of text would wait at the end for a thread that still reads."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin = sys.stdin.detach()
    return cast("io.BufferedReader", sys.stdin)


def first(name: str) -> str:
    """The first line, as far as it shows without taking it from standard input, which can be read only once."""
    if name == STDIN:
        # Packed input is not looked into here; servers pack their logs, and a log is what is guessed from it.
        head = stdin().peek(4096)
        return head.partition(b"\n")[0].decode("utf-8", "replace")
    return next(read(name), (1, ""))[1]


def read(name: str, on_bytes: Callable[[int], None] | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line of a file, unpacked where it is gzip.

    `on_bytes` is told the position reached in the file on disk, now and then. Bytes that are not UTF-8 become lone
    surrogates: nothing is lost, and no contract takes them. Raises DamagedInputError.
    """
    raw: io.BufferedReader
    with stdin() if name == STDIN else Path(name).open("rb") as raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        source = gzip.GzipFile(fileobj=raw) if packed else raw
        number = 0
        try:
            while line := source.readline(LONGEST_LINE_BYTES):
                number += 1
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if not line.endswith(b"\n") and len(line) >= LONGEST_LINE_BYTES - 3:
                    while (rest := source.readline(LONGEST_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                yield number, line.decode("utf-8", "surrogateescape").rstrip("\r\n")
                if on_bytes is not None and number % 1000 == 0 and name != STDIN:
                    on_bytes(raw.tell())
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedInputError(f"{name} cannot be read beyond line {number}: {error}") from error
