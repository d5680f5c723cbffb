"""The hash of a receipt is that of the canonical JSON of RFC 8785, by an implementation of its own."""

import hashlib

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from ranker.recount import receipts as recounted
from ranker.serve.api import receipts

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
COUNTS = st.integers(1, 2**53 - 1)
"""Redis counts in doubles, and the standard writes numbers as doubles."""


@given(st.lists(st.tuples(COUNTS, IDS), max_size=30))
@example([(2, '/"\\\x00\x08\t\n\x0b\x0c\r\x1f\x7f\x80\u2028\ufeff\U0001f4f0é</')])
def test_the_hash_is_that_of_rfc_8785(rows: list[tuple[int, str]]) -> None:
    """Whatever characters ids have; and the verifier, which shares no code with it, computes the same."""
    expected = hashlib.sha256(rfc8785.dumps([[article, count] for count, article in rows])).hexdigest()
    assert receipts.sha256(rows) == expected
    assert recounted.sha256([(article, count) for count, article in rows]) == expected


@pytest.mark.parametrize(
    ("rows", "text"), [([], b"[]"), ([(12, "/a"), (7, "/société")], '[["/a",12],["/société",7]]'.encode())]
)
def test_the_hash_by_hand(rows: list[tuple[int, str]], text: bytes) -> None:
    """As docs/verify.md writes it."""
    assert receipts.sha256(rows) == hashlib.sha256(text).hexdigest()
