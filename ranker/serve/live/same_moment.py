"""Lists that are answered together, as of one moment in every partition."""

from __future__ import annotations

from collections.abc import Sequence

from ranker.core.generation import ListName
from ranker.serve.live.board import Board
from ranker.serve.live.demand import Demand
from ranker.serve.live.published import KEEP_LEVEL_MS, Published, of_one_moment

MAX_KEPT = 200
"""Groups of lists whose last readings are kept, each for 5 s."""


class SameMoment:
    """A refresh reads all lists of one moment; afterwards one of them may stay on show longer than the others.

    It does so while its window is between two floors, for up to 5 s. So long the last readings of one moment stand in.
    """

    def __init__(self, board: Board, demand: Demand) -> None:
        self._board = board
        self._demand = demand
        self._kept: dict[tuple[ListName, ...], list[Published]] = {}
        """The oldest first."""

    def lists(self, names: Sequence[ListName]) -> tuple[list[Published | None], bool]:
        """The lists, in use from now on (None: not read yet), and whether all are there and of one moment."""
        shown = [self._demand.use(name) for name in names]
        read = [one for one in shown if one is not None]
        agree = len(read) == len(names) and of_one_moment(read)
        if len(names) < 2:
            return shown, agree
        key = tuple(names)
        if agree:
            self._kept.pop(key, None)
            self._kept[key] = read
        self._forget()
        kept = self._kept.get(key)
        if agree or kept is None or len(read) < len(names):
            return shown, agree
        return list(kept), True

    def _forget(self) -> None:
        generation, now_ms = self._board.generation, self._board.now_ms()
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            old = not all(0 <= now_ms - one.read_ms <= KEEP_LEVEL_MS for one in kept)
            another = generation is None or kept[0].generation.id != generation.id
            if not old and not another and len(self._kept) <= MAX_KEPT:
                return
            del self._kept[key]
