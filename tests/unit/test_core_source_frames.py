"""Values in a schema registry's frame: JSON and Avro, what their schemas say, and what is wrong with one."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest

from ranker.core.decoder import Decoder
from ranker.core.fold import Fold
from ranker.core.framed import schemas_of
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.periods import LATE_MS
from ranker.log.chunks import Chunk
from ranker.log.stretch import Part
from ranker.operate.period_counts import PeriodCounts, SitePeriod, _Partition
from tests.support import defaults
from tests.support.calendars import calendar
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import MINUTE_MS, NOW_MS, Given
from tests.support.registry import framed

BASE: dict[str, Any] = {
    "format": "avro",
    "fields": {"article_id": "page.path", "occurred_at": "at"},
    "constants": {"site_id": "demo", "event_type": "view"},
}
MINUTE = NOW_MS // MINUTE_MS


def hit(path: object = "string", at: object = "long", **more: object) -> dict[str, Any]:
    page = {"type": "record", "name": "Page", "fields": [{"name": "path", "type": path}]}
    fields = [{"name": "page", "type": page}, {"name": "at", "type": at}]
    return {"type": "record", "name": "Hit", "namespace": "org.example", "fields": [*fields, *_fields(more)]}


def _fields(types: dict[str, object]) -> list[dict[str, object]]:
    return [{"name": name, "type": type_} for name, type_ in types.items()]


def folded(schema: dict[str, Any], record: object, before: tuple[object, ...] = (), **table: Any) -> PartialCounts:
    return of_bytes(framed(7, schema, record), schema, before, **table)


def of_bytes(value: bytes, schema: dict[str, Any], before: tuple[object, ...] = (), **table: Any) -> PartialCounts:
    source = defaults.source({**BASE, **table})
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source)
    texts = tuple(map(json.dumps, (*before, schema)))
    return Fold(generation, schemas={7: texts, 9: ()})([Given(0, NOW_MS, None, value)])


def counts(partial: PartialCounts) -> dict[str, int]:
    assert partial.rejected == []
    return {article: views for articles in partial.counts.values() for article, views in articles.items()}


def test_a_record_of_avro_counts() -> None:
    assert counts(folded(hit(), {"page": {"path": "/a"}, "at": NOW_MS})) == {"/a": 1}


@pytest.mark.parametrize(
    ("logical", "times", "time"),
    [
        ("timestamp-millis", 1, "s"),
        ("timestamp-micros", 1_000, "ms"),
        ("timestamp-nanos", 1_000_000, "rfc3339"),
        ("none", 1_000, "us"),
        (None, 1, "ms"),
    ],
)
def test_a_schema_says_the_unit_of_its_time(logical: str | None, times: int, time: str) -> None:
    """Whatever `time` says; without a logical type, or with one that is no moment, it is `time`."""
    plain: dict[str, Any] = {"type": "long"} | ({"logicalType": logical} if logical else {})
    for at in (plain, ["null", plain]):
        partial = folded(hit(at=at), {"page": {"path": "/a"}, "at": NOW_MS * times + times - 1}, time=time)
        assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 1}}


def test_a_unit_is_found_through_names() -> None:
    """In a record that another schema defines, in a list, and in a map."""
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    outer = {"type": "record", "name": "org.example.When", "fields": [{"name": "t", "type": ["null", moment]}]}
    schema: dict[str, Any] = {
        "type": "record",
        "name": "Hit",
        "namespace": "org.example",
        "fields": _fields({"page": {"type": "map", "values": "string"}, "at": {"type": "array", "items": "When"}}),
    }
    whole = {
        **schema,
        "fields": _fields({"page": schema["fields"][0]["type"], "at": {"type": "array", "items": outer}}),
    }
    value = framed(7, whole, {"page": {"path": "/a"}, "at": [{"t": NOW_MS * 1000}]})
    fields = {"article_id": "page.path", "occurred_at": "at.0.t"}
    assert counts(of_bytes(value, schema, (outer,), fields=fields)) == {"/a": 1}


def test_what_is_absent_is_null_in_avro() -> None:
    """An optional field with a union of null has our default; a required one makes a dead letter."""
    schema = hit(
        who=["null", "string"],
        n=["null", "int"],
        site=["null", "string"],
        user=["null", hit()["fields"][0]["type"] | {"name": "U"}],
    )
    fields = {**BASE["fields"], "agent_class": "who", "value": "n", "site_id": "site", "visitor_id": "user.path"}
    null = {"page": {"path": "/a"}, "at": NOW_MS, "who": None, "n": None, "site": None, "user": None}
    assert folded(schema, null, fields=fields).counts == {(MINUTE, "demo", "view"): {"/a": 1}}
    said = {**null, "who": "bot", "n": 3, "site": "it", "user": {"path": "v"}}
    assert folded(schema, said, fields=fields).counts == {(MINUTE, "it", "!bot"): {"/a": 3}}
    (letter,) = folded(hit(path=["null", "string"]), {"page": {"path": None}, "at": NOW_MS}).rejected
    assert letter.reason == "schema"


def test_enums_and_numbers_are_names() -> None:
    kind = {"type": "enum", "name": "Kind", "symbols": ["PAGE", "CLICK"]}
    fields = {**BASE["fields"], "event_type": "kind"}
    table: dict[str, Any] = {
        "fields": fields,
        "constants": {"site_id": "demo"},
        "event_types": {"PAGE": "view"},
        "other_types": "skip",
    }
    schema = hit(path="long", kind=kind)
    assert counts(folded(schema, {"page": {"path": 17}, "at": NOW_MS, "kind": "PAGE"}, **table)) == {"17": 1}
    assert folded(schema, {"page": {"path": 17}, "at": NOW_MS, "kind": "CLICK"}, **table).skipped == {"event_type": 1}


def test_what_nobody_reads_may_be_anything() -> None:
    """Dates that Python cannot have, decimals, bytes, trees."""
    tree = {"type": "record", "name": "Tree", "fields": [{"name": "next", "type": ["null", "Tree"]}]}
    schema = hit(
        day={"type": "int", "logicalType": "date"},
        much={"type": "bytes", "logicalType": "decimal", "precision": 4},
        tree=tree,
        later={"type": "long", "logicalType": "timestamp-micros"},
    )
    record = {"page": {"path": "/a"}, "at": NOW_MS, "much": b"\1", "tree": {"next": {"next": None}}}
    plain = json.loads(json.dumps(schema).replace('"logicalType"', '"was"'))
    value = framed(7, plain, {**record, "day": 2**31 - 1, "later": 2**63 - 1})
    assert counts(of_bytes(value, schema)) == {"/a": 1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{}", "magic_byte"),
        (b"\1\0\0\0\7x", "magic_byte"),
        (b"\0\0\0\7", "magic_byte"),
        (b"", "empty"),
        (None, "empty"),
        (b"\0\0\0\0\x08x", "unknown_schema"),
        (b"\0\0\0\0\x09x", "unknown_schema"),
        (b"\0\0\0\0\7", "schema"),
        (b"\0\0\0\0\7\x04/", "schema"),
        (framed(7, hit(), {"page": {"path": "/a"}, "at": NOW_MS}) + b"x", "schema"),
    ],
)
def test_each_dead_letter_has_its_reason(value: bytes | None, reason: str) -> None:
    (letter,) = of_bytes(value, hit()).rejected  # type: ignore[arg-type]
    assert (letter.reason, letter.value) == (reason, value)


@pytest.mark.parametrize("schema", ["[", '{"type": "object"}', "{}", '"Gone"', "null"])
def test_a_schema_that_is_none_makes_dead_letters(schema: str) -> None:
    source = defaults.source(BASE)
    decoder = Decoder(source, {7: (schema,)})
    form = decoder.fault(b"\0\0\0\0\7x")
    assert form is not None
    assert "schema 7" in form.what or "Expected" in form.what


def test_a_time_that_is_no_number_is_a_dead_letter() -> None:
    """Avro has NaN and infinities; JSON has not."""
    for at in (math.nan, math.inf, -math.inf):
        (letter,) = folded(hit(at="double"), {"page": {"path": "/a"}, "at": at}, time="s").rejected
        assert letter.reason == "schema"


@pytest.mark.parametrize(
    ("value", "what", "fix"),
    [
        (b'{"page":{}}', "begins with the byte 123", "leave out format in [source]"),
        (b"\1\0\0\0\7x", "not with the byte 0", "the topic's other records' format"),
        (b"\0\0\0\0\x08x", "has no schema 8", "RANKER_REGISTRY_URL"),
        (bytes(8) + b"\7some value", "has no schema 0", "write four bytes of id"),
        (b"\0\0\0\0\7\x04/", "the bytes are not those of schema 7", ""),
        (framed(7, hit(path=["null", "string"]), {"page": {"path": None}, "at": 1}), "at `$.page.path`", ""),
    ],
)
def test_a_fault_is_said_with_its_place(value: bytes, what: str, fix: str) -> None:
    """As `ranker check` and `ranker dead show` say it."""
    form = Decoder(defaults.source(BASE), {7: (json.dumps(hit(path=["null", "string"])),)}).fault(value)
    assert form is not None
    assert what in form.what
    assert fix in form.fix


def test_a_schema_that_a_header_names_is_said() -> None:
    """Newer serializers may write it there."""
    record = Given(0, NOW_MS, None, b"\4/a", (("__value_schema_id", b"\1" + bytes(16)),))
    form = Decoder(defaults.source(BASE), {}).fault(b"\4/a", record)
    assert form is not None
    assert "the header __value_schema_id: have its number written before the value" in form.fix


def test_json_in_a_frame() -> None:
    """Its schema is not needed: JSON says its own names."""
    table = {**BASE, "format": "json-schema"}
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(table))
    event = json.dumps({"page": {"path": "/a"}, "at": NOW_MS}).encode()
    values = [b"\0\0\1\0\7" + event, event, b"\1\0\0\0\7" + event, b"\0\0\0\0\7{", b"\0\0\0\0\7"]
    partial = Fold(generation)([Given(offset, NOW_MS, None, value) for offset, value in enumerate(values)])
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 1}}
    assert [one.reason for one in partial.rejected] == ["magic_byte", "magic_byte", "malformed", "malformed"]


def test_periods_are_counted_of_avro() -> None:
    """By the schemas that the reader of the log has fetched before it hands out a chunk."""
    schemas = {7: (json.dumps(hit()),)}
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(BASE))
    days = calendar("UTC")
    one = SitePeriod("demo", days, days.period("day", date(2024, 10, 4)))
    found = PeriodCounts()
    end_ms = days.closes_ms(one.period) + LATE_MS
    value = framed(7, hit(), {"page": {"path": "/a"}, "at": one.period.from_ms + 1})
    records = [Given(0, one.period.from_ms + 2, None, value), Given(1, end_ms, None, b"")]
    partition = _Partition(generation, [one], [found], Part(0, 0, 2), end_ms + 1, schemas)
    assert partition.take(Chunk(0, 2, records))
    assert (found.outcomes, found.lists["read"]) == ({"view": 1}, {"/a": 1})


def test_the_schemas_that_values_need() -> None:
    assert schemas_of([b"\0\0\0\1\2x", b"\0\0\0\1\2", None, b"", b"{}", b"\1\0\0\0\3"]) == {258}
