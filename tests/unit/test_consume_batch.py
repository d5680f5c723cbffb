"""Batches are bounded in everything that a step or its memory grows with."""

import pytest

from ranker.consume.batch import Batch, Batches, chunk_records
from ranker.consume.gate import _gap_ms
from ranker.core.costs import SEQUENCES, Costs
from ranker.core.generation import Generation
from ranker.core.memory import MemoryChange
from ranker.core.partial_counts import Mark, PartialCounts, Rejected
from ranker.core.sequences import SequenceList, Sequences
from ranker.core.step import MAX_COST, MAX_KEYS, SMALL_SHARD, SMALL_TIMES
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
CHUNKS = 200
NOW_MS = 1_795_400_000_000


def fill(batches: Batches, outcome: str, articles: int | None) -> int:
    """Puts chunks of 1,000 new articles each until no more may be read; returns how many chunks that took."""
    for number in range(CHUNKS):
        if batches.full:
            return number
        counts = {(1, "demo", outcome): {f"{number}-{n}": 1 for n in range(1000)}}
        batches.put(number, number + 1, PartialCounts(counts=counts, records=1000), 0.0, articles)
    return CHUNKS


def test_a_batch_is_of_one_leader() -> None:
    """What lies between two terms is looked at before the second one's records: also if there are none."""
    batches = Batches(GENERATION, 0.25)
    for number, epoch in enumerate((4, 4, 6, 6, None)):
        batches.put(number, number + 1, None if number == 2 else PartialCounts(records=1), 0.0, 10, epoch)
    found = [batches.pop() for _ in range(3)]
    assert [(batch.end, batch.epoch) for batch in found] == [(2, 4), (4, 6), (5, None)]


