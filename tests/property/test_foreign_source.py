"""A foreign topic folded by its [source] equals a topic of ours with the same events, translated by other means.

The translation here uses plain json, decimal and regular expressions, nothing of ranker.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ranker.core import source as sources
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import NOW_MS, Given

REQUIRED = ("event_type", "site_id", "article_id", "occurred_at")
OPTIONAL = ("event_id", "visitor_id", "agent_class", "value", "producer_id", "sequence")
IDS = ("event_id", "site_id", "article_id", "visitor_id", "producer_id")
THEIRS = (*REQUIRED, "value", "path", "ts", "Ünïcode", "with space", "$[0]/'x'")
"""Names that a topic may have: some are ours, and may stand for something else."""
MAX_MS = 4_102_444_800_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
WORDS = ("view", "share", "page_view", "Page View", "!bot", "")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), 0.5, 17.0, "", "a b", "x" * 129, "x" * 513, [], {"value": 1}]),
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """A [source] table that settings would accept."""
    ours = draw(st.permutations([*REQUIRED, *OPTIONAL]))[: draw(st.integers(1, 8))]
    constants = draw(
        st.fixed_dictionaries(
            {}, optional={"site_id": st.sampled_from(["demo", "it"]), "event_type": st.sampled_from(["view", "share"])}
        )
    )
    words = [word for word in WORDS if word != constants.get("event_type")]
    own = [name for name in REQUIRED if name not in ours and name not in constants]
    names = draw(st.permutations([name for name in THEIRS if name not in own]))
    table = {
        "fields": dict(zip(ours, names, strict=False)),
        "constants": constants,
        "event_types": draw(st.dictionaries(st.sampled_from(words), st.sampled_from(["view", "comment"]), max_size=3)),
        "time": draw(st.sampled_from(["ms", "us", "s", "rfc3339"])),
    }
    assert sources.faults(defaults.source(table)) == []
    return table


def names_of(table: dict[str, Any]) -> dict[str, Any]:
    """What is read, from which name; as docs/reference.md says it."""
    own = {name: name for name in REQUIRED if name not in table["constants"]}
    return {**own, **table["fields"]}


@st.composite
def times(draw: st.DrawFn, unit: str) -> Any:
    """Mostly around the append time: inside the window, late, future."""
    ago_us = draw(st.one_of(st.integers(-400_000_000, 4_000_000), st.integers(0, 9 * 86_400_000_000)))
    time_us = NOW_MS * 1000 - ago_us
    if unit == "ms":
        return time_us // 1000
    if unit == "us":
        return time_us
    if unit == "s":
        return draw(st.sampled_from([time_us // 1_000_000, time_us // 1000 / 1000, time_us / 1_000_000]))
    zone = dt.timezone(dt.timedelta(minutes=draw(st.integers(-14 * 60, 14 * 60))))
    text = (EPOCH + dt.timedelta(microseconds=time_us)).astimezone(zone).isoformat()
    return draw(st.sampled_from([text, text.replace("+00:00", "Z"), text[:-6]]))  # the last has no offset


@st.composite
def values(draw: st.DrawFn, table: dict[str, Any]) -> bytes | None:
    """The value of a record: mostly sound, or with a fault in a field, or broken altogether."""
    likely = {
        "event_id": st.one_of(st.text("ab", min_size=1, max_size=3), st.integers(0, 9)),
        "event_type": st.sampled_from(WORDS),
        "site_id": st.one_of(st.sampled_from(["demo", "Demo"]), st.integers(0, 2)),
        "article_id": st.one_of(st.sampled_from(["/a", "7", "é"]), st.integers(5, 8)),
        "occurred_at": times(table["time"]),
        "visitor_id": st.one_of(st.none(), st.text("ab", max_size=3)),
        "agent_class": st.sampled_from(["person", "bot", "unknown"]),
        "value": st.sampled_from([1, 1, 2, -3]),
        "producer_id": st.one_of(st.none(), st.just("p/1")),
        "sequence": st.integers(0, 9),
    }
    read = {theirs: likely[ours] for ours, theirs in names_of(table).items()}
    event = {theirs: draw(strategy) for theirs, strategy in read.items()}
    unread = st.sampled_from([name for name in (*THEIRS, *OPTIONAL, "unheard of") if name not in read])
    event |= draw(st.dictionaries(unread, ODD, max_size=2))
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(sorted(read)))
        if draw(st.booleans()):
            event[name] = draw(ODD)
        else:
            del event[name]
    raw = json.dumps(event, ensure_ascii=draw(st.booleans())).encode()
    return draw(st.sampled_from([raw] * 12 + [raw[:-1], raw + b"{}", b"[]", b"", b"\xff", None]))


def translated(value: bytes | None, table: dict[str, Any]) -> bytes | None:
    """The same as a record of our own topic; what cannot be read stays what it is."""
    if not value:
        return value
    try:
        event = json.loads(value)
    except ValueError:
        return b"{"
    if not isinstance(event, dict):
        return value
    names = names_of(table)
    ours = {"event_id": "none", **table["constants"]}
    for name, theirs in names.items():
        if theirs in event:
            ours[name] = in_our_terms(name, event[theirs], table)
    if ours["event_id"] is None:
        ours["event_id"] = "none"
    return json.dumps(ours).encode()


def in_our_terms(name: str, value: Any, table: dict[str, Any]) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in IDS and isinstance(value, int) and number and -(2**63) <= value < 2**63:
        return str(value)
    if name == "event_type" and isinstance(value, str):
        return table["event_types"].get(value, value)
    if name != "occurred_at" or table["time"] == "ms":
        return value
    if table["time"] == "us" and isinstance(value, int) and number and 0 <= value <= MAX_MS * 1000:
        return value // 1000
    if table["time"] == "s" and number and 0 <= value <= MAX_MS // 1000:
        rounded = Decimal(str(value)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
        return int(rounded * 1000)
    if table["time"] == "rfc3339" and isinstance(value, str) and RFC3339.fullmatch(value):
        return (dt.datetime.fromisoformat(value) - EPOCH) // dt.timedelta(milliseconds=1)
    return "no time"


@given(st.data(), tables(), st.sampled_from(["drop", "count"]), st.sampled_from([None, ("demo", "it")]))
def test_a_mapped_fold_equals_the_fold_of_what_was_translated(
    data: st.DataObject, table: dict[str, Any], bots: str, sites: tuple[str, ...] | None
) -> None:
    """Counts, late, future, and which records are rejected for which reason."""
    foreign = data.draw(st.lists(values(table), min_size=1, max_size=6))
    by_source = Fold(
        Generation("t", DEFAULT_WINDOWS, DEFAULT_BOARDS, bots=bots, sites=sites, source=defaults.source(table))
    )
    plain = Fold(Generation("t", DEFAULT_WINDOWS, DEFAULT_BOARDS, bots=bots, sites=sites))
    found = by_source([Given(offset, NOW_MS, None, value) for offset, value in enumerate(foreign)])
    expected = plain([Given(offset, NOW_MS, None, translated(value, table)) for offset, value in enumerate(foreign)])
    assert found.counts == expected.counts
    assert (found.late, found.future, found.records) == (expected.late, expected.future, expected.records)
    assert [one.offset for one in found.rejected] == [one.offset for one in expected.rejected]
    for one, other in zip(found.rejected, expected.rejected, strict=True):
        # if a record breaks off, a fault of a field before that is found first
        cut_short = other.reason == "malformed" and one.reason == "schema"
        assert one.reason == other.reason or cut_short
        assert one.value == foreign[one.offset]
