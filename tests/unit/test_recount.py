"""Whatever is changed in a shard or in its log, the second count names it, and hardly anything beside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from ranker.core.floors import floors_at
from ranker.core.generation import Generation, Window
from ranker.core.rules import Rules
from ranker.recount.pieces import Difference
from tests.support import folded_shard, recount_pieces
from tests.support.recount import Raw, home
from tests.support.recount_pieces import Dump

MINUTE, HOUR, PARTITIONS = 60_000, 3_600_000, 2
NOW = 500_000 * HOUR + 30 * MINUTE
GENERATION = Generation(
    "page-views",
    (Window("hour", HOUR, 10 * MINUTE), Window("day", 6 * HOUR, HOUR)),
    {"read": {"view": 1}, "engaged": {"view": 1, "share": 3}},
    lanes=4,
    rules=Rules("duplicate@1", "internal@1", "unique_item@counter-5.1", ("view",), HOUR, HOUR, 1_000),
)
FLOORS = floors_at(GENERATION, NOW)
DEFINITION = recount_pieces.definition_of(GENERATION)
NOW_SLICE, COARSE = "slice:0:3000003", "slice:1:499997"


def event(offset: int, minutes_ago: int = 0, **more: Any) -> Raw:
    fields = {"event_id": f"e{offset}", "event_type": "view", "site_id": "s", "article_id": "a"}
    value = {**fields, "occurred_at": NOW - minutes_ago * MINUTE, **more}
    return Raw(offset, NOW, b"s/a", json.dumps(value).encode())


LOG = (
    event(0),
    event(1, article_id="b", repeat_key="u"),
    event(2, article_id="b", event_type="share"),
    event(3, minutes_ago=25),
    event(4, minutes_ago=200),
    event(5, minutes_ago=200, article_id="b", agent_class="bot"),
    event(6, article_id="stray", value=3),
)
DUMP = asyncio.run(folded_shard.dump(GENERATION, LOG, 0, len(LOG), FLOORS, partitions=PARTITIONS))
BUCKET = f"remembered:{NOW // HOUR}"


def is_stray(site: str, article: str) -> bool:
    return home(site, article, PARTITIONS) != 0


def differences(dump: Dump, log: tuple[Raw, ...] = LOG) -> list[Difference]:
    pieces = recount_pieces.pieces(dump, DEFINITION, PARTITIONS)
    return list(recount_pieces.recounted(DEFINITION, pieces, log, is_stray).differences())


def tampered(change: Callable[[dict[str, Any]], Any]) -> list[Difference]:
    dump = deepcopy(DUMP)
    change(dump)
    return differences(dump)


def test_a_right_shard_has_no_difference() -> None:
    assert differences(DUMP) == []


def test_what_is_compared_is_counted_and_nothing_is_unchecked() -> None:
    pieces = recount_pieces.pieces(DUMP, DEFINITION, PARTITIONS)
    recount = recount_pieces.recounted(DEFINITION, pieces, LOG, is_stray)
    assert list(recount.differences()) == []
    assert (recount.records, recount.dead, recount.unchecked()) == (7, 0, [])
    assert recount.compared > 25


def exchange(name: str, number: int, old: bytes, new: bytes) -> Callable[[dict[str, Any]], None]:
    """With other bytes in one delta of a slice."""

    def change(dump: dict[str, Any]) -> None:
        assert old in dump[name][number]
        dump[name][number] = dump[name][number].replace(old, new, 1)

    return change


def put(name: str, field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """With another value in a hash or a sorted set; None: without it."""

    def change(dump: dict[str, Any]) -> None:
        assert dump[name].pop(field, None) is not None or value is not None
        if value is not None:
            dump[name][field] = value

    return change


def without(name: str, member: str) -> Callable[[dict[str, Any]], None]:
    return lambda dump: dump[name].remove(member)


def keys(change: Callable[[bytes], bytes]) -> Callable[[dict[str, Any]], None]:
    """With other keys that rules remember."""

    def changed(dump: dict[str, Any]) -> None:
        dump[BUCKET] = [change(b"".join(dump[BUCKET]))]

    return changed


_NOW, _COARSE_NAME = "slice hour:3000003", "slice day:499997"
_REMEMBERED = f"what rules remember, bucket {NOW // HOUR}"
CASES: dict[str, tuple[Callable[[dict[str, Any]], Any], list[Difference]]] = {
    "a count in an open slice": (
        exchange(NOW_SLICE, 0, b"\xa1a\x01", b"\xa1a\x05"),
        [Difference(f"{_NOW}, view", "s", "a", "5", "1")],
    ),
    "a count of dropped events": (
        exchange(COARSE, 0, b"\xa1b\x01", b"\xa1b\x02"),
        [Difference(f"{_COARSE_NAME}, !bot", "s", "b", "2", "1")],
    ),
    "an article of a slice": (
        exchange(NOW_SLICE, 0, b"\xa1a\x01", b"\xa1c\x01"),
        [Difference(f"{_NOW}, view", "s", "a", "0", "1"), Difference(f"{_NOW}, view", "s", "c", "1", "0")],
    ),
    "a delta that is gone": (
        lambda dump: dump[NOW_SLICE].pop(),
        [Difference(f"{_NOW}, view", "s", "stray", "0", "3")],
    ),
    "a slice that is gone": (
        lambda dump: dump.pop(COARSE),
        [
            Difference(f"{_COARSE_NAME}, !bot", "s", "b", "0", "1"),
            Difference(f"{_COARSE_NAME}, view", "s", "a", "0", "1"),
        ],
    ),
    "a count in a list": (
        put("total:hour:s:read", "a", 4),
        [Difference("list read/hour", "s", "a", "4", "2")],
    ),
    "an article that a list lacks": (
        put("total:day:s:engaged", "b", None),
        [Difference("list engaged/day", "s", "b", "0", "4")],
    ),
    "an article that a list should not have": (
        put("total:day:s:engaged", "x", 9),
        [Difference("list engaged/day", "s", "x", "9", "0")],
    ),
    "a sum": (put("sums", "s:day:view", 8), [Difference("sum of view in day", "s", "", "8", "7")]),
    "a sum that is gone": (put("sums", "s:day:!bot", None), [Difference("sum of !bot in day", "s", "", "0", "1")]),
    "a sum of a site that there is not": (
        put("sums", "x:day:view", 1),
        [Difference("sum of view in day", "x", "", "1", "0")],
    ),
    "a stray that is not marked": (
        without("strays", "s/stray"),
        [Difference("strays", "s", "stray", "not marked", "counted here")],
    ),
    "a slice that the index lacks": (
        without("slices", "1:499997"),
        [Difference("index of slices, 1:499997", "", "", "not named", "2 counts")],
    ),
    "a site that the index lacks": (
        without("sites", "s"),
        [Difference("index of sites", "s", "", "not named", "counted")],
    ),
    "a key that is gone": (
        keys(lambda some: some[8:]),
        [Difference(_REMEMBERED, "", "", "5 keys, 0 unknown to the log", "6 keys, 1 lost")],
    ),
    "a key that is not of this log": (
        keys(lambda some: some + b"unheard!"),
        [Difference(_REMEMBERED, "", "", "7 keys, 1 unknown to the log", "6 keys, 0 lost")],
    ),
    "a key that is another": (
        keys(lambda some: b"unheard!" + some[8:]),
        [Difference(_REMEMBERED, "", "", "6 keys, 1 unknown to the log", "6 keys, 1 lost")],
    ),
    "a key that stands twice": (
        keys(lambda some: some + some[:8]),
        [Difference(_REMEMBERED, "", "", "1 keys twice", "each once")],
    ),
    "half a key": (
        keys(lambda some: some[:-3]),
        [
            Difference(_REMEMBERED, "", "", "45 bytes", "keys of 8 bytes"),
            Difference(_REMEMBERED, "", "", "6 keys, 1 unknown to the log", "6 keys, 1 lost"),
        ],
    ),
    "a bucket that the index lacks": (
        without("buckets", str(NOW // HOUR)),
        [Difference(f"index of what rules remember, bucket {NOW // HOUR}", "", "", "not named", "6 keys")],
    ),
    "a bucket that there is not": (
        lambda dump: dump["buckets"].add(str(NOW // HOUR + 1)),
        [Difference(f"index of what rules remember, bucket {NOW // HOUR + 1}", "", "", "named", "nothing")],
    ),
    "the latest event time": (
        put("meta", "latest_ms", str(NOW + 1)),
        [Difference("what rules go by: latest event time", "", "", str(NOW + 1), str(NOW))],
    ),
    "the first bucket": (
        put("meta", "first", str(NOW // HOUR + 1)),
        [Difference("what rules go by: first bucket that was not given up", "", "", str(NOW // HOUR + 1), "0")],
    ),
    "the last counted record": (
        put("meta", "last", f"6:{NOW}:1"),
        [Difference("last counted record", "", "", f"6:{NOW}:1", DUMP["meta"]["last"])],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_changed_in_redis_is_named_and_nothing_else(name: str) -> None:
    change, expected = CASES[name]
    assert tampered(change) == expected


@pytest.mark.parametrize(
    ("delta", "why"),
    [
        (lambda delta: delta[:-1], "DecodeError"),
        (lambda delta: b"\x01" + delta[1:], "error: Error -3"),
        (lambda delta: b"\x07" + delta[1:], "a delta starts with byte b'\\x07'"),
        (lambda _: b"", "DecodeError"),
        (lambda _: b"\x00\x93\x01\x02\x03", "AttributeError"),
        (lambda _: b"\x02" + DUMP[NOW_SLICE][0][1:], "error: Error -3"),
    ],
)
def test_a_slice_that_cannot_be_read_is_named(delta: Callable[[bytes], bytes], why: str) -> None:
    """Cut off, of another format, or no counts at all: one line, not one for each count."""
    (found,) = tampered(lambda dump: dump[NOW_SLICE].__setitem__(0, delta(dump[NOW_SLICE][0])))
    assert (found.what, found.log) == (_NOW, "4 counts")
    assert found.redis.startswith("cannot be read: ")
    assert why in found.redis


@pytest.mark.parametrize("tier", [0, 1])
@pytest.mark.parametrize("slices", [-1, 1])
def test_a_floor_that_was_moved_is_seen_in_lists_and_sums(tier: int, slices: int) -> None:
    """Down, counts that have left the list are missing; up, the list holds counts that have left."""
    oldest = NOW - (HOUR, 6 * HOUR)[tier] + MINUTE
    times = enumerate((oldest, oldest - HOUR), len(LOG))
    log = (*LOG, *(event(offset, article_id="c", occurred_at=at)._replace(timestamp=at) for offset, at in times))
    before = asyncio.run(folded_shard.dump(GENERATION, log, 0, len(log), FLOORS, partitions=PARTITIONS))
    assert differences(before, log) == []
    floors = list(FLOORS)
    floors[tier] += slices * GENERATION.lanes * (6 if tier == 0 else 1)
    before["meta"]["floors"] = ",".join(map(str, floors))
    found = differences(before, log)
    assert f"list read/{('hour', 'day')[tier]}" in {one.what for one in found}
    assert {one.article for one in found} <= {"", "a", "b", "c"}


@pytest.mark.parametrize(
    ("offset", "change", "named"),
    [
        (0, {"article_id": "c"}, {("list read/hour", "a"), ("list read/hour", "c"), (f"{_NOW}, view", "c")}),
        (0, {"occurred_at": NOW - 200 * MINUTE}, {("list read/hour", "a"), (f"{_COARSE_NAME}, view", "a")}),
        (0, {"value": 2}, {("list read/hour", "a"), ("sum of view in day", "")}),
        (0, {"value": 0}, {("list read/hour", "a"), ("sum of view in day", "")}),
        (0, {"event_type": "share"}, {("list engaged/hour", "a"), ("sum of share in hour", "")}),
        (0, {"event_id": "another"}, {(_REMEMBERED, "")}),
        (1, {"repeat_key": "v"}, {(_REMEMBERED, "")}),
        (0, {"agent_class": "internal"}, {("sum of !internal in hour", ""), (f"{_NOW}, !internal", "a")}),
        (0, None, {("list read/hour", "a"), (_REMEMBERED, "")}),
        (6, {"value": 4}, {("last counted record", ""), ("list read/day", "stray")}),
        (6, None, {("last counted record", ""), ("list read/day", "stray")}),
    ],
)
def test_a_record_that_was_altered_is_seen(offset: int, change: dict[str, Any] | None, named: set[Any]) -> None:
    """In a copied log: another article, time, value, type, id, reader or class; None: the record is missing."""
    log = list(LOG)
    if change is None:
        del log[offset]
    else:
        log[offset] = LOG[offset]._replace(value=json.dumps(json.loads(LOG[offset].value or b"") | change).encode())
    found = {(one.what, one.article) for one in differences(DUMP, tuple(log))}
    assert named <= found
    assert ("last counted record", "") not in found or offset == 6


def test_a_rule_that_was_switched_is_seen() -> None:
    """By the definition without it: what the shard has dropped counts in the log."""
    other = recount_pieces.definition_of(msgspec.structs.replace(GENERATION, bots="count"))
    pieces = recount_pieces.pieces(DUMP, other, PARTITIONS)
    found = list(recount_pieces.recounted(other, pieces, LOG, is_stray).differences())
    assert Difference("list read/day", "s", "b", "1", "2") in found
    assert Difference("sum of !bot in day", "s", "", "1", "0") in found
