"""Raw records that are rejected: each reason, its dead letter, and what is not rejected."""

from __future__ import annotations

import hashlib

import pytest

from ranker.core.event import MAX_TIME_MS, MAX_VALUE_BYTES
from ranker.core.fold import REASONS, Fold
from ranker.core.generation import FUTURE_MS
from ranker.core.partial_counts import KEPT_BYTES, Cut
from tests.support.raw_records import NOW_MS, Given, counted, event, fold, generation, records

REJECTED: list[tuple[str, bytes | None]] = [
    ("empty", None),
    ("empty", b""),
    ("malformed", b"{"),
    ("malformed", b"view of a"),
    ("malformed", event()[:-1]),
    ("malformed", event() + event()),
    ("malformed", event() + b"\n" + event()),
    ("malformed", b'{"unheard_of":' + b"[" * 100_000),
    ("schema", b"null"),
    ("schema", b"[]"),
    ("schema", b"{}"),
    ("schema", event(event_id=...)),
    ("schema", event(event_id="")),
    ("schema", event(event_id="x" * 129)),
    ("schema", event(occurred_at="1")),
    ("schema", event(occurred_at=True)),
    ("schema", event(occurred_at=-1)),
    ("schema", event(occurred_at=MAX_TIME_MS + 1)),
    ("schema", event(value=1001)),
    ("schema", event(value=-1001)),
    ("schema", event(value=1.5)),
    ("schema", event(agent_class="cat")),
    ("schema", event(visitor_id="x" * 129)),
    ("schema", event(sequence=-1)),
    ("schema", event().replace(b'"a"', b'"\xff"')),
    ("site_id", event(site_id="")),
    ("site_id", event(site_id="Demo")),
    ("site_id", event(site_id="a/b")),
    ("site_id", event(site_id="x" * 65)),
    ("event_type", event(event_type="View")),
    ("event_type", event(event_type="!bot")),
    ("event_type", event(event_type="view\n")),
    ("event_type", event(event_type="x" * 33)),
    ("article_id", event(article_id="")),
    ("article_id", event(article_id="a b")),
    ("article_id", event(article_id="a\u00a0b")),
    ("article_id", event(article_id="a\u200bb")),
    ("article_id", event(article_id="a\n")),
    ("article_id", event(article_id="é" * 257)),
    ("value", event(value=0)),
    ("future", event(occurred_at=NOW_MS + FUTURE_MS + 1)),
]


@pytest.mark.parametrize(("reason", "value"), REJECTED)
def test_what_cannot_be_counted_is_rejected_alone(reason: str, value: bytes | None) -> None:
    """One bad record among good ones: its bytes, its place and the reason are kept, the others count."""
    partial = fold(event(), value, event(article_id="b"))
    (letter,) = partial.rejected
    assert (letter.reason, letter.offset, letter.value, letter.append_ms) == (reason, 1, value, NOW_MS)
    assert reason in REASONS
    assert counted(partial) == 2
    assert partial.future == (reason == "future")


def test_every_reason_is_tried_above() -> None:
    """A new reason needs its examples here, or a test of its own."""
    others = {"unknown_site", "too_large", "unreadable", "timestamp", "magic_byte", "unknown_schema"}
    assert {reason for reason, _ in REJECTED} | others == set(REASONS)


def test_a_value_above_a_mebibyte_is_rejected_and_cut() -> None:
    """Whatever stands in it: the letter has its beginning, its size and its hash, and a key that is too large likewise."""
    whole = event() + b" " * (MAX_VALUE_BYTES - len(event()))
    assert fold(whole).rejected == []
    (letter,) = fold(event(), whole + b" ", event(article_id="b")).rejected
    assert (letter.offset, letter.reason, letter.value) == (1, "too_large", whole[:KEPT_BYTES])
    assert letter.cut == Cut(MAX_VALUE_BYTES + 1, hashlib.sha256(whole + b" ").hexdigest())
    (letter,) = Fold(generation())([Given(0, NOW_MS, b"k" * (KEPT_BYTES + 1), b"{half")]).rejected
    assert (letter.key, letter.key_size, letter.value, letter.cut) == (
        b"k" * KEPT_BYTES,
        KEPT_BYTES + 1,
        b"{half",
        None,
    )
    again = letter.shortened(2, 3)
    assert (again.key, again.key_size, again.value) == (b"kkk", KEPT_BYTES + 1, b"{h")
    assert again.cut == Cut(5, hashlib.sha256(b"{half").hexdigest())


def test_an_unknown_site_is_rejected_only_if_sites_are_named() -> None:
    """unknown_sites = "count" counts them, "reject" sends them to the dead letters."""
    assert fold(event(), sites=("demo",)).rejected == []
    assert fold(event(site_id="other"), sites=("demo",)).rejected[0].reason == "unknown_site"
    assert fold(event(site_id="other")).rejected == []


def test_halves_of_an_event_do_not_become_one() -> None:
    """Joined with newlines these three records would hold three values, two of them made of pieces."""
    begin, rest = event()[:-1], b',"value":2}'
    partial = fold(begin, rest, event(article_id="b") + b" " + event(article_id="c"))
    assert partial.counts == {}
    assert [letter.reason for letter in partial.rejected] == ["malformed"] * 3
    literal = fold(b'{"a":1', b',"b":2}', b"{} {}")
    assert [letter.offset for letter in literal.rejected] == [0, 1, 2]


def test_ids_once_found_valid_do_not_make_others_valid() -> None:
    """The cache of valid ids outlives a stretch, and lets nothing through."""
    one = Fold(generation())
    assert counted(one(records(event(), event(article_id="b")))) == 2
    assert one(records(event(article_id="a b"))).rejected[0].reason == "article_id"
    assert counted(one(records(event(article_id="a")))) == 1
    assert one(records(event(article_id="a b"))).rejected[0].reason == "article_id"
