"""Files as numbered lines, plain or gzip, in bounded memory."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"
LONGEST_LINE_BYTES = 1 << 20
"""Longer lines are cut: the rest is skipped."""

_HEAD_BYTES = 1 << 20
HEAD_CHARACTERS = _HEAD_BYTES // 4
"""A beginning of so many characters may have been cut: each is of four bytes at most."""
_HEAD_LINES = 1_000
_BUFFER_BYTES = 65_536
_QUIET_S = 0.3
"""A pipe from which nothing has come for so long has given its beginning, if that holds a line."""
GZIP = b"\x1f\x8b"
_NO_TEXT = {
    GZIP: ("packed by gzip twice", "unpack it once: zcat FILE | producers replay -"),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    b"BZh": ("packed by bzip2", "unpack it: bzcat FILE | producers replay -"),
    b"\xfd7zXZ": ("packed by xz", "unpack it: xzcat FILE | producers replay -"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it: zstdcat FILE | producers replay -"),
}


class DamagedInputError(Exception):
    """A gzip file is cut, or a file cannot be opened again, or not read to its end."""


class UnfitInputError(Exception):
    """A file that holds no lines of text; the message says what it is and what to do."""


class FileIdentity(NamedTuple):
    """What tells a file from another one of its name; `size_bytes` is at least that of later."""

    device: int
    inode: int
    size_bytes: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """The identity of a file, by its stat."""
        return cls(found.st_dev, found.st_ino, found.st_size)


def check_regular(name: str) -> None:
    """Raises UnfitInputError for a pipe or a device, which can be read only once; OSError if there is nothing."""
    mode = Path(name).stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnfitInputError("it is a pipe or a device, no file; write: zcat FILE | producers replay -")


def digest(name: str) -> bytes:
    """SHA-256 of the file on disk. Random for standard input, which can be read only once."""
    if name == STDIN:
        return os.urandom(32)
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class _Pipe(io.RawIOBase):
    """Standard input, whose beginning can be looked at and is read all the same."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ahead = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        found = self._ahead[: len(view)] or os.read(self._descriptor, len(view))
        self._ahead = self._ahead[len(found) :]
        view[: len(found)] = found
        return len(found)

    def beginning(self) -> bytes:
        """The first 1,000 lines, at most 1 MiB; of a pipe that is quiet after a line what has come."""
        lines = self._ahead.count(b"\n")
        while len(self._ahead) < _HEAD_BYTES and lines < _HEAD_LINES:
            if lines and not select.select([self._descriptor], [], [], _QUIET_S)[0]:
                break
            if not (found := os.read(self._descriptor, _HEAD_BYTES - len(self._ahead))):
                break
            self._ahead += found
            lines += found.count(b"\n")
        return self._ahead


def stdin() -> io.BufferedReader:
    """Standard input as bytes, for good: a text `sys.stdin` would wait at exit for a thread that still reads."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        given = sys.stdin.detach()
        try:
            sys.stdin = cast("io.TextIOWrapper", io.BufferedReader(_Pipe(given.fileno()), _BUFFER_BYTES))
        except OSError:  # of a test, without a descriptor
            sys.stdin = cast("io.TextIOWrapper", given)
    return cast("io.BufferedReader", sys.stdin)


def head(name: str) -> bytes:
    """The first MiB, unpacked if it is gzip. Of standard input, the beginning as far as it has come.

    Raises OSError if the file cannot be read, UnfitInputError if it holds no lines of text.
    """
    if name == STDIN:
        raw = stdin().raw
        found = raw.beginning() if isinstance(raw, _Pipe) else b""
    else:
        check_regular(name)
        with Path(name).open("rb") as file:
            found = file.read(_HEAD_BYTES)
    if found.startswith(GZIP):
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


def _opened(name: str, known: FileIdentity | None) -> io.BufferedReader:
    """Raises DamagedInputError if it is another file than it was, or shorter."""
    if name == STDIN:
        return stdin()
    try:
        raw = Path(name).open("rb")  # noqa: SIM115 - `read_lines` closes it
    except OSError as error:
        fix = "; give fewer files at once, or raise ulimit -n" if error.errno == errno.EMFILE else ""
        raise DamagedInputError(f"{name} cannot be opened any more: {error.strerror}{fix}") from error
    now = FileIdentity.of(os.fstat(raw.fileno()))
    if known is not None and (now[:2] != known[:2] or now.size_bytes < known.size_bytes):
        raw.close()
        raise DamagedInputError(
            f"{name} is another file than at the start, or was emptied: logs were rotated meanwhile"
        )
    return raw


def read_lines(
    name: str, on_bytes: Callable[[int], None] | None = None, known: FileIdentity | None = None
) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of every line of a file, unpacked if it is gzip.

    `on_bytes` is called with the position in the file on disk, every 1,000 lines. Bytes that are not UTF-8 become lone
    surrogates, which no valid event contains. Raises DamagedInputError, also if the file is not the one `known`.
    """
    with _opened(name, known) as raw:
        packed = raw.peek(2)[:2] == GZIP
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
