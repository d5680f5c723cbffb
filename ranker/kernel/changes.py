"""What counts change, as bytes: `Changes` of core/step.py is the definition."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from ranker.core import delta
from ranker.core.step import Changes, Increase, SliceId
from ranker.kernel import _kernel


class KernelChanges(Changes):
    """Changes that are bytes already: `appends` and `increments` stay empty."""

    def __init__(self, routed: _kernel.Routed) -> None:
        super().__init__(sums=routed.sums())
        self._routed = routed
        slices = routed.slices()
        self._sizes = dict(slices)
        self._numbers = {slice_id: number for number, (slice_id, _) in enumerate(slices)}

    @property
    def slices(self) -> Collection[SliceId]:
        return self._sizes.keys()

    @property
    def sites(self) -> set[str]:
        return {site for site, _, _ in self.sums}

    def size(self, slices: Iterable[SliceId]) -> int:
        return sum(self._sizes[slice_id] for slice_id in slices)

    def delta(self, slice_id: SliceId, *, sealed: bool) -> bytes:
        is_columns, body = self._routed.delta(self._numbers[slice_id], sealed)
        return delta.compressed(body, is_columns=is_columns) if sealed else delta.plain(body)

    def increases(self) -> list[Increase]:
        return [
            Increase(site, board, windows, msgspec.Raw(articles), msgspec.Raw(increments), size)
            for site, board, windows, articles, increments, size in self._routed.increases()
        ]

    def strays(self, partition: int, partitions: int) -> set[str]:
        return set(self._routed.strays(partition, partitions))
