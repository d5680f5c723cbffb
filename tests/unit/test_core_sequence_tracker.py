"""What a shard has seen of its producers: gaps, repeats, bounds; against sets of sequences."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core import sequence_tracker
from ranker.core.sequence_tracker import BLOCK, HEAD, KEPT, MAX_RUNS, MAX_SEQUENCE, Run, SequenceTracker, unpacked
from ranker.core.sequences import SequenceList, Sequences
from tests.property.sequences import BOUNDS, Bounds, Stamp, recount

SMALL = Bounds(block=8, kept=3, head=2, runs=3)


@pytest.fixture
def small() -> Iterator[None]:
    """Blocks of 8, 3 of them kept, 3 runs: every bound is met within a hundred sequences."""
    names = {"BLOCK": SMALL.block, "KEPT": SMALL.kept, "HEAD": SMALL.head, "MAX_RUNS": SMALL.runs}
    before = {name: getattr(sequence_tracker, name) for name in names}
    for name, value in names.items():
        setattr(sequence_tracker, name, value)
    yield
    for name, value in before.items():
        setattr(sequence_tracker, name, value)


class Shard:
    """The state, and the two hashes that a store would hold of it."""

    def __init__(self) -> None:
        self.held = SequenceTracker()
        self.runs: dict[str, bytes] = {}
        self.blocks: dict[str, bytes] = {}

    def take(self, stretch: Sequence[Stamp]) -> int:
        sequences: dict[str, Sequences] = {}
        for one in stretch:
            some = sequences.setdefault(one.producer, SequenceList())
            if one.sequence is not None:
                some += (one.sequence,)
        change = self.held.plan_update(sequences, {one.producer: one.append_ms for one in stretch})
        self.held.apply(change)
        self.runs |= change.set_runs()
        self.blocks |= change.set_blocks()
        for name in change.deleted_blocks():
            del self.blocks[name]
        return change.untracked


def told(state: SequenceTracker, bounds: Bounds) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "last_ms": run.last_ms,
            "first": run.first,
            "high": run.high,
            "distinct": run.distinct,
            "repeats": run.repeats,
            "heads": run.heads,
            "held": frozenset(
                block * bounds.block + bit
                for block, bits in run.blocks.items()
                for bit in range(bounds.block)
                if bits >> bit & 1
            ),
        }
        for name, run in state.runs.items()
    }


def stamps(*named: tuple[str, int | None]) -> list[Stamp]:
    return [Stamp(offset, 1_000 + offset, producer, sequence) for offset, (producer, sequence) in enumerate(named)]


SEQUENCES = st.one_of(st.none(), st.integers(0, 90), st.sampled_from((MAX_SEQUENCE, MAX_SEQUENCE + 1, 2**70)))


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), SEQUENCES), max_size=60).map(lambda some: stamps(*some)),
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
)
def test_any_order_in_any_stretches_is_what_sets_say(given_: list[Stamp], cuts: list[int]) -> None:
    """Wild sequences: every field, however the records are cut into steps, in memory and in the store's fields."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BLOCK", 8), ("KEPT", 3), ("HEAD", 2), ("MAX_RUNS", 3)):
            patch.setattr(sequence_tracker, name, value)
        shard, at, untracked = Shard(), 0, 0
        for turn in range(len(given_)):
            if at >= len(given_):
                break
            untracked += shard.take(given_[at : at + cuts[turn % len(cuts)]])
            at += cuts[turn % len(cuts)]
        want = recount(given_, (), SMALL)
        assert told(shard.held, SMALL) == want.told(SMALL)
        assert told(unpacked(shard.runs, shard.blocks), SMALL) == want.told(SMALL)
        assert untracked == want.untracked


