"""The order of boards: those of the default generation first, then a generation's others by name."""

from __future__ import annotations

from ranker.core.generation import DEFAULT_BOARDS, Generation

SIDE_BY_SIDE = 3
"""Number of boards shown if none are chosen."""


def ordered_boards(generation: Generation | None) -> list[str]:
    """Every board; without a generation, the default ones."""
    boards = sorted(generation.boards) if generation else list(DEFAULT_BOARDS)
    return [name for name in DEFAULT_BOARDS if name in boards] + [name for name in boards if name not in DEFAULT_BOARDS]


def first_boards(generation: Generation | None) -> list[str]:
    """The boards that are shown side by side if none are chosen."""
    return ordered_boards(generation)[:SIDE_BY_SIDE]
