"""Parses lines of input to rows of one form: access logs, JSON lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from producers import event, times
from producers.replay import combined

FORMATS = ("combined", "jsonl", "csv")
FIELDS = (
    "event_id",
    "event_type",
    "site_id",
    "article_id",
    "visitor_id",
    "agent_class",
    "value",
    "producer_id",
    "sequence",
)
_NUMBERS = ("value", "sequence", "status")
_STAND_IN = {"event_id": "-", "event_type": "view", "site_id": "-", "article_id": "-"}


class ReplayRow(NamedTuple):
    """A request or an event that may be sent. `path` is None if the input names the article itself.

    `fields` are the fields of the contract in the input. An access log has none.
    """

    at_ms: int
    method: str
    status: int
    path: str | None
    agent: str
    fields: dict[str, Any]


class UnfitHeaderError(Exception):
    """A CSV file whose first line does not name the columns needed."""


def read_rows(kind: str, numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, ReplayRow | None]]:
    """(line number, row) of every line; None if the line is malformed. `kind` is one of FORMATS."""
    if kind == "csv":
        yield from _csv(numbered)
        return
    parse = _from_log if kind == "combined" else _from_json
    for number, line in numbered:
        yield number, parse(line)


def guess(first_line: str) -> str:
    """The format by the first line: an object is JSON lines, a header with columns is CSV."""
    if first_line.lstrip().startswith("{"):
        return "jsonl"
    return "csv" if "occurred_at" in _columns(first_line) else "combined"


def _from_log(line: str) -> ReplayRow | None:
    hit = combined.parse(line)
    return None if hit is None else ReplayRow(hit.at_ms, hit.method, hit.status, hit.path, hit.agent, {})


def _from_json(line: str) -> ReplayRow | None:
    try:
        row = orjson.loads(line)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return _from_row(row) if isinstance(row, dict) else None


def _csv(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, ReplayRow | None]]:
    lines = iter(numbered)
    _, header = next(lines, (0, ""))
    columns = _columns(header)
    if "occurred_at" not in columns or not {"article_id", "path", "url"} & set(columns):
        raise UnfitHeaderError(
            "its first line must name the columns: occurred_at, and article_id or path or url; "
            "site_id, event_type, method, status, user_agent, … as there are"
        )
    at = 1

    def physical() -> Iterator[str]:
        nonlocal at
        for number, line in lines:
            at = number
            yield line + "\n"

    # A quoted field may span lines: a row is numbered by its last one.
    rows = csv.reader(physical(), delimiter=_delimiter(header))
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield at, None
            continue
        yield at, _from_cells(columns, cells)


def _from_cells(columns: list[str], cells: list[str]) -> ReplayRow | None:
    if len(cells) != len(columns):
        return None
    row: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=True) if cell != ""}
    try:
        row.update({name: int(row[name]) for name in _NUMBERS if name in row})
    except ValueError:
        return None
    if row.get("occurred_at", "").isdecimal():
        row["occurred_at"] = int(row["occurred_at"])
    return _from_row(row)


def _from_row(row: dict[str, Any]) -> ReplayRow | None:
    at_ms = row.get("occurred_at")
    if isinstance(at_ms, str):
        at_ms = times.from_rfc3339(at_ms)
    fields = {name: row[name] for name in FIELDS if name in row}
    target = row.get("path", row.get("url"))
    method, status, agent = row.get("method", "GET"), row.get("status", 200), row.get("user_agent", "")
    if "article_id" not in fields and not isinstance(target, str):
        return None
    if not (isinstance(method, str) and isinstance(status, int) and isinstance(agent, str)):
        return None
    if not event.is_valid({**_STAND_IN, **fields, "occurred_at": at_ms}):
        return None
    assert isinstance(at_ms, int)
    path = combined.path_of(target) if isinstance(target, str) else None
    return ReplayRow(at_ms, method, status, path, agent, fields)


def _columns(header: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in header.split(_delimiter(header))]


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)
