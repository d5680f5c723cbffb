"""Batches of what both folds have counted: the kernel's columns, merged, against Python's dicts."""

from __future__ import annotations

import dataclasses

from ranker.consume.batch import Batch
from ranker.consume.fold_chunk import Piece
from ranker.core.costs import Costs
from ranker.core.generation import Generation
from ranker.kernel import _kernel


def check(settings: Generation, pieces: list[tuple[Piece, Piece]]) -> None:
    """Raises AssertionError if the kernel's pieces and the plain ones differ in cost or counts, added one after the other."""
    costs, compiled, plain = Costs.of(settings), Batch(0, 0.0, None), Batch(0, 0.0, None)
    for pair in pieces:
        costs_with = []
        for batch, piece in zip((compiled, plain), pair, strict=True):
            assert piece.counts is not None
            partial = dataclasses.replace(piece.counts, memory=None)
            costs_with.append(batch.cost_with(partial, costs))
            batch.add(piece.end, partial)
        assert costs_with[0] == costs_with[1], f"up to offset {pair[0].end}: the cost"
    if pieces:
        assert isinstance(compiled.partial.columns, _kernel.Columns)
        assert compiled.partial.columns.as_dicts() == plain.partial.counts
