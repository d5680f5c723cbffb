"""Folds stretches of fetched batches: the kernel what is clean, the plain fold every other record, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ranker.core.fold import Fold
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.memory import Memory
from ranker.core.partial_counts import Mark, PartialCounts
from ranker.core.rules import Rules, seed_of
from ranker.kernel import _kernel
from ranker.kernel.memory import KernelMemory
from schemas.article_id import UNFIT


class KernelFold(Fold):
    """`Fold`, which is the definition and does what the kernel declines, with a second way in."""

    def __init__(self, generation: Generation, declined: Callable[[], None] = lambda: None) -> None:
        """`declined` is called for each record that the plain fold does."""
        super().__init__(generation)
        self._declined = declined
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
        )

    def raw(self, stretches: Sequence[_kernel.Stretch], memory: Memory | None = None) -> PartialCounts:
        """The counts of these records, at least one, as if they were read and folded one by one."""
        assert memory is None or isinstance(memory, KernelMemory)
        whole = PartialCounts()
        rest, at = list(stretches), stretches[0].begin
        while rest:
            number, stopped = self._fold(rest, at, memory, whole)
            rest, at = rest[number:], stopped
            if not rest:
                break
            record, at = rest[0].record(stopped)
            self._declined()
            _add(whole, self([record], memory))
            if at == rest[0].end:
                del rest[0]
                at = rest[0].begin if rest else 0
        return whole

    def _fold(
        self, stretches: list[_kernel.Stretch], at: int, memory: KernelMemory | None, whole: PartialCounts
    ) -> tuple[int, int]:
        """Adds what the kernel takes to `whole`. Returns where it stopped."""
        done = self._kernel.fold(stretches, at, None if memory is None else memory.buckets)
        number, stopped, counts, records, late, first_ms, mark, sequences, last_seen_ms = done
        if records:
            part = PartialCounts(counts, records, late, first_append_ms=first_ms)
            part.mark = None if mark is None else Mark(*mark)
            part.sequences, part.last_seen_ms = sequences, last_seen_ms
            if memory is not None:
                part.memory = memory.take_change()
            _add(whole, part)
        return number, stopped


def _add(whole: PartialCounts, part: PartialCounts) -> None:
    first_ms = [ms for ms in (whole.first_append_ms, part.first_append_ms) if ms is not None]
    whole.add(part)
    whole.first_append_ms = min(first_ms)
