"""What a site has: boards, windows, and the sections and formats of its articles."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from typing import Any

from ranker.core import rules
from ranker.core.generation import ListName
from ranker.serve.api.refusals import existing_list, unread
from ranker.serve.live.board import Board
from ranker.serve.live.demand import Demand

MAX_SITES = 100
"""Sites whose sections and formats are kept counted."""
KEPT_S = 60.0


class Sites:
    """What the board knows of each site."""

    def __init__(self, board: Board, demand: Demand) -> None:
        self._board = board
        self._demand = demand
        self._found: dict[str, tuple[int, dict[str, Counter[str]], int]] = {}

    async def answer(self, name: str, deadline_s: float, *, counts: bool) -> tuple[dict[str, Any], float]:
        """The answer's fields, numbers only with `counts`, and until when they hold (perf_counter)."""
        board = self._board
        generation = board.generation
        if generation is None:
            raise unread(board)
        if board.knows(name) is None:
            some = ListName(name, next(iter(generation.boards)), generation.longest.name)
            existing_list(await self._demand.first(some, deadline_s), name, board)
        found, articles = self._occurring(name)
        content = {
            "site": name,
            "title": board.site(name).title,
            "boards": sorted(generation.boards),
            "windows": [
                {"name": w.name, "length_s": w.length_ms // 1000, "grain_s": w.grain_ms // 1000}
                for w in generation.windows
            ],
            "rising": [
                {"name": name, "of": one.of, "window": one.recent, "before": one.before, **one.thresholds._asdict()}
                for name, one in sorted(board.rising.items())
            ],
            "rules": list(rules.in_force(generation)),
            "definitions": "/definitions",
            "show_counts": board.site(name).show_counts,
            "articles": articles if counts else None,
            # by name: an order by number would show what is not to be shown
            **{
                kind: [{"name": one, "articles": of[one] if counts else None} for one in sorted(of, key=_alphabetical)]
                for kind, of in found.items()
            },
        }
        return content, time.perf_counter() + KEPT_S

    def _occurring(self, site: str) -> tuple[dict[str, Counter[str]], int]:
        """Sections and formats with the number of articles shown in each, and of all that are shown."""
        changes = self._board.changes_of(site)
        kept = self._found.pop(site, None)
        if kept is None or kept[0] != changes:
            shown = [one for one in self._board.articles.of(site).values() if not one.hidden]
            sections = Counter(one.section for one in shown if one.section)
            formats = Counter(one.format for one in shown if one.format)
            kept = changes, {"sections": sections, "formats": formats}, len(shown)
        self._found[site] = kept
        if len(self._found) > MAX_SITES:
            del self._found[next(iter(self._found))]
        return kept[1], kept[2]


def _alphabetical(name: str) -> tuple[str, str]:
    """What names are sorted by: É stands beside E, and not behind Z."""
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold(), name
