"""Keys of one reader on two articles are as unlike as those of two strangers: by statistics over random readers."""

from __future__ import annotations

import ipaddress
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import product

import pytest

from producers.readers import repeat_key
from ranker.service.address import Address
from tests.support.collected_reads import Reader, random_readers

READERS = 2_000
BITS = 64
SIGMAS = 5
SALT, NEXT_SALT = random.Random(13).randbytes(32), random.Random(14).randbytes(32)
Parts = tuple[bytes, str, str, Address, str]


def _other_bit(address: Address) -> Address:
    """The last bit of those that make the reader: of IPv6 the first 64."""
    other = int(address) ^ (1 << 64 if address.version == 6 else 1)
    return ipaddress.IPv6Address(other) if address.version == 6 else ipaddress.IPv4Address(other)


OTHERS: dict[str, Callable[[Reader], Parts]] = {
    "article": lambda reader: (SALT, "demo", "/b", *reader),
    "long article": lambda reader: (SALT, "demo", "/a" + "/a" * 100, *reader),
    "address": lambda reader: (SALT, "demo", "/a", _other_bit(reader.address), reader.agent),
    "agent": lambda reader: (SALT, "demo", "/a", reader.address, reader.agent[:-1] + "1"),
    "salt": lambda reader: (NEXT_SALT, "demo", "/a", *reader),
    "site": lambda reader: (SALT, "demn", "/a", *reader),
}
"""What else may differ between two keys of a reader, and it alone."""


@pytest.fixture(scope="module")
def readers() -> list[Reader]:
    return random_readers(READERS, random.Random(13))


@pytest.fixture(scope="module")
def keys(readers: list[Reader]) -> list[int]:
    return _keys((SALT, "demo", "/a", *reader) for reader in readers)


@pytest.fixture(scope="module")
def columns(keys: list[int]) -> list[int]:
    return _columns(keys)


def _keys(parts: Iterable[Parts]) -> list[int]:
    return [int(repeat_key(*one), 16) for one in parts]


def _columns(keys: Sequence[int]) -> list[int]:
    """For each bit of a key the number that is made of this bit of all keys."""
    rows = [f"{key:0{BITS}b}" for key in keys]
    return [int("".join(column), 2) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("other", OTHERS)
def test_two_keys_of_a_reader_are_independent(
    other: str, readers: list[Reader], keys: list[int], columns: list[int]
) -> None:
    """No bit of one says anything of any bit of the other, nor all together; no key is that of anybody else."""
    others = _keys(map(OTHERS[other], readers))
    agreements = sum(BITS - (one ^ two).bit_count() for one, two in zip(keys, others, strict=True))
    assert abs(agreements - READERS * BITS / 2) < SIGMAS * math.sqrt(READERS * BITS) / 2
    most = SIGMAS * math.sqrt(READERS) / 2
    differences = [(a ^ b).bit_count() for a, b in product(columns, _columns(others))]
    assert max(abs(one - READERS / 2) for one in differences) < most
    assert len({*keys, *others}) == 2 * READERS


@pytest.mark.parametrize("shift", [0, 24, 48])
def test_keys_share_no_more_digits_than_chance(shift: int, readers: list[Reader], keys: list[int]) -> None:
    """Of all readers on two articles: whole keys never, 16 bits of them as often as random numbers do."""
    both = keys + _keys(map(OTHERS["article"], readers))
    assert len(set(both)) == len(both)
    parts = Counter(key >> shift & 0xFFFF for key in both)
    pairs = sum(math.comb(times, 2) for times in parts.values())
    expected = math.comb(len(both), 2) / 2**16
    assert abs(pairs - expected) < SIGMAS * math.sqrt(expected)
