"""Raw records to a tally: what counts, what does not, and why."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import pytest

from ranker.core.event import MAX_TIME_MS, MAX_VALUE_BYTES
from ranker.core.fold import BOT, REASONS, Fold, crc
from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, FUTURE_MS, Generation
from ranker.core.partial_counts import KEPT_BYTES, Cut, Mark

MINUTE_MS, HOUR_MS, WEEK_MS = 60_000, 3_600_000, 604_800_000
NOW_MS = 480_000 * HOUR_MS + 1_234
"""An append time a little after the start of an hour."""


class Given(NamedTuple):
    """A record; `timestamp` is the append time."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def generation(**changes: Any) -> Generation:
    return Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, **changes)


def event(**changes: Any) -> bytes:
    fields = {
        "event_id": "e1",
        "event_type": "view",
        "site_id": "demo",
        "article_id": "a",
        "occurred_at": NOW_MS,
        **changes,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def records(*values: bytes | None, append_ms: int = NOW_MS) -> list[Given]:
    return [Given(offset, append_ms, b"demo/a", value) for offset, value in enumerate(values)]


def fold(*values: bytes | None, append_ms: int = NOW_MS, **changes: Any) -> Any:
    return Fold(generation(**changes))(records(*values, append_ms=append_ms))


def counted(partial: Any) -> int:
    return sum(sum(articles.values()) for articles in partial.counts.values())


def test_views_are_counted_by_minute_site_outcome_and_article() -> None:
    """One group for each (minute, site, event type); values add up, negative ones too."""
    partial = fold(
        event(),
        event(value=3),
        event(article_id="b", value=-2),
        event(event_type="comment"),
        event(site_id="other", occurred_at=NOW_MS - MINUTE_MS),
    )
    minute = NOW_MS // MINUTE_MS
    assert partial.counts == {
        (minute, "demo", "view"): {"a": 4, "b": -2},
        (minute, "demo", "comment"): {"a": 1},
        (minute - 1, "other", "view"): {"a": 1},
    }
    assert (partial.records, partial.late, partial.future, partial.rejected) == (5, 0, 0, [])


STAMPS: list[tuple[dict[str, Any], ...]] = [
    tuple({"producer_id": "c/1", "sequence": n} for n in (4, 5, 5, 2)),
    ({"producer_id": "c/1", "sequence": 4}, {}, {"producer_id": "d/1", "sequence": 0}, {"producer_id": "c/1"}),
    ({"producer_id": "c/1"}, {"producer_id": "c/1", "sequence": None}, {"producer_id": "c/1", "sequence": 2**70}),
    ({"producer_id": None, "sequence": 1}, {"sequence": 2}, {"producer_id": "", "sequence": 3}, {}),
    ({"producer_id": "b", "sequence": 1}, {"producer_id": "a", "sequence": 9}, {"producer_id": "b", "sequence": 0}),
]


@pytest.mark.parametrize("stamps", STAMPS)
@pytest.mark.parametrize("steps_ms", [0, 1_000])
def test_who_was_heard_is_the_same_on_both_paths(stamps: tuple[dict[str, Any], ...], steps_ms: int) -> None:
    """Sequences by producer, in order, and the append time of its last record; a broken record beside changes nothing."""
    some = [Given(offset, NOW_MS + offset * steps_ms, b"demo/a", event(**stamp)) for offset, stamp in enumerate(stamps)]
    sequences: dict[str, list[int]] = {}
    last_seen_ms = {}
    for given in some:
        said = json.loads(given.value or b"")
        if said.get("producer_id"):
            mine = sequences.setdefault(said["producer_id"], [])
            mine += [] if said.get("sequence") is None else [said["sequence"]]
            last_seen_ms[said["producer_id"]] = given.timestamp
    fast = Fold(generation())(some)
    slow = Fold(generation())([*some, Given(99, NOW_MS, None, b"{")])
    assert (fast.sequences, fast.last_seen_ms) == (sequences, last_seen_ms)
    assert (slow.sequences, slow.last_seen_ms) == (sequences, last_seen_ms)
    assert list(fast.sequences) == list(slow.sequences) == list(sequences), "in the order of first appearance"
    assert (len(fast.rejected), len(slow.rejected)) == (0, 1)


def test_late_future_and_rejected_events_are_heard() -> None:
    """They are in the log, so they are not lost; what cannot be decoded names nobody."""
    partial = fold(
        event(producer_id="c/1", sequence=0, occurred_at=NOW_MS - WEEK_MS - 2 * HOUR_MS),
        event(producer_id="c/1", sequence=1, occurred_at=NOW_MS + FUTURE_MS + 1),
        event(producer_id="c/1", sequence=2, value=0),
        event(producer_id="c/1", sequence=3, agent_class="cat"),
    )
    assert partial.sequences == {"c/1": [0, 1, 2]}


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


def test_a_record_without_a_time_is_neither_late_nor_future() -> None:
    """Message format 0, and producers that write -1: there is nothing to judge it by but its own time."""
    partial = fold(event(), event(occurred_at=1), event(occurred_at=MAX_TIME_MS), append_ms=-1)
    assert (counted(partial), partial.late, partial.future, partial.rejected) == (3, 0, 0, [])
    assert fold(event(), append_ms=-2).future == 1


def test_every_reason_is_tried_above() -> None:
    """A new reason needs its examples here."""
    assert {reason for reason, _ in REJECTED} | {"unknown_site", "too_large", "unreadable"} == set(REASONS)


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


def test_an_unknown_site_is_rejected_only_where_sites_are_named() -> None:
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


def test_a_type_named_like_a_rule_is_no_rule() -> None:
    """`!bot` as a type is invalid, also beside a real bot of the same minute."""
    partial = fold(event(agent_class="bot"), event(event_type="!bot", article_id="b"))
    assert partial.counts == {(NOW_MS // MINUTE_MS, "demo", BOT): {"a": 1}}
    assert [letter.reason for letter in partial.rejected] == ["event_type"]


def test_bots_are_an_outcome_of_their_own_where_they_are_dropped() -> None:
    """Dropped bots stand in the sums, under an outcome that no board can weigh."""
    minute = NOW_MS // MINUTE_MS
    both = event(agent_class="bot"), event(agent_class="bot", event_type="comment"), event(agent_class="person")
    assert fold(*both).counts == {(minute, "demo", BOT): {"a": 2}, (minute, "demo", "view"): {"a": 1}}
    assert fold(*both, bots="count").counts == {
        (minute, "demo", "view"): {"a": 2},
        (minute, "demo", "comment"): {"a": 1},
    }


@pytest.mark.parametrize("beside", [(), (b"{",)], ids=["together", "one by one"])
def test_late_begins_a_week_after_the_hour_has_ended(beside: tuple[bytes, ...]) -> None:
    """
    |--- hour ---|------------- 7 d -------------|
                 end                             end + 7 d: still counted    + 1 ms: late
    """
    end_ms = (NOW_MS // HOUR_MS) * HOUR_MS - WEEK_MS  # of an hour that ended 7 d before the start of this one
    last = event(occurred_at=end_ms - 1)
    on_time = fold(last, *beside, append_ms=end_ms + WEEK_MS)
    assert (on_time.late, counted(on_time)) == (0, 1)
    late = fold(last, *beside, append_ms=end_ms + WEEK_MS + 1)
    assert (late.late, counted(late), len(late.rejected)) == (1, 0, len(beside))
    next_hour = fold(event(occurred_at=end_ms), *beside, append_ms=end_ms + WEEK_MS + 1)
    assert (next_hour.late, counted(next_hour)) == (0, 1)


@pytest.mark.parametrize("beside", [(), (b"{",)], ids=["together", "one by one"])
def test_future_begins_five_minutes_ahead(beside: tuple[bytes, ...]) -> None:
    """
    append ----- 5 min -----|  counted      + 1 ms: dead letter
    """
    assert counted(fold(event(occurred_at=NOW_MS + FUTURE_MS), *beside)) == 1
    partial = fold(event(occurred_at=NOW_MS + FUTURE_MS + 1), *beside)
    assert (partial.future, counted(partial)) == (1, 0)


def test_each_record_is_held_against_its_own_append_time() -> None:
    """A stretch over hours holds what is late for its last record and what is future for its first."""
    early, later = NOW_MS - WEEK_MS - 2 * HOUR_MS, NOW_MS
    given = [
        Given(0, early, None, event(occurred_at=early)),
        Given(1, later, None, event(occurred_at=early, article_id="late")),
        Given(2, early, None, event(occurred_at=later, article_id="future")),
        Given(3, later, None, event(occurred_at=later)),
    ]
    partial = Fold(generation())(given)
    assert (partial.late, partial.future, counted(partial)) == (1, 1, 2)
    assert partial.first_append_ms == early


def test_the_append_times_may_be_told() -> None:
    """The log knows them of each batch; the tally is the same."""
    given = records(event(), event(article_id="b"))
    assert Fold(generation())(given, (NOW_MS, NOW_MS)) == Fold(generation())(given)


def test_the_mark_names_the_last_record() -> None:
    """Its offset, append time, and the CRC of key and value, rejected or not."""
    given = records(event(), b"{")
    partial = Fold(generation())(given)
    assert partial.mark == Mark(1, NOW_MS, crc(given[1]))
    assert crc(Given(0, 0, b"ab", b"c")) == crc(Given(0, 0, b"a", b"bc")) == crc(Given(0, 0, None, b"abc"))


def test_ids_once_found_valid_do_not_make_others_valid() -> None:
    """The cache of valid ids outlives a stretch, and lets nothing through."""
    one = Fold(generation())
    assert counted(one(records(event(), event(article_id="b")))) == 2
    assert one(records(event(article_id="a b"))).rejected[0].reason == "article_id"
    assert counted(one(records(event(article_id="a")))) == 1
    assert one(records(event(article_id="a b"))).rejected[0].reason == "article_id"


def test_tallies_add_up() -> None:
    """A batch is the sum of its stretches."""
    whole = fold(event(), b"{", event(article_id="b"), event(occurred_at=0))
    parts = Fold(generation())
    given = records(event(), b"{", event(article_id="b"), event(occurred_at=0))
    added = parts(given[:2])
    added.add(parts(given[2:]))
    assert added == whole
