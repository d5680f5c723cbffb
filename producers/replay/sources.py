"""The files of a replay: their formats, found or chosen, and where their times begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from producers import lines
from producers.lines import FileIdentity
from producers.replay import formats, rows
from producers.replay.formats import LOOKED_AT, Found, UnknownFormatError
from producers.replay.rows import ReplayRow
from producers.times import LocalClock

OnBytes = Callable[[str, int], None]
"""Called with the name of a file and the position reached in it."""


@dataclass(frozen=True)
class Source:
    """A file, its format (one of formats.FORMATS), the digest that its event ids are made from, which file it was.

    `found` says how the format was found; None if it was chosen. `first_ms` is the first time in it, 0 if none of the
    first lines has one; None for standard input, which can be read only once everything else is.
    """

    name: str
    kind: str
    digest: bytes
    file: FileIdentity | None = None
    found: Found | None = None
    first_ms: int | None = None

    def numbered(self, on_bytes: OnBytes | None = None) -> Iterator[tuple[int, str]]:
        """(number, line) of every line."""
        if on_bytes is None:
            return lines.read_lines(self.name, known=self.file)
        return lines.read_lines(self.name, lambda position: on_bytes(self.name, position), self.file)

    @property
    def size_bytes(self) -> int:
        """On disk; 0 of standard input."""
        return 0 if self.file is None else self.file.size_bytes


def source(name: str, kind: str = "auto", clock: LocalClock | None = None) -> Source:
    """A file with its format and digest.

    Raises OSError if it cannot be read, UnfitInputError if it holds no lines of text, UnknownFormatError if it is in no
    format, UnfitHeaderError if it is CSV without the columns needed.
    """
    file = None if name == lines.STDIN else FileIdentity.of(Path(name).stat())
    # Standard input is waited for only if need be: a pipe may be quiet.
    unseen = name == lines.STDIN and kind not in {"auto", "csv"}
    text = "" if unseen else lines.head(name).decode("utf-8", "surrogateescape")
    first = [line.rstrip("\r") for line in text.split("\n")]
    if len(first) > 1 and (name == lines.STDIN or len(text) >= lines.HEAD_CHARACTERS):
        first.pop()  # of which only a part may be here
    first = first[:LOOKED_AT]
    if first:
        first[0] = first[0].lstrip("\ufeff")
    found = None
    if kind == "auto" and name.removesuffix(".gz").endswith(".csv"):
        kind = "csv"
    elif kind == "auto":
        found = formats.find(first)
        kind = found.kind
    header = next((line.strip("\ufeff \t") for line in first if line.strip("\ufeff \t")), "")
    if kind == "csv" and not (name == lines.STDIN and not header):
        rows.check_header(header)
    if name == lines.STDIN:
        return Source(name, kind, lines.digest(name), None, found)
    clock = None if clock is None else LocalClock(clock.zone)  # one that does not count
    timed = (row.at_ms for _, row in formats.read_rows(kind, enumerate(first), clock) if isinstance(row, ReplayRow))
    return Source(name, kind, lines.digest(name), file, found, next(timed, 0))


__all__ = ["Found", "OnBytes", "Source", "UnknownFormatError", "source"]
