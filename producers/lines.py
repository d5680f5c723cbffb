"""Files as numbered lines, plain or gzip, in bounded memory."""

from __future__ import annotations

import codecs
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

_HEAD_BYTES = 65_536
_GZIP = b"\x1f\x8b"
_NO_TEXT = {
    _GZIP: ("packed by gzip twice", "unpack it once: zcat FILE | producers replay -"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"BZh": ("packed by bzip2", "unpack it: bzcat FILE | producers replay -"),
    b"\xfd7zXZ": ("packed by xz", "unpack it: xzcat FILE | producers replay -"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it: zstdcat FILE | producers replay -"),
}


class DamagedInputError(Exception):
    """A gzip file is cut, or a file cannot be read to its end."""


class UnfitInputError(Exception):
    """A file that holds no lines of text; the message says what it is and what to do."""


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


def head(name: str) -> bytes:
    """The first bytes, unpacked if they are gzip. Of standard input, as many as can be peeked at.

    Raises OSError if the file cannot be read, UnfitInputError if it holds no lines of text.
    """
    if name == STDIN:
        found = stdin().peek(_HEAD_BYTES)[:_HEAD_BYTES]
    else:
        with Path(name).open("rb") as file:
            found = file.read(_HEAD_BYTES)
    if found.startswith(_GZIP):
        try:
            found = zlib.decompressobj(wbits=31).decompress(found, _HEAD_BYTES)
        except zlib.error as error:
            raise UnfitInputError(f"it begins like gzip, but is damaged: {error}") from error
    if fault := _unfit(found):
        raise UnfitInputError(fault)
    return found


def _unfit(head: bytes) -> str:
    for start, (what, unpack) in _NO_TEXT.items():
        if head.startswith(start):
            return f"it is {what}; {unpack}"
    every_second_is_zero = len(head) > 1 and any(head[0:64:2]) != any(head[1:64:2])
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or every_second_is_zero:
        return (
            "it is UTF-16, as PowerShell's > and Out-File write it; write UTF-8 (Out-File -Encoding utf8), or convert "
            "it: iconv -f UTF-16 -t UTF-8"
        )
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
        return "its lines end in CR alone, as in old files of the Mac; convert it: tr '\\r' '\\n'"
    return ""


def read_lines(name: str, on_bytes: Callable[[int], None] | None = None) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line of a file, unpacked if it is gzip.

    `on_bytes` is called with the position in the file on disk, every 1,000 lines. Bytes that are not UTF-8 become lone
    surrogates, which no valid event contains. Raises DamagedInputError.
    """
    raw: io.BufferedReader
    with stdin() if name == STDIN else Path(name).open("rb") as raw:
        packed = raw.peek(2)[:2] == _GZIP
        source = gzip.GzipFile(fileobj=raw) if packed else raw
        number = 0
        try:
            while line := source.readline(LONGEST_LINE_BYTES):
                number += 1
                while number == 1 and line.startswith(codecs.BOM_UTF8):  # editors and programs may each put one
                    line = line.removeprefix(codecs.BOM_UTF8)
                if not line.endswith(b"\n") and len(line) >= LONGEST_LINE_BYTES - 3:
                    while (rest := source.readline(LONGEST_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                yield number, line.decode("utf-8", "surrogateescape").rstrip("\r\n")
                if on_bytes is not None and number % 1000 == 0 and name != STDIN:
                    on_bytes(raw.tell())
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedInputError(f"{name} cannot be read beyond line {number}: {error}") from error