@pytest.mark.parametrize(
    ("append_ms", "gap_ms"), [(NOW_MS - 5, NOW_MS - 5), (NOW_MS + 5, NOW_MS), *((ms, NOW_MS) for ms in (-1, 0, NOW_MS // 1000, NOW_MS * 1000))]
)  # fmt: skip
def test_a_gap_ends_now_if_its_append_time_is_none(append_ms: int, gap_ms: int) -> None:
    """One that ended in 1970 would have left every window, and lists would be complete."""
    batch = Batch(0, 0.0, None)
    batch.add(9, PartialCounts(lost=[range(3, 9)], lost_ms=append_ms))
    assert batch.gap_ms(NOW_MS) == gap_ms
    assert _gap_ms(Mark(9, append_ms, 0), NOW_MS) == gap_ms
    assert _gap_ms(None, NOW_MS) == NOW_MS


@pytest.mark.parametrize("outcome", ["view", "!bot", "unweighed"])
def test_new_articles_fill_a_batch_whatever_counts_them(outcome: str) -> None:
    """What no board weighs makes no increment, but it is held in memory and appended to a slice."""
    assert fill(Batches(GENERATION, 0.25), outcome, None) < 20


@pytest.mark.parametrize(
    ("articles", "most"), [(None, MAX_COST), (SMALL_SHARD + 1, MAX_COST), (SMALL_SHARD, SMALL_TIMES * MAX_COST)]
)
def test_a_batch_costs_no_more_than_its_shard_may(articles: int | None, most: int) -> None:
    """Four times as much for a shard that is known to be small; not before that is known."""
    batches = Batches(GENERATION, 0.25)
    fill(batches, "view", articles)
    for counted in (batches.pop(), batches.pop()):
        increments = 2 * sum(map(len, counted.partial.counts.values()))
        assert most - 2 * 1000 * 2 < increments <= most


def test_rejected_records_fill_a_batch_by_their_bytes() -> None:
    """Dead letters keep the original bytes: a wait for Kafka must not gather them without end."""
    batches = Batches(GENERATION, 0.25)
    for number in range(CHUNKS):
        if batches.full:
            break
        rejected = [Rejected(number, 0, "malformed", None, b"x" * 1_000_000) for _ in range(4)]
        batches.put(number, number + 1, PartialCounts(records=4, rejected=rejected), 0.0, 10)
    assert number * 4 <= 3 * SMALL_TIMES * MAX_COST * 4096 / 1_000_000 + 12


@pytest.mark.parametrize("producers", [1, 1_000])
def test_sequences_fill_a_batch(producers: int) -> None:
    """While Redis is away one article's views make no batch larger, but their producers' sequences do."""
    batches = Batches(GENERATION, 0.25)
    for number in range(1_000):
        if batches.full:
            break
        seen: dict[str, Sequences] = {
            f"{number * (producers - 1) + p}/1": SequenceList(range(4_000 // producers)) for p in range(producers)
        }
        batches.put(
            number, number + 1, PartialCounts({(1, "demo", "view"): {"a": 1_000}}, 1_000, sequences=seen), 0.0, 10
        )
    assert number < (1_000 if producers == 1 else 50)


def test_sequences_of_small_pieces_add_up() -> None:
    """Else a batch that many polls bring a little for would cost nothing, and wait without a bound."""
    batch, costs = Batch(0, 0.0, None), Costs.of(GENERATION)
    for number in range(100 * SEQUENCES):
        batch.cost_with(PartialCounts(sequences={"a/1": SequenceList([number])}), costs)
        batch.add(number, PartialCounts(sequences={"a/1": SequenceList([number])}))
    assert batch.cost_with(PartialCounts(), costs) == 101


def test_a_chunk_of_all_different_articles_costs_two_batches_at_most() -> None:
    """A chunk is never cut again, so its size follows from the boards."""
    heavy = Generation("page-views", DEFAULT_WINDOWS, {f"b{n}": {"view": 1} for n in range(10)})
    assert chunk_records(heavy) * (2 * 10 + 1) <= 2 * MAX_COST
    assert chunk_records(GENERATION) * (2 * 1 + 1) <= 2 * MAX_COST


def test_a_step_adds_a_bounded_number_of_keys() -> None:
    """Ten thousand views of one article cost one increment, and two keys each."""
    batches = Batches(GENERATION, 0.25, most=10)
    for number in range(50):
        change = MemoryChange(keys={1: bytearray(b"12345678" * (MAX_KEYS // 16))})
        partial = PartialCounts(counts={(1, "demo", "view"): {"a": 2_000}}, records=2_000, memory=change)
        batches.put(number, number + 1, partial, 0.0, 10)
    sizes = []
    while batches.due_s() is not None:
        memory = batches.pop().partial.memory
        assert memory is not None
        sizes.append(memory.size)
    assert sizes == [MAX_KEYS, MAX_KEYS, MAX_KEYS, MAX_KEYS // 8]


def test_far_behind_a_batch_may_grow_for_longer() -> None:
    """Large batches are cheap, and nobody waits for this one; a full one is due at once all the same."""
    batches = Batches(GENERATION, 0.25)
    counts = PartialCounts({(1, "demo", "view"): {"a": 1}}, 1)
    batches.put(0, 1, counts, 10.0, 10)
    assert batches.due_s() == 10.25
    batches.log_end = 20_001
    assert batches.due_s() == 10.25
    batches.log_end = 20_002
    assert batches.due_s() == 12.0
    batches.put(1, 2, None, 10.1, 10)
    assert batches.due_s() == 10.25  # the end has come near
    batches.log_end = 1_000_000
    batches.put(2, 3, PartialCounts({(1, "demo", "view"): {f"{n}": 1 for n in range(9_000)}}, 9_000), 10.1, 100_000)
    assert batches.due_s() == 0
    batches.clear()
    batches.put(0, 1, counts, 20.0, 10)
    assert batches.due_s() == 20.25
    slow = Batches(GENERATION, 5.0)
    slow.log_end = 1_000_000
    slow.put(0, 1, counts, 0.0, 10)
    assert slow.due_s() == 5.0
