"""Puts the reader's live part together: what is in use, what is shown, and the refresh between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ranker.core.rising_boards import RisingBoard
from ranker.lists.archive import Archive
from ranker.lists.boards import NOTHING_RISES
from ranker.metrics import ReaderMetrics
from ranker.serve.live.board import Board, BoardWriter, wall_ms
from ranker.serve.live.demand import Demand
from ranker.serve.live.documents import Documents
from ranker.serve.live.published import Ages
from ranker.serve.live.refresh import Refresh
from ranker.settings import Site


class Live(NamedTuple):
    board: Board
    demand: Demand
    refresh: Refresh
    documents: Documents


def build_live(
    client: Any,
    *,
    sites: Mapping[str, Site],
    refresh_ms: int,
    ages: Ages,
    metrics: ReaderMetrics,
    now_ms: Callable[[], int] = wall_ms,
    rising: Mapping[str, RisingBoard] = NOTHING_RISES,
) -> Live:
    """`sites` and `rising` are the configured ones; `client` is Redis'."""
    rules = {name: site.ids for name, site in sites.items()}
    board = BoardWriter(sites, ages, now_ms, rising)
    demand = Demand(board)
    # At every scrape: ages go on growing while nothing is refreshed.
    metrics.lists.set_function(lambda: len(board))
    metrics.list_age_seconds.set_function(board.oldest_s)
    archive = Archive(client) if any(site.calendar for site in sites.values()) else None
    return Live(board, demand, Refresh(client, board, demand, metrics, refresh_ms, rules, archive), Documents(client))
