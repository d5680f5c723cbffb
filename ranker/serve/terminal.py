"""The lists as tables side by side, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ranker.serve.lists import Lists
from ranker.serve.query import Query
from ranker.store.question import ListName

SIDE_BY_SIDE = 34
"""Columns of the terminal that a list needs beside others."""


def tables(lists: Lists, names: Sequence[ListName], limit: int, width: int) -> RenderableType:
    """One table per list of `names`, all of one site, under a line that says how current they are."""
    query = Query(limit=limit)
    contents = [content for name in names if (content := lists.content(name, query, counts=True)) is not None]
    head = Text(lists.site(names[0].site).title, style="bold")
    head.append(f"  {names[0].window}", style="cyan")
    head.append(f"  {_state(contents)}", style="dim")
    if lists.refresher.fault:
        head.append(f"\n{lists.refresher.fault}", style="red")
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


def _state(lists: Sequence[Mapping[str, Any]]) -> str:
    if not lists:
        return ""
    words = [f"as of {min(content['as_of'] for content in lists)}"]
    if any(content["stale"] for content in lists):
        words.append("stale")
    if not all(content["complete"] for content in lists):
        words.append("incomplete")
    return ", ".join(words)


def _table(content: Mapping[str, Any]) -> Table:
    table = Table(
        title=content["board"], title_justify="left", title_style="bold", box=None, show_header=False, expand=True
    )
    table.add_column(justify="right", style="red", no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column(justify="right", no_wrap=True)
    for item in content["items"]:
        # Text, not markup: a title may hold brackets.
        table.add_row(f"{item['rank']:02d}.", Text(item["title"] or item["article_id"]), f"{item['count']:,}")
    if not content["items"]:
        table.add_row("", Text("nothing yet", style="dim"), "")
    return table
