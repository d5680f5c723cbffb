"""`ranker top`: the lists in a terminal, refreshed in place."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ranker.commands.common import config_option, load_settings, user_errors
from ranker.connect.redis import connect
from ranker.core.generation import ListName
from ranker.core.loss import Report
from ranker.lists.boards import first_boards
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.serve.live.board import Board
from ranker.serve.live.build_live import build_live
from ranker.serve.live.published import Ages
from ranker.service.printable import printable
from ranker.settings import Settings
from ranker.store.errors import StoreUnavailableError
from ranker.store.producers import read_report

SIDE_BY_SIDE = 34
"""Columns of the terminal that a list needs beside others."""
LONGEST_TITLE = 400
"""Characters; no terminal shows more of a title on a line."""
SILENT_S = 60
"""From when on a producer is called silent."""


@click.command("top")
@config_option
@click.option("--site", help="Default: the first that is configured or holds counts.")
@click.option("--board", "boards", multiple=True, help="Repeatable; default: up to three of the generation's.")
@click.option("--window", help="Default: the shortest.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Places per list.")
@click.option("--once", is_flag=True, help="Print the lists and exit; the default if the output is no terminal.")
def command(
    config: str | None, site: str | None, boards: tuple[str, ...], window: str | None, limit: int, *, once: bool
) -> None:
    """Show the ranked lists in the terminal.

    They are read from Redis, merged as `ranker serve` merges them, and refreshed in place. Below them are the producers
    of the last 24 hours: which are silent, how many of their events are missing, and how many came again.

    \b
    Examples:
      ranker top
      ranker top --site demo --window 7d --limit 20
      ranker top --board read --once > list.txt
    """
    with user_errors(), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(load_settings(config), site, boards, window, limit, once=once))


async def _run(
    settings: Settings, site: str | None, boards: tuple[str, ...], window: str | None, limit: int, *, once: bool
) -> None:
    client = connect(settings.redis, answer_s=2.0)
    board, demand, refresh, _ = build_live(
        client,
        sites=settings.sites,
        refresh_ms=settings.refresh_ms,
        ages=Ages(settings.stale_after_s * 1000, settings.gone_after_s * 1000),
        metrics=ReaderMetrics(new_registry()),
    )
    lists = Lists(board, demand)
    try:
        await refresh.refresh()
        names = _chosen(board, site, boards, window, settings.rising_windows)
        for name in names:
            demand.use(name)
        await refresh.refresh()

        console = Console()

        async def shown() -> RenderableType:
            generation = board.generation
            report = None
            with contextlib.suppress(StoreUnavailableError):  # the lists show that Redis is away
                report = await read_report(client, generation.id) if generation else None
            shown = tables(board, lists, names, limit, console.width, report)
            if generation is None or generation.id == settings.generation.id:
                return shown
            return Group(Text(_inactive(settings.generation.id, generation.id), style="yellow"), shown)

        if once or not console.is_terminal:
            console.print(await shown())
            return
        refreshing = asyncio.create_task(refresh.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, refreshing.cancel)
        with Live(await shown(), console=console, auto_refresh=False, screen=True) as live:
            while not refreshing.done():
                for name in names:
                    demand.use(name)  # keeps them in use
                live.update(await shown(), refresh=True)
                await asyncio.wait([refreshing], timeout=settings.refresh_ms / 1000)
    finally:
        await client.aclose()


def _inactive(ours: str, active: str) -> str:
    return (
        f"These settings make generation {ours}, which is not active (ranker generations activate {ours}). "
        f"Shown is {active}, which is."
    )


def _chosen(
    shown: Board, site: str | None, boards: tuple[str, ...], window: str | None, unusual: Collection[str]
) -> list[ListName]:
    """The chosen lists; for an unknown name a usage error with the known ones. `unusual` windows are no default."""
    generation = shown.generation
    assert generation is not None  # a refresh that succeeded has followed one
    sites = shown.sites
    windows = [known.name for known in generation.windows]
    if site is None and not sites:
        raise click.ClickException("no site is configured or holds counts yet; name one with --site")
    if site is not None and shown.knows(site) is False:
        raise click.UsageError(f"--site {site}: neither configured nor with counts; there are {', '.join(sites)}")
    for board in boards:
        if board not in generation.boards:
            raise click.UsageError(f"--board {board}: unknown; there are {', '.join(sorted(generation.boards))}")
    if window is not None and window not in windows:
        raise click.UsageError(f"--window {window}: unknown; there are {', '.join(windows)}")
    usual = next((name for name in windows if name not in unusual), windows[0])
    return [ListName(site or sites[0], board, window or usual) for board in boards or first_boards(generation)]


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
    shown = filter(None, map(board.published, names))
    if any(published.age_ms(board.now_ms()) < 0 for published in shown):
        head.append("\nas of a time that lies ahead of this machine's clock: see /readyz of the consumer", style="red")
    if dropped := _dropped(contents):
        head.append(f"\n{dropped}", style="dim")
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
    paused = max((content["rules_paused"] for content in lists if content["rules_paused"]), default=None)
    if paused:
        words.append(f"rules paused for events before {paused}")
    behind: Sequence[Mapping[str, Any]] = next((content["behind"] for content in lists if "behind" in content), ())
    words += [f"partition {one['partition']} stands still or catches up: {_since(one['as_of'])}" for one in behind[:3]]
    if len(behind) > 3:
        words.append("others too")
    return ", ".join(words)


def _dropped(lists: Sequence[Mapping[str, Any]]) -> str:
    """What rules dropped in this site and window, which is the same for every board."""
    named = [f"{rule} {count:,}" for rule, count in (lists[0]["dropped"] if lists else {}).items()]
    return f"dropped: {', '.join(named)}" if named else ""


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
