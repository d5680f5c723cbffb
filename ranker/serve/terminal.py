"""The lists as tables side by side, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ranker.core.generation import ListName
from ranker.core.loss import Report
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.serve.live.board import Board
from ranker.service.printable import printable

SIDE_BY_SIDE = 34
"""Columns of the terminal that a list needs beside others."""
LONGEST_TITLE = 400
"""Characters; no terminal shows more of a title on a line."""
SILENT_S = 60
"""From when on a producer is called silent."""


def tables(
    board: Board, lists: Lists, names: Sequence[ListName], limit: int, width: int, report: Report | None
) -> RenderableType:
    """One table per list of `names`, all of one site, under a line that says how current they are; the producers."""
    shown = [_lists(board, lists, names, limit, width)]
    if report is not None and report.producers:
        shown += (Text(), _producers(report))
    return Group(*shown)


def _lists(board: Board, lists: Lists, names: Sequence[ListName], limit: int, width: int) -> RenderableType:
    query = Query(limit=limit)
    contents = [content for name in names if (content := lists.content(name, query, counts=True)) is not None]
    head = Text(printable(board.site(names[0].site).title), style="bold")
    head.append(f"  {names[0].window}", style="cyan")
    head.append(f"  {_state(contents)}", style="dim")
    shown = filter(None, map(board.shown, names))
    if any(published.age_ms(board.now_ms()) < 0 for published in shown):
        head.append("\nas of a time that lies ahead of this machine's clock: see /readyz of the consumer", style="red")
    if board.fault:
        head.append(f"\n{printable(board.fault)}", style="red")
    found = [_table(content) for content in contents]
    if not found:
        return Group(head, Text("No list has been read yet."))
    if width < SIDE_BY_SIDE * len(found):
        return Group(head, *found)
    side_by_side = Table.grid(padding=(0, 3, 0, 0), expand=True)
    for _ in found:
        side_by_side.add_column(ratio=1)
    side_by_side.add_row(*found)
    return Group(head, side_by_side)


def _producers(report: Report) -> Table:
    """Who was heard in 24 h. A program that has ended is silent like one that hangs: only its operator knows."""
    table = Table(title="producers", title_justify="left", title_style="bold", box=None, header_style="dim")
    for heading in ("name", "last heard"):
        table.add_column(heading, no_wrap=True)
    for heading in ("missing", "repeats"):
        table.add_column(heading, justify="right", no_wrap=True)
    for producer in report.producers:
        silent_s = report.silent_ms(producer) // 1000
        table.add_row(
            Text(printable(producer.name, 40)),
            Text(f"silent for {_duration(silent_s)}", style="yellow") if silent_s > SILENT_S else Text("now"),
            Text("…" if producer.missing is None else f"{producer.missing:,}", style="red" if producer.missing else ""),
            Text(f"{producer.repeats:,}"),
        )
    return table


def _duration(seconds: int) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _state(lists: Sequence[Mapping[str, Any]]) -> str:
    if not lists:
        return ""
    words = [f"as of {min(content['as_of'] for content in lists)}"]
    if any(content["stale"] for content in lists):
        words.append("stale")
    if not all(content["complete"] for content in lists):
        words.append("incomplete")
    behind: Sequence[Mapping[str, Any]] = next((content["behind"] for content in lists if "behind" in content), ())
    words += [f"partition {one['partition']} stands still or catches up: {_since(one['as_of'])}" for one in behind[:3]]
    if len(behind) > 3:
        words.append("others too")
    return ", ".join(words)


def _since(as_of: str | None) -> str:
    return "it does not answer" if as_of is None else f"as of {as_of}"


def _table(content: Mapping[str, Any]) -> Table:
    table = Table(
        title=Text(content["board"]), title_justify="left", title_style="bold", box=None, show_header=False, expand=True
    )
    table.add_column(justify="right", style="red", no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for item in content["items"]:
        # Text, not markup: a title may hold brackets.
        table.add_row(
            f"{item['rank']:02d}.",
            Text(printable(item["title"] or item["article_id"], LONGEST_TITLE)),
            f"{item['count']:,}",
        )
    if not content["items"]:
        table.add_row("", Text("nothing yet", style="dim"), "")
    return table
