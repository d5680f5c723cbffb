"""The sequences of one producer in a stretch of the log, in its order, as sequence_tracker.py takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, Self


class Sequences(Protocol):
    """A list of the plain fold, or what the kernel hands over (kernel/src/sequences.rs). Each takes the other's."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __iadd__(self, later: Iterable[int], /) -> Self: ...
    def bounds(self) -> tuple[int, int]:
        """The lowest and the highest; there has to be one."""

    def split(self, bound: int) -> tuple[Self, Self]:
        """Those below it and the others, each in their order."""

    def halves(self) -> tuple[Self, Self]:
        """The first half and the second; that is longer if they are odd."""

    def bitmap(self, low: int, size: int) -> bytes:
        """Bit i, from the lowest of the first byte on, is sequence low + i; none may lie outside of these `size`."""


class SequenceList(list[int]):
    """The definition."""

    __slots__ = ()

    def bounds(self) -> tuple[int, int]:
        return min(self), max(self)

    def split(self, bound: int) -> tuple[SequenceList, SequenceList]:
        below = SequenceList(sequence for sequence in self if sequence < bound)
        return below, SequenceList(sequence for sequence in self if sequence >= bound)

    def halves(self) -> tuple[SequenceList, SequenceList]:
        middle = len(self) // 2
        return SequenceList(self[:middle]), SequenceList(self[middle:])

    def bitmap(self, low: int, size: int) -> bytes:
        bits = bytearray((size + 7) // 8)
        for sequence in self:
            at = sequence - low
            bits[at >> 3] |= 1 << (at & 7)
        return bytes(bits)
