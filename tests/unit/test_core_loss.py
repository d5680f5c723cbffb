"""What shards say together of their producers, against plain sets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core.loss import MAX_NAMES, OTHER, Producer, missing, name_of, report
from ranker.core.sequence_tracker import BLOCK, HEAD, Run, SequenceTracker
from ranker.core.sequences import SequenceList

SHARDS = 3
AT = st.integers(0, 200 * BLOCK)


@settings(max_examples=150)
@given(st.sets(AT, min_size=1, max_size=40), AT, st.sampled_from((0, HEAD - 1, HEAD + 1, 40)))
def test_missing_is_the_rest_of_what_was_numbered(gaps: set[int], cut: int, begins: int) -> None:
    """Every sixteenth sequence of a run from `begins` blocks on, less the gaps; if it can be known, it is right."""
    sent = [s for s in range(begins * BLOCK, 190 * BLOCK, 16) if s not in gaps and s + 16 not in gaps]
    shards = [Run(0) for _ in range(SHARDS)]
    for number, shard in enumerate(shards):
        mine = [s for s in sent if s // 16 % SHARDS == number]
        for at in range(0, len(mine), 500):
            shard.record(SequenceList(mine[at : at + 500]))
    low = (sent[0] // BLOCK + HEAD) * BLOCK if sent[0] >= BLOCK else 0
    said = missing(shards, cut)
    base = max(shard.base for shard in shards) * BLOCK
    assert (said is None) == (low <= cut < base - 1)
    if said is not None:
        assert said == max(0, cut + 1 - low) - sum(low <= s <= cut for s in sent)


def test_a_run_without_sequences_misses_nothing_that_is_known() -> None:
    assert missing([Run(0), Run(5)], 10) is None


def test_who_repeats_across_shards_hides_no_more_than_is_missing() -> None:
    """Added partitions can put a repeat elsewhere: it counts as found, and never makes less than nothing missing."""
    one, other = Run(0), Run(0)
    one.record(SequenceList(range(10)))
    other.record(SequenceList(range(10)))
    assert missing([one, other], 9) == 0


def test_a_name_ends_before_its_run() -> None:
    names = ["cms/lx3", "cms", "/lx3", "a/b/lx3", ""]
    assert [name_of(run) for run in names] == ["cms", "cms", "/lx3", "a/b", ""]


def test_names_beyond_the_most_are_one() -> None:
    """In the order of names; the silence of `other` is that of its longest silent."""
    shard = SequenceTracker({f"n{number:03}/1": Run(1_000 + number, repeats=1) for number in range(MAX_NAMES + 3)})
    told = report([shard, SequenceTracker()], {"n100/1": 4, "n102/1": 5}, 90_000, 0)
    assert len(told.producers) == MAX_NAMES + 1
    assert told.producers[0] == Producer("n000", 1_000, None, 1)
    assert told.producers[-1] == Producer(OTHER, 1_100, 9, 3)
    assert told.silent_ms(told.producers[-1]) == 88_900


def test_a_producer_called_other_is_one_of_the_others() -> None:
    """Two series of one label would hide one of them."""
    shard = SequenceTracker({f"{name}/1": Run(1_000, repeats=1) for name in (OTHER, *map(str, range(MAX_NAMES)))})
    told = report([shard], {}, 90_000, 0).producers
    assert [one.repeats for one in told if one.name == OTHER] == [1]
    shard.runs["z/1"] = Run(1_000, repeats=1)
    told = report([shard], {}, 90_000, 0).producers
    assert [one.repeats for one in told if one.name == OTHER] == [2]


def test_runs_of_a_name_stand_together() -> None:
    shards = [SequenceTracker({"a/1": Run(5, repeats=1)}), SequenceTracker({"a/1": Run(9), "a/2": Run(7, repeats=2)})]
    assert report(shards, {"a/2": 3}, 100, 0).producers == [Producer("a", 9, 3, 3)]
