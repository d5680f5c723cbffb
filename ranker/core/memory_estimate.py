"""The store's memory that a generation will use, from what another one uses that counts the same log.

Estimates lean to too much: a longer window is assumed to hold more articles in proportion, and every event to leave a
key of each rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ranker.core.generation import Generation, Window
from ranker.core.rules import memory_rules

KEY_BYTES = 10
"""What a key of the rules' memory uses in Redis at most: 8 bytes, and the lists around them (9 to 10.1 measured)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes of a generation's keys: totals by window, slices by tier, what rules remember, producers, all else."""

    totals: Mapping[str, int] = field(default_factory=dict)
    slices: Mapping[int, int] = field(default_factory=dict)
    remembered: int = 0
    rest: int = 0
    producers: int = 0

    @property
    def kinds(self) -> dict[str, int]:
        """The same in fewer words, whatever the windows are."""
        return {
            "totals": sum(self.totals.values()),
            "slices": sum(self.slices.values()),
            "remembered": self.remembered,
            "producers": self.producers,
            "other": self.rest,
        }

    @property
    def whole(self) -> int:
        return sum(self.kinds.values())


def added(parts: Sequence[Measured]) -> Measured:
    """Shards together."""
    totals: Counter[str] = Counter()
    slices: Counter[int] = Counter()
    for part in parts:
        totals.update(part.totals)
        slices.update(part.slices)
    return Measured(
        totals,
        slices,
        sum(part.remembered for part in parts),
        sum(part.rest for part in parts),
        sum(part.producers for part in parts),
    )


def estimate(new: Generation, old: Generation, measured: Measured, recent: Sequence[int]) -> Measured:
    """`measured` is what `old` uses; `recent` has each partition's records in the time that the new rules remember."""
    totals, slices = _totals(new, old, measured), _slices(new, old, measured)
    return Measured(totals, slices, remembered(new, recent), measured.rest, measured.producers)


def remembered(generation: Generation, recent: Sequence[int]) -> int:
    """Bytes that rules remember at most: a key of each rule for each event of the live buckets, up to the bound."""
    rules = memory_rules(generation)
    if rules is None:
        return 0
    rules_that_remember = bool(rules.duplicate) + bool(rules.repeat)
    return KEY_BYTES * sum(min(records * rules_that_remember, rules.max_keys) for records in recent)


def remembered_ms(generation: Generation) -> int:
    """For how long rules remember an event: its bucket and the grace. 0 if they remember nothing."""
    rules = memory_rules(generation)
    return 0 if rules is None else rules.per_ms + rules.grace_ms


def _totals(new: Generation, old: Generation, measured: Measured) -> dict[str, int]:
    """Totals grow with the boards; those of a window are taken from the next longer one that is measured."""
    boards = len(new.boards) / len(old.boards)
    sizes = {}
    for window in new.windows:
        like = next((known for known in old.windows if known.length_ms >= window.length_ms), old.longest)
        longer = max(1.0, window.length_ms / like.length_ms)
        sizes[window.name] = round(measured.totals.get(like.name, 0) * boards * longer)
    return sizes


def _slices(new: Generation, old: Generation, measured: Measured) -> dict[int, int]:
    """Slices grow with the time that a tier covers; finer ones hold an article more often."""
    spans, sizes = _covered_ms(old), {}
    for tier, (window, covered_ms) in enumerate(zip(new.windows, _covered_ms(new), strict=True)):
        like = max((t for t, known in enumerate(old.windows) if known.grain_ms <= window.grain_ms), default=0)
        finer = max(1.0, old.windows[like].grain_ms / window.grain_ms)
        sizes[tier] = round(measured.slices.get(like, 0) / spans[like] * covered_ms * finer)
    return sizes


def _covered_ms(generation: Generation) -> list[int]:
    """The time whose counts are in each tier: from the end of the next shorter window to its own."""
    shorter: Window | None = None
    covered = []
    for window in generation.windows:
        covered.append(window.length_ms - (shorter.length_ms if shorter else 0))
        shorter = window
    return covered
