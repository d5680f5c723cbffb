"""Rows of one form, whatever the format of their lines; JSON lines of events, and CSV."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from producers import event, times
from producers.replay.malformed import EMPTY, Malformed
from producers.times import LocalClock
from schemas.article_id import is_address

FIELDS = (
    "event_id",
    "event_type",
    "site_id",
    "article_id",
    "visitor_id",
    "repeat_key",
    "agent_class",
    "value",
    "producer_id",
    "sequence",
)
_PLACES = ("article_id", "path", "url")
_NUMBERS = ("value", "sequence", "status")
_STAND_IN = {"event_id": "-", "event_type": "view", "site_id": "-", "article_id": "-"}
_OTHER_NAMES = {
    "occurred_at": {"timestamp", "time", "date", "datetime", "date_time", "ts", "@timestamp", "created_at"}
    | {"time_local", "time_iso8601"},
    "url": {"page", "pagepath", "page_path", "page_url", "page_location", "link", "permalink", "address", "adresse"}
    | {"uri", "request_uri"},
    "article_id": {"id", "article", "post_id", "content_id"},
}
_NUMBER = re.compile(r"[+-]?\d{1,64}(?:\.\d{0,64})?", re.ASCII)
_LONGEST_SHOWN = 80


class ReplayRow(NamedTuple):
    """A request or an event that may be sent. `target` is a URL or path; None if the input names the article itself.

    `agent` is "" if the input has none, "-" if it has but none was sent. `fields` are the fields of the contract in the
    input. An access log has none, but `client`, in which the client's address is the last one, `forwarded`, what
    X-Forwarded-For said, and `host`, the one that was requested.
    """

    at_ms: int
    method: str
    status: int
    target: str | None
    agent: str
    fields: dict[str, Any]
    client: str = ""
    forwarded: str = ""
    host: str = ""


class UnfitHeaderError(Exception):
    """A CSV file whose first line does not name the columns needed."""


class _RowError(ValueError):
    """Why a row is malformed."""


def from_json(line: str, clock: LocalClock | None) -> ReplayRow | Malformed:
    """The row of a line of JSON."""
    try:
        row = orjson.loads(line.lstrip("\ufeff"))  # marks of files that were joined
    except orjson.JSONDecodeError as error:
        return Malformed(f"no JSON: {error}", line) if line.strip() else EMPTY
    if not isinstance(row, dict):
        return Malformed("no JSON object", line)
    row = {name: value for name, value in row.items() if value is not None}
    try:
        return _from_row(row, clock)
    except _RowError as error:
        ours = "occurred_at" in row and not row.keys().isdisjoint(_PLACES)
        return Malformed(str(error), "" if ours else line)


def from_csv(
    numbered: Iterable[tuple[int, str]], clock: LocalClock | None
) -> Iterator[tuple[int, ReplayRow | Malformed]]:
    """(number of its last line, row) of each row behind the header. Raises UnfitHeaderError."""
    lines = iter(numbered)
    at, header = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    columns = check_header(header)
    for at, cells in _cells(lines, _delimiter(header)):
        if isinstance(cells, Malformed):
            yield at, cells
            continue
        try:
            yield at, _from_cells(columns, cells, clock) if any(cells) else EMPTY
        except _RowError as error:
            yield at, Malformed(str(error))


def is_header(line: str) -> bool:
    """Whether a line is the first one of CSV as it is read."""
    return "occurred_at" in line.lower() and not line.lstrip().startswith("{") and "occurred_at" in _columns(line)


def check_header(header: str) -> list[str]:
    """The names of the columns. Raises UnfitHeaderError if they are not those of page views."""
    columns = _columns(header)
    if "occurred_at" not in columns or set(columns).isdisjoint(_PLACES):
        raise UnfitHeaderError(
            "its first line must name the columns: occurred_at, and article_id or path or url; "
            f"site_id, event_type, method, status, user_agent, … as there are{renamed(columns)}. It is {shown(header)}"
        )
    if twice := sorted({name for name in columns if name and columns.count(name) > 1}):
        raise UnfitHeaderError(f"its first line names {', '.join(twice)} twice")
    return columns


def renamed(names: Iterable[str]) -> str:
    """What to call the columns that other programs call differently, as a clause; "" if there are none."""
    given = {name.lower().replace(" ", "_"): name for name in names}
    found = [
        f"{original} to {ours}"
        for ours, others in _OTHER_NAMES.items()
        if ours not in given and not (ours == "url" and "path" in given)
        for name, original in given.items()
        if name in others
    ]
    return f". Rename {', '.join(found)}" if found else ""


def _cells(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, list[str] | Malformed]]:
    """(line number, cells) of each row, or why it has none. A quoted cell may span lines: its row has the last one's.

    If a quote is not closed, its line alone is malformed, and what follows is read as if it were not there.
    """
    again: deque[tuple[int, str]] = deque()
    taken: list[tuple[int, str]] = []

    def physical() -> Iterator[str]:
        while (one := again.popleft() if again else next(lines, None)) is not None:
            taken.append(one)
            yield one[1] + "\n"

    rows = csv.reader(physical(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield taken[0][0], Malformed(f"no CSV, since a quote in it is not closed, or not doubled: {error}")
            again.extendleft(reversed(taken[1:]))
            rows = csv.reader(physical(), delimiter=delimiter, strict=True)
        else:
            yield taken[-1][0], cells


_NULLS = ("", "null", "NULL", r"\N")
"""What databases write into a cell without a value: as an id it would make all such rows one event, or one reader."""


def _from_cells(columns: list[str], cells: list[str], clock: LocalClock | None) -> ReplayRow:
    if len(cells) != len(columns):
        raise _RowError(f"it has {len(cells)} cells, and the first line names {len(columns)} columns")
    row: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell not in _NULLS}
    if ended := next((name for name in (*_PLACES, "occurred_at") if "\n" in row.get(name, "")), None):
        raise _RowError(f"{ended} holds the end of a line")
    for name in _NUMBERS:
        if name in row:
            try:
                row[name] = int(row[name])
            except ValueError as error:
                raise _RowError(f"{name} is {shown(row[name])}; give a whole number") from error
    return _from_row(row, clock)


def _from_row(row: dict[str, Any], clock: LocalClock | None) -> ReplayRow:
    fields = {name: row[name] for name in FIELDS if name in row}
    target = row.get("path", row.get("url"))
    method, status, agent = row.get("method", "GET"), row.get("status", 200), row.get("user_agent", "")
    if "article_id" not in fields and target is None:
        raise _RowError(f"it has neither article_id nor path nor url{renamed(row)}")
    if target is not None and not (isinstance(target, str) and is_address(target.strip())):
        raise _RowError(f"its address is {shown(target)}; it must begin with / or a scheme such as https://")
    for name, value, kind in (("method", method, str), ("status", status, int), ("user_agent", agent, str)):
        if not isinstance(value, kind):
            raise _RowError(f"{name} is {shown(value)}; give {'a text' if kind is str else 'a whole number'}")
    if "occurred_at" not in row:
        raise _RowError(f"it has no occurred_at{renamed(row)}")
    at_ms = _milliseconds(row["occurred_at"], clock)
    # An id that is an address gets its form later, by the rule of its site.
    valid = {"article_id": "-"} if isinstance(given := fields.get("article_id"), str) and is_address(given) else {}
    if fault := event.fault_of({**_STAND_IN, **fields, **valid, "occurred_at": at_ms}):
        raise _RowError(fault)
    return ReplayRow(at_ms, method, status, target, agent, fields)


def _milliseconds(given: Any, clock: LocalClock | None) -> int:
    if isinstance(given, str):
        if _NUMBER.fullmatch(given.strip()) is None:
            try:
                return times.from_text(given, clock)
            except times.NoTimeError as error:
                raise _RowError(f"occurred_at: {error}") from error
        given = float(given) if "." in given else int(given)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise _RowError(f"occurred_at is {shown(given)}; give milliseconds since 1970, or 2026-11-22T10:05:03+01:00")
    if unit := event.other_unit(given):
        raise _RowError(f"occurred_at is {shown(given)}: that looks like {unit}; give milliseconds")
    if isinstance(given, float) and not given.is_integer():
        raise _RowError(f"occurred_at is {given}; give whole milliseconds")
    return int(given)


def shown(value: Any) -> str:
    """A value in a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _columns(header: str) -> list[str]:
    """Empty if it is no CSV, such as a line with a field of more than 131,072 characters."""
    try:
        names = next(csv.reader([header], delimiter=_delimiter(header)), [])
    except csv.Error:
        return []
    return [name.strip().strip('"').lower() for name in names]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
