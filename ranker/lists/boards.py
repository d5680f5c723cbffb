"""In which order boards are shown: those of the default generation first, then a generation's others by name."""

from __future__ import annotations

from ranker.core.generation import DEFAULT_BOARDS, Generation

SIDE_BY_SIDE = 3
"""So many boards are shown if nobody has chosen others."""


def ordered_boards(generation: Generation | None) -> list[str]:
    """Every board; of no generation, the default ones."""
    boards = sorted(generation.boards) if generation else list(DEFAULT_BOARDS)
    return [name for name in DEFAULT_BOARDS if name in boards] + [name for name in boards if name not in DEFAULT_BOARDS]


def first_boards(generation: Generation | None) -> list[str]:
    """The boards that are shown side by side if none are chosen."""
    return ordered_boards(generation)[:SIDE_BY_SIDE]
