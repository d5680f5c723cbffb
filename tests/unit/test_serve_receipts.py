"""The hash in a receipt is that of RFC 8785, whatever the ids are."""

import hashlib
import json

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ranker.recount import receipts as recounted
from ranker.serve.api.receipts import sha256

ROWS = st.lists(st.tuples(st.integers(1, 2**53 - 1), st.text()), max_size=20)
"""Count and article id: controls, quotes, line separators, whatever lies beyond 16 bits."""


@given(ROWS)
def test_the_hash_is_canonical(rows: list[tuple[int, str]]) -> None:
    """As an independent implementation has it, as anybody writes it in Python, and as `ranker verify` computes it."""
    named = [(article, count) for count, article in rows]
    plain = json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode()
    assert sha256(rows) == hashlib.sha256(plain).hexdigest()
    assert sha256(rows) == hashlib.sha256(rfc8785.dumps(named)).hexdigest()
    assert sha256(rows) == recounted.sha256(named)


def test_a_known_hash() -> None:
    """Written down, so that nothing above can be wrong together."""
    assert (
        sha256([(12, "/a"), (7, '/é\u2028\x7f"')])
        == hashlib.sha256('[["/a",12],["/é\u2028\x7f\\"",7]]'.encode()).hexdigest()
    )
    assert sha256([]) == hashlib.sha256(b"[]").hexdigest()
