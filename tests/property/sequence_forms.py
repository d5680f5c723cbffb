"""Random sequences through the tracker in both forms, and mixed: the same runs and the same fields of the store."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ranker.core.partial_counts import PartialCounts
from ranker.core.sequence_tracker import BLOCK, KEPT, MAX_RUNS, MAX_SEQUENCE, Run, SequenceTracker
from ranker.core.sequences import SequenceList
from ranker.kernel._kernel import Sequences

_TOO_LARGE = (MAX_SEQUENCE + 1, 2**63 - 1, 2**63, 2**70)


def check(seed: int) -> None:
    """Raises AssertionError if what is tracked depends on the form."""
    rng = random.Random(seed)
    full = {f"{number}/0": Run(1) for number in range(rng.choice((0, MAX_RUNS - 1)))}
    plain, other = SequenceTracker(dict(full)), SequenceTracker(dict(full))
    logs = {name: _numbers(rng) for name in ("a/1", "b/1")}
    for step in range(rng.choice((1, 4))):
        wanted, mixed = PartialCounts(), PartialCounts()
        for _ in range(rng.randint(1, 4)):
            name = rng.choice([*logs])
            piece = [next(logs[name]) for _ in range(rng.choice((0, 1, 2, 40, 300)))]
            wanted.add(PartialCounts(sequences={name: SequenceList(piece)}))
            form = rng.choice((Sequences, Sequences, SequenceList))
            mixed.add(PartialCounts(sequences={name: form(piece)}))
        assert [*mixed.sequences] == [*wanted.sequences]
        for name, some in wanted.sequences.items():
            assert Sequences(mixed.sequences[name]) == some
        seen = dict.fromkeys(wanted.sequences, step)
        want, got = plain.plan_update(wanted.sequences, seen), other.plan_update(mixed.sequences, seen)
        assert got == want
        assert got.set_blocks() == want.set_blocks()
        plain.apply(want)
        other.apply(got)
    assert other == plain


def _numbers(rng: random.Random) -> Iterator[int]:
    """A run as one partition sees it: with gaps, a little out of order, with repeats, late ones and jumps."""
    at = rng.choice((0, 0, rng.randrange(300 * BLOCK)))
    stride = rng.choice((1, 3, 64, BLOCK, 5 * BLOCK))
    while True:
        at += rng.randint(1, 2 * stride - 1)
        odd = rng.random()
        if odd < 0.003:
            at += rng.choice((1, 2, 5)) * KEPT * BLOCK + rng.choice((-1, 0, 1))
        if 0.01 < odd < 0.02:
            yield rng.choice(_TOO_LARGE)
        elif odd < 0.05:
            yield max(0, at - rng.choice((0, 1, stride, BLOCK, (KEPT - 1) * BLOCK, KEPT * BLOCK, 300 * BLOCK)))
        else:
            yield max(0, at - rng.randrange(1, 3 * stride))
