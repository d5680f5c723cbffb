"""Tables that were measured, and what lies between their steps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log


def interpolated(rows: Mapping[int, Sequence[float]], columns: Sequence[int], length: float, count: float) -> float:
    """From a table of lengths and counts: linear in the length, and in the logarithm of the count; beyond it, its edge.

    Beyond the longest id, in proportion.
    """
    lengths = sorted(rows)
    low, high, part = _between(lengths, length)
    values = [in_row(rows[one], columns, count) for one in (low, high)]
    found = values[0] + (values[1] - values[0]) * part
    return found * max(1.0, length / lengths[-1])


def in_row(row: Sequence[float], columns: Sequence[int], count: float) -> float:
    """From the values at these columns."""
    low, high, _ = _between(columns, count)
    at = min(max(count, columns[0]), columns[-1])
    part = 0.0 if low == high else log(at / low) / log(high / low)
    left, right = row[columns.index(low)], row[columns.index(high)]
    return left + (right - left) * part


def _between(steps: Sequence[int], value: float) -> tuple[int, int, float]:
    """The steps around a value, and how far it is from the first to the second."""
    place = bisect_right(steps, value)
    if place == 0:
        return steps[0], steps[0], 0.0
    if place == len(steps):
        return steps[-1], steps[-1], 0.0
    low, high = steps[place - 1], steps[place]
    return low, high, (value - low) / (high - low)
