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
"""Longer lines are cut: the rest is skipped."""


class DamagedInputError(Exception):
    """A gzip file is cut, or a file cannot be read to its end."""


def digest(name: str) -> bytes:
    """SHA-256 of the file on disk. Random for standard input, which can be read only once."""
    if name == STDIN:
        return os.urandom(32)
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def stdin() -> io.BufferedReader:
    """Standard input as bytes, for good: a text `sys.stdin` would wait at exit for a thread that still reads."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin = sys.stdin.detach()
    return cast("io.BufferedReader", sys.stdin)


def first(name: str) -> str:
    """The first line. Of standard input, as much as can be peeked at without consuming it."""
    if name == STDIN:
        # Compressed input is not unpacked here: it is taken for a log, since servers compress their logs.
        head = stdin().peek(4096)
        return head.partition(b"\n")[0].decode("utf-8", "replace")
    return next(read_lines(name), (1, ""))[1]


def read_lines(name: str, on_bytes: Callable[[int], None] | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line of a file, unpacked if it is gzip.

    `on_bytes` is called with the position in the file on disk, every 1,000 lines. Bytes that are not UTF-8 become lone
    surrogates, which no valid event contains. Raises DamagedInputError.
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
