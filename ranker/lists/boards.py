"""The order of boards: those of the default generation first, then a generation's others by name."""

from __future__ import annotations

from collections.abc import Mapping

from ranker.core.generation import Generation
from ranker.core.rising_boards import RisingBoard
from ranker.settings import DEFAULT_GENERATION

SIDE_BY_SIDE = 3
"""Number of boards shown if none are chosen."""
NOTHING_RISES: Mapping[str, RisingBoard] = {}


def ordered_boards(generation: Generation | None, rising: Mapping[str, RisingBoard] = NOTHING_RISES) -> list[str]:
    """Every board; without a generation, the default ones. A rising board stands behind the one that it is of."""
    boards, first = (generation or DEFAULT_GENERATION).boards, DEFAULT_GENERATION.boards
    ordered = [name for name in first if name in boards] + sorted(boards.keys() - first.keys())
    return [one for name in ordered for one in (name, *(board.name for board in rising.values() if board.of == name))]


def first_boards(generation: Generation | None, rising: Mapping[str, RisingBoard] = NOTHING_RISES) -> list[str]:
    """The boards that are shown side by side if none are chosen."""
    return ordered_boards(generation, rising)[:SIDE_BY_SIDE]
