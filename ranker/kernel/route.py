"""Routes what the kernel has folded: `Router` of core/route.py is the definition."""

from __future__ import annotations

from ranker.core.floors import Floors
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.route import Router
from ranker.core.step import Changes
from ranker.kernel import _kernel
from ranker.kernel.changes import KernelChanges


class KernelRouter(Router):
    """Routes what the kernel has folded."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        boards_of = {outcome: list(boards) for outcome, boards in generation.boards_of.items()}
        self._routing = _kernel.Routing(self._lanes, self._fine_per_slice, boards_of)

    def changes(self, partial: PartialCounts, floors: Floors) -> Changes:
        assert not partial.counts, "counts of the plain fold are routed by `Router`"
        if partial.columns is None:
            return Changes()
        assert isinstance(partial.columns, _kernel.Columns)
        return KernelChanges(partial.columns.route(self._routing, list(floors)))
