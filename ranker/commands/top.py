"""`ranker top`: the lists in a terminal, refreshed in place."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import click

from ranker.commands.common import config_option, load_settings, user_errors
from ranker.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ranker.core.generation import ListName
    from ranker.serve.live.board import Board


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
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from ranker.metrics import ReaderMetrics, new_registry
    from ranker.serve.api.lists import Lists
    from ranker.serve.live.build_live import build_live
    from ranker.serve.live.published import Ages
    from ranker.serve.terminal import tables
    from ranker.store.connection import connect
    from ranker.store.errors import StoreUnavailableError
    from ranker.store.producers import read_report

    client = connect(settings.redis_url, answer_s=2.0)
    board, demand, refresh = build_live(
        client,
        sites=settings.sites,
        refresh_ms=settings.refresh_ms,
        ages=Ages(settings.stale_after_s * 1000, settings.gone_after_s * 1000),
        metrics=ReaderMetrics(new_registry()),
    )
    lists = Lists(board, demand)
    try:
        await refresh.refresh()
        names = _chosen(board, site, boards, window)
        for name in names:
            demand.use(name)
        await refresh.refresh()

        console = Console()

        async def shown() -> RenderableType:
            generation = board.generation
            report = None
            with contextlib.suppress(StoreUnavailableError):  # the lists say that Redis is away
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


def _chosen(shown: Board, site: str | None, boards: tuple[str, ...], window: str | None) -> list[ListName]:
    """The chosen lists; for an unknown name a usage error with the known ones."""
    from ranker.core.generation import ListName
    from ranker.lists.boards import first_boards

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
    return [ListName(site or sites[0], board, window or windows[0]) for board in boards or first_boards(generation)]