def test_a_run_as_it_comes_is_what_sets_say() -> None:
    """The product's own bounds: 20,000 sequences a little out of order, from the middle on, with gaps and repeats."""
    rng = random.Random(5)
    order = [s for s in range(3_000, 23_000) if s % 997 and s % 4] + [7_001] * 5 + list(range(9_001, 9_004))
    order.sort(key=lambda s: s + rng.randrange(3_000))
    order += [400_000, 300_001, 300_001, 7, 8_009]
    given_ = stamps(*(("a/1", s) for s in order))
    shard = Shard()
    for at in range(0, len(given_), 1_700):
        shard.take(given_[at : at + 1_700])
    assert Bounds(BLOCK, KEPT, HEAD, MAX_RUNS) == BOUNDS
    assert told(unpacked(shard.runs, shard.blocks), BOUNDS) == recount(given_, (), BOUNDS).told(BOUNDS)


def test_distinct_sequences_below_any_that_is_kept() -> None:
    """below(x) is the number of distinct ones under x, from the kept blocks on, and over the head."""
    rng = random.Random(3)
    plan_update = [s for s in range(2 * BLOCK + 17, 150 * BLOCK) if rng.random() < 0.02]
    run = Run(0)
    for at in range(0, len(plan_update), 100):
        run.record(SequenceList(plan_update[at : at + 100]))
    for at in (*rng.sample(range(run.base * BLOCK, 150 * BLOCK), 50), run.base * BLOCK, run.high, run.high + 1):
        assert run.below(at) == sum(s < at for s in plan_update)
    for block in range(HEAD + 1):
        assert run.below((run.first + block) * BLOCK) == sum(s < (run.first + block) * BLOCK for s in plan_update)
    assert run.base > run.first + HEAD
    assert run.below(run.base * BLOCK - 1) is None


def test_a_jump_costs_what_is_kept_and_not_what_is_jumped_over() -> None:
    """A sequence of 2^53 - 1 after 5: a block of two is left, at once."""
    run = Run(0)
    run.record(SequenceList([0, 5]))
    began = time.perf_counter()
    _, closed = run.record(SequenceList([MAX_SEQUENCE]))
    assert time.perf_counter() - began < 0.1
    assert (closed, set(run.blocks)) == ({0}, {MAX_SEQUENCE // BLOCK})
    run.record(SequenceList([6, 6]))
    assert (run.distinct, run.repeats, run.high) == (5, 0, MAX_SEQUENCE)


def test_a_backlog_is_marked_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 40,000 of 640,000 sequences is more than what is kept, and not marked one by one."""
    marks: list[int] = []
    mark = Run._mark

    def noted(run: Run, sequences: Sequences, *bounds: Any) -> None:
        marks.append(len(sequences))
        mark(run, sequences, *bounds)

    monkeypatch.setattr(Run, "_mark", noted)
    run = Run(0)
    run.record(SequenceList(range(0, 640_000, 16)))
    assert (run.distinct, sum(marks)) == (40_000, 40_000)
    assert len(marks) < 50


@pytest.mark.usefixtures("small")
def test_a_run_without_a_place_is_counted_and_gets_one_when_another_is_forgotten() -> None:
    """Three runs fill the shard. One that is silent goes, and only then is a fourth followed."""
    shard = Shard()
    assert shard.take(stamps(("a", 0), ("b", 0), ("c", 0), ("d", 0), ("d", 1), ("a", 1))) == 2
    assert set(shard.held.runs) == {"a", "b", "c"}
    hour_on = 1_005 + sequence_tracker.INACTIVE_FULL_MS
    assert shard.held.inactive(hour_on) == ["b", "c"]
    change = shard.held.forget(["b"])
    assert (change.gone, change.deleted_blocks()) == (["b"], ["0:b"])
    shard.held.apply(change)
    assert shard.take(stamps(("d", 2))) == 0
    assert shard.held.inactive(hour_on - sequence_tracker.INACTIVE_FULL_MS) == []


@pytest.mark.usefixtures("small")
def test_while_there_is_a_place_a_run_stays_for_a_day() -> None:
    shard = Shard()
    shard.take(stamps(("a", None)))
    assert shard.held.runs["a"].high == -1, "a producer without sequences is heard"
    assert shard.held.inactive(1_000 + sequence_tracker.INACTIVE_MS) == []
    assert shard.held.inactive(1_001 + sequence_tracker.INACTIVE_MS) == ["a"]
