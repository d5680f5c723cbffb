"""The formats that are read, how a line of each is parsed, and which of them a file is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from producers.replay import combined, field_logs, json_logs, rows, unread
from producers.replay.field_logs import W3cParser
from producers.replay.malformed import Malformed, without_values
from producers.replay.rows import ReplayRow
from producers.times import LocalClock
from ranker.service.printable import printable

LOGS = ("combined", "common", "vhost", "nginx-json", "caddy", "traefik", "cloudfront", "alb", "w3c")
FORMATS = (*LOGS, "jsonl", "csv")
LOOKED_AT = 1_000
"""First lines of a file by which its format is told."""
_LONGEST_SHOWN = 160

Parse = Callable[[str, LocalClock | None], ReplayRow | Malformed | None]
"""The row of a line, or why it has none; None if it is a directive about the lines after it."""

_PARSERS: dict[str, Parse] = {
    "combined": combined.parse,
    "common": combined.parse_common,
    "vhost": combined.parse_vhost,
    "nginx-json": json_logs.nginx,
    "caddy": json_logs.caddy,
    "traefik": json_logs.traefik,
    "alb": field_logs.alb,
    "jsonl": rows.from_json,
}
_IN_ORDER = ("jsonl", "caddy", "traefik", "cloudfront", "nginx-json", "alb", "w3c", "vhost", "combined", "common")
"""A line is in the first of these that fits: a vhost's is a combined one, too."""


class Found(NamedTuple):
    """A format, and how many of the `lines` looked at are in it."""

    kind: str
    fit: int
    lines: int


class UnknownFormatError(Exception):
    """Lines in no format that is read, or as many in one as in another. The message says what to do.

    `without_line` is the same without the text of a line.
    """

    def __init__(self, message: str, without_line: str = "") -> None:
        super().__init__(message)
        self.without_line = without_line or message


def parser(kind: str, header: str = "") -> Parse:
    """A parser of lines; `header` is the #Fields line that stood before them. CSV has rows over several lines: none."""
    if kind in {"w3c", "cloudfront"}:
        return W3cParser(header, field_logs.CLOUDFRONT_COLUMNS if kind == "cloudfront" else None)
    return _PARSERS[kind]


def read_rows(
    kind: str, numbered: Iterable[tuple[int, str]], clock: LocalClock | None = None
) -> Iterator[tuple[int, ReplayRow | Malformed]]:
    """(line number, row) of every line but directives, or why it is none. `kind` is one of FORMATS.

    `clock` is that of times without an offset. Raises UnfitHeaderError of a CSV file.
    """
    if kind == "csv":
        yield from rows.from_csv(numbered, clock)
        return
    parse = parser(kind)
    for number, line in numbered:
        row = parse(line, clock)
        if row is not None:
            yield number, row


def find(lines: Sequence[str]) -> Found:
    """The format of a file that begins with these lines. Raises UnknownFormatError."""
    first = next((line for line in lines if line.strip()), "")
    if rows.is_header(first):
        return Found("csv", len(lines), len(lines))
    label = _labels()
    told = [(number, line, kind) for number, line in enumerate(lines, 1) if (kind := label(line)) is not None]
    ranked = Counter(kind for _, _, kind in told if kind).most_common(2)
    (kind, fit), second = (ranked or [("combined", 0)])[0], ranked[1][1] if len(ranked) > 1 else 0
    if not told or (fit * 2 >= len(told) and fit > second):
        return Found(kind, fit, len(told))
    of = f"of its first {len(told):,} lines"
    if fit and fit == second:
        raise UnknownFormatError(f"{fit:,} {of} are {kind}, and as many {ranked[1][0]}. Choose one with --format")
    number, line = next((number, line) for number, line, other in told if other != kind or not fit)
    what = f"only {fit:,} {of} are {kind}" if fit else f"none {of} is in a format that is read"
    fix = f"To read these alone: --format {kind}" if fit else described(looks_like(line))
    why = _trouble(line)
    raise UnknownFormatError(
        f"{what}. Line {number}: {printable(why, _LONGEST_SHOWN)}: {printable(line, _LONGEST_SHOWN)}. {fix}",
        f"{what}. Line {number}: {without_values(why)}. {fix}",
    )


def looks_like(line: str) -> str:
    """The name of the format that a line is in, read or not; "" if it is none of those known."""
    if rows.is_header(line):
        return "csv"
    if line.startswith(("#Fields:", "#Version:", "#Software:")):
        return "w3c"
    return _labels()(line) or unread.looks_like(line)


def described(name: str) -> str:
    """What to say of a file in this format, and what to do with it, as one or two sentences."""
    if name in FORMATS:
        return f"They look like the format {name}. Leave --format out, or write --format {name}"
    return unread.described(name) or (
        f"Read are {', '.join(FORMATS[:-1])} and {FORMATS[-1]}: see producers replay --help. Is --format right?"
    )


def _labels() -> Callable[[str], str | None]:
    """Gives the format of line after line; "" if it is in none, None if it says nothing about the format."""
    parsers = {kind: parser(kind) for kind in _IN_ORDER}
    w3c, cloudfront = W3cParser(), W3cParser(columns=field_logs.CLOUDFRONT_COLUMNS)
    parsers |= {"w3c": w3c, "cloudfront": cloudfront, "traefik": json_logs.traefik_json}

    def label(line: str) -> str | None:
        if line.startswith("#"):
            w3c(line), cloudfront(line)
            return None
        if not line.strip():
            return None
        usual = False
        for kind in _IN_ORDER:
            row = parsers[kind](line, None)
            if row is json_logs.CADDY_ERROR:
                return None
            if isinstance(row, Malformed) and (row.line or (row.usual and kind in {"caddy", "traefik"})):
                usual = usual or row.usual  # a message of the server's own, which other programs may write, too
            elif kind != "cloudfront" or cloudfront.is_cloudfront or line.lstrip().startswith("{"):
                return kind
        return None if usual else ""

    return label


def _trouble(line: str) -> str:
    row = (rows.from_json if line.lstrip().startswith("{") else combined.parse)(line, None)
    return row.reason if isinstance(row, Malformed) else "in another format"
