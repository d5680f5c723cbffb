"""The newest period of a site, as the front page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from ranker.core.periods import KINDS
from ranker.serve.api.best_of import BestOf
from ranker.serve.api.best_of_request import Sight
from ranker.serve.live.board import Board
from ranker.serve.pages.best_of.addresses import archive_address, document_address
from ranker.serve.pages.best_of.rows import Row, heading
from ranker.serve.pages.best_of.sheet import sheet

PLACES = 10


class NewestPeriod(NamedTuple):
    """`page` and `archive` are addresses; `words` those of documents."""

    title: str
    rows: Sequence[Row]
    page: str
    archive: str
    words: Mapping[str, Any]


async def newest_period(best_of: BestOf, board: Board, site: str, lang: str, deadline_s: float) -> NewestPeriod | None:
    """Of the newest week, or day of a site without weeks; None if there is none, or if it cannot be had in time."""
    sight = Sight(counts=board.site(site).show_counts, positions=False)
    for kind in reversed(KINDS):
        found = await best_of.newest(site, kind, PLACES, sight, deadline_s)
        if found is not None:
            break
    else:
        return None
    shown = sheet(found, board.site(site).title, lang)
    day = date.fromisoformat(found.content["period"]["date"])
    now = datetime.fromtimestamp(board.now_ms() / 1000, UTC).date()
    query = {"lang": lang}
    return NewestPeriod(
        heading(found.content, shown.speech, now),
        shown.rows,
        document_address(site, kind, day, ".html", query),
        archive_address(site, ".html", query),
        shown.speech.words,
    )
