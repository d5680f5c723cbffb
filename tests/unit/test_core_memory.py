"""What rules remember: settled, forgotten, given up, and back at what the store has whenever what is pending is dropped."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field

import pytest

from ranker.core.key_set import keys_of
from ranker.core.memory import Memory, MemoryChange
from ranker.core.rules import Rules

PER, GRACE = 100, 50
AT = "00aa", 0


def rules(max_keys: int = 1_000_000) -> Rules:
    return Rules("duplicate@1", "", "", (), PER, GRACE, max_keys)


def key(number: int) -> bytes:
    return number.to_bytes(8, "big")


@dataclass
class Stored:
    """What a store makes of changes: keys are pushed, gone buckets deleted, the rest is replaced."""

    latest_ms: int = 0
    first: int = 0
    buckets: dict[int, bytearray] = field(default_factory=dict)

    def apply(self, change: MemoryChange) -> None:
        for bucket in change.gone:
            self.buckets.pop(bucket, None)
        for bucket, keys in change.keys.items():
            self.buckets.setdefault(bucket, bytearray()).extend(keys)
        self.latest_ms, self.first = change.latest_ms, change.first

    def loaded(self, max_keys: int = 1_000_000) -> Memory:
        memory = Memory(rules(max_keys), AT, self.latest_ms, self.first)
        for bucket, keys in self.buckets.items():
            memory.hold(bucket, bytes(keys))
        return memory


def state(memory: Memory) -> tuple[int, int, dict[int, set[bytes]]]:
    """What it goes by: an empty bucket is none."""
    live = {bucket: set(keys_of(b"".join(keys._tables))) for bucket, keys in memory._live.items() if keys}
    return memory._latest_ms, memory._first, live


def look(memory: Memory, occurred_ms: int, *keys: int) -> list[bool] | None:
    """One record with these keys: whether each is new; None if it is settled."""
    live = memory.keys_at(occurred_ms)
    new = None if live is None else [live.add(key(one)) for one in keys]
    memory.passed(occurred_ms)
    return new


def test_a_key_is_new_once_in_its_bucket() -> None:
    memory = Memory(rules())
    assert look(memory, 99, 1) == [True]
    assert look(memory, 0, 1, 2) == [False, True]
    assert look(memory, 100, 1) == [True], "another bucket"
    assert memory.size == 3


def test_a_record_is_settled_behind_the_grace_of_its_bucket() -> None:
    """Its bucket's end and the grace lie before the largest time of earlier records: to the millisecond."""
    memory = Memory(rules())
    look(memory, 99, 1)
    look(memory, 150)
    assert look(memory, 99, 1) == [False], "the end and the grace are 150: not before 150"
    look(memory, 151)
    assert look(memory, 99, 1) is None
    assert look(memory, 0, 5) is None
    assert look(memory, 100, 1) == [True]
    assert look(memory, 200) == [], "time that goes back settles nothing, and brings nothing back"
    assert look(memory, 99) is None
    change = memory.take_change()
    assert (change.settled, change.given_up, change.gone, change.latest_ms) == (3, 0, [0], 200)


def test_a_record_does_not_settle_itself() -> None:
    """What it moves, it moves for those after it."""
    memory = Memory(rules())
    look(memory, 99, 1)
    assert look(memory, 5_000, 2) == [True]
    assert look(memory, 5_000, 2) == [False]


def test_keys_are_forgotten_with_the_record_that_settles_them() -> None:
    """A change never holds keys of a bucket that is gone by it."""
    memory = Memory(rules())
    look(memory, 10, 1)
    look(memory, 110, 2)
    assert memory.size == 2
    look(memory, 249, 3)
    assert memory.size == 2
    look(memory, 349, 4)
    assert memory.size == 2
    change = memory.take_change()
    assert (sorted(change.gone), change.keys) == ([0, 1], {2: bytearray(key(3)), 3: bytearray(key(4))})


def test_beyond_the_bound_the_oldest_bucket_is_given_up() -> None:
    """Record by record; it counts as settled from then on, whatever the grace, and so does what is older."""
    memory = Memory(rules(max_keys=4))
    look(memory, 210, 1, 2)
    look(memory, 310, 3, 4)
    assert memory.size == 4, "the bound itself is no reason"
    look(memory, 310, 5)
    assert memory.size == 3
    assert look(memory, 210, 1) is None
    assert look(memory, 190, 9) is None
    assert look(memory, 310, 3) == [False]
    change = memory.take_change()
    assert (change.given_up, change.settled, change.first, change.gone) == (1, 2, 3, [2])
    look(memory, 310, 6, 7)
    assert memory.size == 0, "one bucket alone can be too much"
    assert look(memory, 310, 3) is None
    assert memory.take_change().first == 4


def test_a_bucket_without_keys_is_not_given_up() -> None:
    """It would be given up or not by what the process had loaded: a store does not hold it."""
    memory = Memory(rules(max_keys=2))
    look(memory, 110)
    look(memory, 210, 1, 2)
    look(memory, 210, 3)
    change = memory.take_change()
    assert (change.given_up, change.first) == (1, 3)


def test_a_bound_is_looked_at_again_after_loading_and_dropping() -> None:
    """How many records cannot exceed it was known of other keys."""
    memory = Memory(rules(max_keys=6))
    look(memory, 110, 1)
    memory.hold(2, b"".join(map(key, range(5))))
    look(memory, 210, 7)
    assert (memory.size, memory.take_change().given_up) == (6, 1)
    memory = Memory(rules(max_keys=6))
    look(memory, 10, *range(6))
    memory.stored(memory.take_change(), AT)
    look(memory, 251)
    memory.drop_pending()
    look(memory, 110, 1)
    assert (memory.size, memory.take_change().given_up) == (1, 1)


