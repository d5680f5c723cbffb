"""A set of 64-bit keys in some 9 to 11 bytes each: a set of Python's own takes 100."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import compress
from operator import not_

KEY_BYTES = 8
_PER_TABLE = 32
"""Keys of a table on average: more are searched for longer, fewer take more memory for the tables."""
_FIRST_TABLES = 64
"""The smallest set: there may be a bucket for each minute of a day."""


class KeySet:
    """Keys are 8 bytes each, evenly spread as hashes are.

    A table holds its keys one behind the other, where the C library finds them. Tables grow in number one at a time
    (linear hashing): the next in turn is split in two, so that a set of millions never stands still to be written anew.
    """

    __slots__ = ("_len", "_level", "_mask", "_most", "_tables", "fresh")

    def __init__(self, expected: int = 0) -> None:
        """Empty, with tables for as many keys as are expected: an empty table takes 8 bytes, a split takes time."""
        self._tables = [b""] * max(_FIRST_TABLES, expected // _PER_TABLE)
        self._level = _FIRST_TABLES
        """Tables at the beginning of this round of splits."""
        while 2 * self._level <= len(self._tables):
            self._level *= 2
        self._mask = 2 * self._level - 1
        self._most = _PER_TABLE * len(self._tables)
        self._len = 0
        self.fresh: list[bytes] = []
        """What `add` has added since the caller emptied this list."""

    def __len__(self) -> int:
        return self._len

    def add(self, key: bytes) -> bool:
        """Whether the key is new; the set has it from now on."""
        tables = self._tables
        number = hash(key) & self._mask
        if number >= len(tables):
            number -= self._level
        table = tables[number]
        if table.find(key) >= 0 and _at(table, key) >= 0:
            return False
        tables[number] = table + key
        self.fresh.append(key)
        self._len += 1
        if self._len > self._most:
            self._split_next()
        return True

    def take(self, keys: Sequence[bytes]) -> None:
        """Takes keys over that are different ones and that it does not have: nothing is searched, none is fresh."""
        tables, level, mask, length = self._tables, self._level, self._mask, len(self._tables)
        for key in keys:
            number = hash(key) & mask
            tables[number if number < length else number - level] += key
        self._len += len(keys)
        while self._len > self._most:
            self._split_next()

    def discard(self, keys: Iterable[bytes]) -> None:
        tables = self._tables
        for key in keys:
            number = hash(key) & self._mask
            if number >= len(tables):
                number -= self._level
            table = tables[number]
            if (at := _at(table, key)) >= 0:
                tables[number] = table[:at] + table[at + KEY_BYTES :]
                self._len -= 1

    @property
    def bytes(self) -> int:
        """Bytes that the set takes."""
        return sys.getsizeof(self._tables) + sum(map(sys.getsizeof, filter(None, self._tables)))

    def _split_next(self) -> None:
        tables, level = self._tables, self._level
        number = len(tables) - level
        keys = keys_of(tables[number])
        goes = [hash(key) & level for key in keys]
        tables.append(b"".join(compress(keys, goes)))
        tables[number] = b"".join(compress(keys, map(not_, goes)))
        self._most += _PER_TABLE
        if len(tables) == 2 * level:
            self._level *= 2
            self._mask = 2 * self._level - 1


def keys_of(packed: bytes) -> list[bytes]:
    """The keys that lie one behind the other."""
    return [packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES)]


def _at(table: bytes, key: bytes) -> int:
    """Where the key begins, else -1. What is found across two keys is none."""
    at = table.find(key)
    while at >= 0 and at % KEY_BYTES:
        at = table.find(key, at + 1)
    return at
