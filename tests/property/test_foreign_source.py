"""A foreign topic folded by its [source] equals a topic of ours with the same events, translated by other means.

The translation here uses plain json, decimal and regular expressions, nothing of ranker.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ranker.core import source as sources
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
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
PATTERNS = ("^/(.)", "([a-z0-9])", "(.+)", "^7(7*)$")
PARTS = re.compile(r'"[^"]*"|[^.]+')
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
PLAIN = Fold(Generation("t", DEFAULT_WINDOWS, DEFAULT_BOARDS))

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
    table: dict[str, Any] = {
        "fields": {name: draw(paths(theirs)) for name, theirs in zip(ours, names, strict=False)},
        "constants": constants,
        "event_types": draw(st.dictionaries(st.sampled_from(words), st.sampled_from(["view", "comment"]), max_size=3)),
        "time": draw(st.sampled_from(["ms", "us", "s", "rfc3339"])),
    }
    if draw(st.integers(0, 2)) == 0:
        table["fields"]["method"] = draw(paths("m"))
        table["article_pattern"] = draw(st.sampled_from(PATTERNS))
    if table["event_types"] and "event_type" in table["fields"] and draw(st.booleans()):
        table["other_types"] = "skip"
    assert sources.faults(defaults.source(table)) == []
    return table


@st.composite
def paths(draw: st.DrawFn, name: str) -> str:
    """Where a field of this name may stand: at the top, in an object, in a list. No two of the same name do."""
    quoted = f'"{name}"'
    return draw(st.sampled_from([quoted, quoted, f"page.{quoted}", f"page.deep.{quoted}", f"list.1.{quoted}"]))


def ways_of(table: dict[str, Any]) -> dict[str, list[str | int]]:
    """What is read, from where; as docs/reference.md says it."""
    own = {name: name for name in REQUIRED if name not in table["constants"]}
    read = {**own, **table["fields"]}
    return {
        name: [int(part) if part == "1" else part.strip('"') for part in PARTS.findall(path)]
        for name, path in read.items()
    }


def put(event: dict[str, Any], way: list[str | int], value: Any) -> None:
    node: Any = event
    for part, inner in pairwise(way):
        if isinstance(node, list):
            node = node[int(part)]
        else:
            node = node.setdefault(part, [0, {}] if isinstance(inner, int) else {})
    node[way[-1]] = value


def at(event: Any, way: list[str | int]) -> Any:
    """`...` if there is nothing."""
    for part in way:
        if isinstance(event, list):
            event = event[int(part)]
        elif part in event:
            event = event[part]
        else:
            return ...
    return event


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
    ways = ways_of(table)
    likely["method"] = st.sampled_from(["GET", "GET", "POST", ""])
    event: dict[str, Any] = {}
    faulty = draw(st.sampled_from(sorted(ways))) if draw(st.integers(0, 3)) == 0 else None
    for name, way in ways.items():
        if name != faulty:
            put(event, way, draw(likely[name]))
        elif draw(st.booleans()):
            put(event, way, draw(ODD))
    tops = {way[0] for way in ways.values()}
    unread = st.sampled_from([name for name in (*THEIRS, *OPTIONAL, "unheard of") if name not in tops])
    event |= draw(st.dictionaries(unread, ODD, max_size=2))
    raw = json.dumps(event, ensure_ascii=draw(st.booleans())).encode()
    return draw(st.sampled_from([raw] * 12 + [raw[:-1], raw + b"{}", b"[]", b"", b"\xff", None]))


def translated(value: bytes | None, table: dict[str, Any]) -> bytes | str | None:
    """The same as a record of our own topic, or why it is no page view; what cannot be read stays what it is."""
    if not value:
        return value
    try:
        event = json.loads(value)
    except ValueError:
        return b"{"
    if not isinstance(event, dict):
        return value
    found = {name: each for name, way in ways_of(table).items() if (each := at(event, way)) is not ...}
    ours = {"event_id": "none", **table["constants"]}
    ours |= {name: in_our_terms(name, each, table) for name, each in found.items()}
    if ours["event_id"] is None:
        ours["event_id"] = "none"
    return skipped(found, ours, table) or json.dumps(ours).encode()


def skipped(found: dict[str, Any], ours: dict[str, Any], table: dict[str, Any]) -> bytes | str:
    """Why a filter passes over the record, "" if none does; a record without what it looks at is not of the schema.

    One with a field of another type is not either; our own schema finds that, except in what our topic has not.
    """
    without = {name: each for name, each in found.items() if each is None and name in (*REQUIRED, "method")}
    filters = [name for name in ("article_pattern", "other_types") if name in table]
    if not filters:
        return ""
    if not isinstance(found.get("method", ""), str | type(None)) or is_rejected(
        {**ours, **dict.fromkeys(without, ...)}
    ):
        return b"[]"
    if "article_pattern" in table and "method" in table["fields"]:
        if found.get("method") is None:
            return b"[]"
        if found["method"] != "GET":
            return "method"
    if "other_types" in table:
        kind = found.get("event_type", table["constants"].get("event_type"))
        if kind is None:
            return b"[]"
        if kind not in (*table["event_types"], table["constants"].get("event_type")):
            return "event_type"
    if "article_pattern" in table:
        if not isinstance(ours.get("article_id"), str):
            return b"[]"
        match = re.search(table["article_pattern"], ours["article_id"])
        if match is None or not match[1]:
            return "pattern"
        ours["article_id"] = match[1]
    return ""


def is_rejected(ours: dict[str, Any]) -> bool:
    """Whether our own topic would reject one of these fields by its type; `...` and what is absent are sound."""
    sound = {"event_id": "e", "event_type": "view", "site_id": "demo", "article_id": "a", "occurred_at": NOW_MS}
    given = sound | {name: each for name, each in ours.items() if each is not ... and name != "method"}
    value = json.dumps(given).encode()
    return [one.reason for one in PLAIN([Given(0, NOW_MS, None, value)]).rejected] == ["schema"]


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
    ours = [translated(value, table) for value in foreign]
    views = [Given(offset, NOW_MS, None, one) for offset, one in enumerate(ours) if not isinstance(one, str)]
    expected = plain(views) if views else PartialCounts()
    assert found.counts == expected.counts
    assert found.skipped == Counter(one for one in ours if isinstance(one, str))
    assert (found.late, found.future) == (expected.late, expected.future)
    assert [one.offset for one in found.rejected] == [one.offset for one in expected.rejected]
    for one, other in zip(found.rejected, expected.rejected, strict=True):
        # if a record breaks off, a fault of a field before that is found first
        cut_short = other.reason == "malformed" and one.reason == "schema"
        assert one.reason == other.reason or cut_short
        assert one.value == foreign[one.offset]