def test_what_is_pending_can_be_dropped() -> None:
    """Keys, buckets that are gone, the latest time, the first bucket: back at what is stored."""
    store = Stored()
    memory = Memory(rules(max_keys=6))
    look(memory, 10, 1, 2)
    look(memory, 110, 3)
    store.apply(first := memory.take_change())
    memory.stored(first, AT)
    before = state(memory)
    assert before == state(store.loaded())
    look(memory, 10, 4)
    look(memory, 251, 5)  # forgets 0, with a fresh key
    look(memory, 310, *range(10, 16))  # gives up 1 and 2
    memory.take_change()
    look(memory, 410, 20)
    memory.drop_pending()
    assert state(memory) == before
    assert memory.size == 3
    assert memory.take_change() == MemoryChange(110, 0)
    assert look(memory, 10, 1, 4) == [False, True]


def test_changes_are_stored_in_their_order() -> None:
    """Each leaves the later ones pending, if keys of one bucket are in several and the last makes it go."""
    store, memory = Stored(), Memory(rules())
    changes = []
    for occurred, number in ((10, 1), (20, 2), (30, 3), (251, 4), (260, 5)):
        look(memory, occurred, number)
        changes.append(memory.take_change())
    for stored in range(len(changes) + 1):
        mine, state_then = copy.deepcopy((memory, store))
        for change in copy.deepcopy(changes[:stored]):
            state_then.apply(change)
            mine.stored(change, AT)
        mine.drop_pending()
        assert state(mine) == state(state_then.loaded())
        assert not mine._pending


def test_a_merged_change_is_the_changes_one_after_the_other() -> None:
    memory = Memory(rules(max_keys=3))
    changes = []
    for occurred, numbers in ((10, (1,)), (20, (2,)), (110, (3, 4)), (120, (5,)), (20, (6,)), (400, (7,)), (410, (8,))):
        look(memory, occurred, *numbers)
        changes.append(memory.take_change())
    one_by_one, merged = Stored(), Stored()
    total = MemoryChange()
    for change in changes:
        one_by_one.apply(change)
        total.add(copy.deepcopy(change))
    assert total.size == sum(map(len, total.keys.values())) // 8 == 2
    assert (total.given_up, total.settled) == (1, 1)
    merged.apply(total)
    assert merged == one_by_one
    memory.stored(total, AT)
    before = state(memory)
    memory.drop_pending()
    assert state(memory) == before == state(one_by_one.loaded())


def test_the_version_moves_without_a_change() -> None:
    memory = Memory(rules(), AT)
    look(memory, 10, 1)
    memory.stored(None, ("00bb", 7))
    assert memory.at == ("00bb", 7)
    memory.drop_pending()
    assert memory.size == 0


def test_a_step_whose_reply_is_lost_is_part_of_what_is_held_if_the_store_has_it() -> None:
    """The store's version says so: with the step its change is stored, without it is pending, and elsewhere is neither."""
    sent = "00aa", 7
    for at, held, keys in ((AT, True, 1), (sent, True, 2), (("00aa", 8), False, 1), (("00bb", 7), False, 1)):
        memory = Memory(rules(), AT)
        look(memory, 10, 1)
        memory.stored(memory.take_change(), AT)
        look(memory, 10, 2)
        memory.sent(memory.take_change(), sent)
        look(memory, 10, 3)
        assert memory.is_at(at) is held
        assert memory.is_at(at) is held, "the same question again"
        memory.drop_pending()
        assert memory.size == keys
        assert memory.is_at(sent) is (at == sent), "what was dropped is not on its way any more"


def test_bytes_are_those_of_forgotten_keys_too() -> None:
    """They are here until the store has forgotten them."""
    memory = Memory(rules())
    look(memory, 10, *range(1_000))
    memory.stored(memory.take_change(), AT)
    before = memory.bytes
    assert before > 8_000
    look(memory, 300)
    assert (memory.size, memory.bytes >= before) == (0, True)
    memory.stored(memory.take_change(), AT)
    assert memory.bytes < before / 4


@pytest.mark.parametrize("seed", range(60))
def test_dropping_and_loading_are_the_same(seed: int) -> None:
    """Whatever is folded, taken, merged, stored and dropped in between: held and loaded, a memory is one and the same."""
    rng = random.Random(seed)
    most = rng.choice((1_000_000, 30, 8))
    store, memory, taken = Stored(), Memory(rules(most), AT), list[MemoryChange]()
    now = 1_000
    for _ in range(400):
        what = rng.random()
        if what < 0.7:
            now += rng.choice((0, 1, 5, 40, 400 if rng.random() < 0.1 else 0))
            look(
                memory, max(0, now - rng.choice((0, 3, 90, 200))), *(rng.randrange(12) for _ in range(rng.randrange(3)))
            )
        elif what < 0.85:
            change = memory.take_change()
            assert not change.keys.keys() & set(change.gone)
            if taken and rng.random() < 0.5:
                taken[-1].add(change)
            else:
                taken.append(change)
        elif what < 0.95 and taken:
            memory.stored(taken[0], AT)
            store.apply(taken.pop(0))
        elif rng.random() < 0.5:
            taken.clear()
            memory.drop_pending()
            assert state(memory) == state(store.loaded(most))
        else:
            taken.clear()
            memory = store.loaded(most)
            memory.drop_pending()
        assert memory.size <= most
        assert all((bucket + 1) * PER + GRACE >= memory._latest_ms for bucket in state(memory)[2])
