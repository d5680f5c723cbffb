"""Folds stretches of fetched batches: the kernel what is clean, the plain fold every other record, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from ranker.core.costs import Costs
from ranker.core.fold import Fold
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.memory import Memory
from ranker.core.partial_counts import Mark, PartialCounts
from ranker.core.rules import Rules, seed_of
from ranker.kernel import _kernel
from ranker.kernel.memory import KernelMemory
from ranker.kernel.shape import shape_of
from schemas.article_id import UNFIT


class KernelFold(Fold):
    """`Fold`, which is the definition and does what the kernel declines, with a second way in."""

    def __init__(self, generation: Generation, declined: Callable[[], None] = lambda: None) -> None:
        """`declined` is called for each record that the plain fold does."""
        super().__init__(generation)
        self._declined = declined
        form = shape_of(generation)
        assert form is not None, "a topic of this form goes to the plain fold"
        self._costs = costs = Costs.of(generation)
        rules = Rules() if isinstance(generation.rules, msgspec.UnsetType) else generation.rules
        self._kernel = _kernel.Fold(
            grain_ms=generation.windows[0].grain_ms,
            late_grain_ms=generation.longest.grain_ms,
            late_ms=generation.longest.length_ms,
            future_ms=FUTURE_MS,
            only_sites=None if generation.sites is None else list(generation.sites),
            duplicate=bool(rules.duplicate),
            bots=generation.bots == "drop",
            internal=bool(rules.internal),
            types=list(rules.types),
            seed=seed_of(generation),
            unfit=list(UNFIT),
            sums_cost=costs.sums,
            article_costs=costs.articles,
            **form._asdict(),
        )

    def __call__(self, records: Sequence[Any], memory: Memory | None = None) -> PartialCounts:
        """As the plain fold, with its counts in columns."""
        partial = super().__call__(records, memory)
        partial.columns, partial.counts = self._kernel.columns(partial.counts), {}
        return partial

    def raw(
        self, stretches: Sequence[_kernel.Stretch], memory: Memory | None, most_cost: int
    ) -> Iterator[tuple[int, PartialCounts]]:
        """The counts of these records, at least one, as if they were read and folded one by one: in pieces, each with
        the offset behind its last record. A piece ends as soon as a step pays `most_cost` for it.
        """
        assert memory is None or isinstance(memory, KernelMemory)
        whole, cost = PartialCounts(), 0
        rest, at = list(stretches), stretches[0].begin
        while rest:
            number, at, paid, part = self._fold(rest, at, memory, most_cost - cost)
            del rest[:number]
            cost += paid
            if part is not None:
                _add(whole, part)
            if rest and cost < most_cost:
                record, at = rest[0].record(at)
                self._declined()
                part = self([record], memory)
                # Of this form from the first on: what follows it is appended, and would become a list of numbers.
                part.sequences = {name: _kernel.Sequences(some) for name, some in part.sequences.items()}
                cost += self._costs.dearest_record + self._costs.rejected(part.rejected)
                _add(whole, part)
                if at == rest[0].end:
                    del rest[0]
                    at = rest[0].begin if rest else 0
            if cost >= most_cost or not rest:
                assert whole.mark is not None
                yield whole.mark.offset + 1, whole
                whole, cost = PartialCounts(), 0

    def _fold(
        self, stretches: list[_kernel.Stretch], at: int, memory: KernelMemory | None, most_cost: int
    ) -> tuple[int, int, int, PartialCounts | None]:
        """Where the kernel stopped (a stretch's number and a byte of it), what it counted costs, and the counts."""
        done = self._kernel.fold(stretches, at, None if memory is None else memory.buckets, most_cost)
        number, stopped, cost, columns, records, late, first_ms, mark, sequences, last_seen_ms = done
        if not records:
            return number, stopped, 0, None
        part = PartialCounts(records=records, late=late, first_append_ms=first_ms, columns=columns)
        part.mark = None if mark is None else Mark(*mark)
        part.sequences, part.last_seen_ms = sequences, last_seen_ms
        if memory is not None:
            part.memory = memory.take_change()
        return number, stopped, cost, part


def _add(whole: PartialCounts, part: PartialCounts) -> None:
    first_ms = [ms for ms in (whole.first_append_ms, part.first_append_ms) if ms is not None]
    whole.add(part)
    whole.first_append_ms = min(first_ms)
