"""Raw records to partial counts: what is counted, under what, and what is late or future."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ranker.core import append_time
from ranker.core.event import MAX_TIME_MS
from ranker.core.fold import Fold, crc
from ranker.core.generation import FUTURE_MS
from ranker.core.partial_counts import Mark
from ranker.core.rules import BOT
from ranker.core.sequences import SequenceList, Sequences
from tests.support.raw_records import (
    HOUR_MS,
    MINUTE_MS,
    NOW_MS,
    WEEK_MS,
    Given,
    counted,
    event,
    fold,
    generation,
    records,
)


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
def test_who_was_seen(stamps: tuple[dict[str, Any], ...], steps_ms: int) -> None:
    """Sequences by producer, in order, and the append time of its last record; a broken record beside changes nothing."""
    some = [Given(offset, NOW_MS + offset * steps_ms, b"demo/a", event(**stamp)) for offset, stamp in enumerate(stamps)]
    sequences: dict[str, Sequences] = {}
    last_seen_ms = {}
    for given in some:
        said = json.loads(given.value or b"")
        if said.get("producer_id"):
            mine = sequences.setdefault(said["producer_id"], SequenceList())
            mine += [] if said.get("sequence") is None else [said["sequence"]]
            last_seen_ms[said["producer_id"]] = given.timestamp
    partial = Fold(generation())([*some, Given(99, NOW_MS, None, b"{")])
    assert (partial.sequences, partial.last_seen_ms) == (sequences, last_seen_ms)
    assert list(partial.sequences) == list(sequences), "in the order of first appearance"
    assert len(partial.rejected) == 1


def test_late_future_and_rejected_events_are_tracked() -> None:
    """They are in the log, so they are not lost; what cannot be decoded names nobody."""
    partial = fold(
        event(producer_id="c/1", sequence=0, occurred_at=NOW_MS - WEEK_MS - 2 * HOUR_MS),
        event(producer_id="c/1", sequence=1, occurred_at=NOW_MS + FUTURE_MS + 1),
        event(producer_id="c/1", sequence=2, value=0),
        event(producer_id="c/1", sequence=3, agent_class="cat"),
    )
    assert partial.sequences == {"c/1": SequenceList((0, 1, 2))}


@pytest.mark.parametrize(
    ("stamp", "named"),
    [
        (-1, "no timestamp (-1)"),
        (-(2**63), "no timestamp (-9223372036854775808)"),
        (0, "of 1970"),
        (86_400_000, "of 1970"),
        (NOW_MS // 1000, "in milliseconds is of 1970 (these are seconds, probably)"),
        (946_684_799_999, "before 2000"),
        (NOW_MS * 1000, "in milliseconds is after 2099 (these are microseconds, probably)"),
        (NOW_MS * 1_000_000, "in milliseconds is after 2099 (these are nanoseconds, probably)"),
        (MAX_TIME_MS + 1, "after 2099"),
        (2**63 - 1, "after 2099"),
    ],
)
def test_a_record_without_an_append_time_is_rejected_unread(stamp: int, named: str) -> None:
    """Wherever it stands among others: what it holds cannot be late, future or counted. And it is said what it has."""
    given = [Given(n, stamp if n in (1, 3) else NOW_MS, None, event()) for n in range(5)]
    given[3] = given[3]._replace(value=b"not even an event")
    partial = Fold(generation())(given)
    assert [(one.offset, one.reason, one.append_ms) for one in partial.rejected] == [
        (1, "timestamp", stamp),
        (3, "timestamp", stamp),
    ]
    assert (counted(partial), partial.late, partial.future) == (3, 0, 0)
    assert not append_time.is_append_time(stamp)
    assert named in append_time.named(stamp)


@pytest.mark.parametrize("stamp", [946_684_800_000, NOW_MS, MAX_TIME_MS])
def test_append_times(stamp: int) -> None:
    """Milliseconds of this century."""
    assert append_time.is_append_time(stamp)
    assert Mark(0, stamp, 0).proven_ms == stamp
    assert Mark(0, stamp // 1000, 0).proven_ms == 0


def test_a_type_named_like_a_rule_is_no_rule() -> None:
    """`!bot` as a type is invalid, also beside a real bot of the same minute."""
    partial = fold(event(agent_class="bot"), event(event_type="!bot", article_id="b"))
    assert partial.counts == {(NOW_MS // MINUTE_MS, "demo", BOT): {"a": 1}}
    assert [letter.reason for letter in partial.rejected] == ["event_type"]


def test_bots_are_an_outcome_of_their_own_if_they_are_dropped() -> None:
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


def test_the_mark_names_the_last_record() -> None:
    """Its offset, append time, and the CRC of key and value, rejected or not."""
    given = records(event(), b"{")
    partial = Fold(generation())(given)
    assert partial.mark == Mark(1, NOW_MS, crc(given[1]))
    assert crc(Given(0, 0, b"ab", b"c")) == crc(Given(0, 0, b"a", b"bc")) == crc(Given(0, 0, None, b"abc"))


def test_tallies_add_up() -> None:
    """A batch is the sum of its stretches."""
    whole = fold(event(), b"{", event(article_id="b"), event(occurred_at=0))
    parts = Fold(generation())
    given = records(event(), b"{", event(article_id="b"), event(occurred_at=0))
    added = parts(given[:2])
    added.add(parts(given[2:]))
    assert added == whole
