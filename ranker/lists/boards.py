"""The order of boards: those of the default generation first, then a generation's others by name."""

from __future__ import annotations

from ranker.core.generation import Generation
from ranker.settings import DEFAULT_GENERATION

SIDE_BY_SIDE = 3
"""Number of boards shown if none are chosen."""


def ordered_boards(generation: Generation | None) -> list[str]:
    """Every board; without a generation, the default ones."""
    boards, first = (generation or DEFAULT_GENERATION).boards, DEFAULT_GENERATION.boards
    return [name for name in first if name in boards] + sorted(boards.keys() - first.keys())


def first_boards(generation: Generation | None) -> list[str]:
    """The boards that are shown side by side if none are chosen."""
    return ordered_boards(generation)[:SIDE_BY_SIDE]
