"""A set of 64-bit keys is Python's own set in a tenth of the memory."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator

import pytest

from ranker.core import key_set
from ranker.core.key_set import _PER_TABLE as PER
from ranker.core.key_set import KEY_BYTES, KeySet, keys_of

MOST_BYTES = 24
"""Of a key, in all."""


def many(count: int, seed: int = 0) -> Iterator[bytes]:
    """Different keys, most of them evenly spread, others with few different bytes: these meet across two keys."""
    rng = random.Random(seed)
    yield from keys_of(rng.randbytes(KEY_BYTES * count))


def few(rng: random.Random) -> bytes:
    return bytes(rng.choice(b"ab") for _ in range(KEY_BYTES))


@pytest.mark.parametrize("seed", range(8))
def test_it_is_a_set(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding and discarding at random, over many splits; what is added is fresh, in its order."""
    monkeypatch.setattr(key_set, "_FIRST_TABLES", 1 << seed % 3)
    rng = random.Random(seed)
    keys, held, fresh = KeySet(), set[bytes](), list[bytes]()
    for _ in range(6_000):
        key = few(rng) if seed % 2 else rng.randrange(2_000).to_bytes(KEY_BYTES, "big")
        if rng.random() < 0.8:
            assert keys.add(key) is (key not in held)
            fresh += [] if key in held else [key]
            held.add(key)
        else:
            gone = [key, few(rng)]
            keys.discard(gone)
            held.difference_update(gone)
        assert len(keys) == len(held)
    assert keys.fresh == fresh
    assert not any(keys.add(key) for key in held)


@pytest.mark.parametrize("expected", [0, 500, 3_000, 100_000])
def test_keys_that_are_taken_over_are_in_it(expected: int) -> None:
    """Whatever was expected, and however many come at once; none of them is fresh."""
    keys, taken = KeySet(expected), list(many(3_000))
    for at in range(0, 3_000, 700):
        keys.take(taken[at : at + 700])
    assert (len(keys), keys.fresh) == (3_000, [])
    assert not any(map(keys.add, taken))
    assert all(map(keys.add, many(3_000, seed=1)))
    keys.discard(taken)
    assert len(keys) == len(keys.fresh) == 3_000


def together(keys: KeySet, first: bytes, second: bytes) -> bool:
    """Whether the two lie one behind the other in a table."""
    return any(first + second in table for table in keys._tables)


def test_what_lies_across_two_keys_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key whose bytes are the end of one and the beginning of the next is new, and to discard it changes nothing."""
    monkeypatch.setattr(key_set, "_FIRST_TABLES", 1)
    monkeypatch.setattr(key_set, "_PER_TABLE", 1_000)
    for at in range(1, KEY_BYTES):
        keys, first, second = KeySet(), b"abcdefgh", b"ijklmnop"
        keys.add(first)
        keys.add(second)
        assert together(keys, first, second)
        across = first[at:] + second[:at]
        keys.discard([across])
        assert len(keys) == 2
        assert keys.add(across)
        assert not keys.add(across)
        keys.discard([across])
        assert not keys.add(first)
        assert not keys.add(second)


def test_a_key_behind_what_looks_like_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It occurs across two keys first, and as a key after them."""
    monkeypatch.setattr(key_set, "_FIRST_TABLES", 1)
    monkeypatch.setattr(key_set, "_PER_TABLE", 1_000)
    keys = KeySet()
    for key in (b"aaaabbbb", b"ccccdddd", b"bbbbcccc"):
        assert keys.add(key)
    assert not keys.add(b"bbbbcccc")
    keys.discard([b"bbbbcccc"])
    assert len(keys) == 2
    assert keys.add(b"bbbbcccc")


def test_tables_are_split_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is lost by a split, and no add splits more than one table."""
    monkeypatch.setattr(key_set, "_FIRST_TABLES", 4)
    keys, added = KeySet(), []
    for key in many(5_000):
        tables = len(keys._tables)
        assert keys.add(key)
        added.append(key)
        assert len(keys._tables) - tables in (0, 1)
        if len(added) in (4 * PER, 4 * PER + 1, 8 * PER, 8 * PER + 1, 4_321):
            assert not any(map(keys.add, added))
    assert keys._level == 128
    assert len(keys) == len(keys.fresh) == 5_000


def test_one_made_for_as_many_as_another_has_room_for_them() -> None:
    """Its tables are those that so many keys need; for few there is no room left over."""
    other = KeySet()
    for key in many(20_000):
        other.add(key)
    keys = KeySet(len(other))
    assert (len(keys), keys.fresh, len(keys._tables), keys._level) == (0, [], len(other._tables), other._level)
    assert all(map(keys.add, many(40_000)))
    assert not any(map(keys.add, many(40_000)))
    assert len(other) == 20_000
    other.discard(many(19_990))
    assert KeySet(len(other)).bytes == KeySet().bytes < 1_000


@pytest.mark.parametrize("most", [1_000, 30_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_bytes_of_a_key(most: int) -> None:
    """At no size from a thousand on does a key take more, straight after a growth either; `fresh` is not kept."""
    keys = KeySet()
    first, tables = 1_000, 0
    for number, key in enumerate(many(most), 1):
        keys.add(key)
        keys.fresh.clear()
        before, tables = tables, len(keys._tables)
        grown = tables != before and tables & (tables - 1) == 0
        if number >= first and (grown or number % 50_000 == 0 or number in (first, most)):
            assert keys.bytes <= MOST_BYTES * number, number


def test_bytes_are_those_of_its_objects() -> None:
    """What `bytes` sums up is every object that the set holds."""
    keys = KeySet()
    for key in many(2_000):
        keys.add(key)
    empty = sys.getsizeof(b"")
    tables = [table for table in keys._tables if table]
    assert keys.bytes == sys.getsizeof(keys._tables) + empty * len(tables) + KEY_BYTES * 2_000


def test_keys_of_what_is_packed() -> None:
    assert keys_of(b"") == []
    assert keys_of(b"".join(many(5))) == list(itertools.islice(many(9, 0), 5))
