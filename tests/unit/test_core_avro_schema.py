"""Schemas of Avro beyond one record: unions, names, types that hold themselves. Both counts, and bytes by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ranker.core.avro_schema import MOST_LEVELS
from ranker.core.framed import AvroValues, UnreadableValueError
from ranker.recount.events import Invalid
from ranker.recount.registered import Registered

Read = Callable[[tuple[object, ...], bytes], Any]
VIEW: dict[str, Any] = {
    "type": "record",
    "name": "com.x.View",
    "fields": [{"name": "path", "type": "string"}, {"name": "at", "type": {"type": "long", "logicalType": "date"}}],
}
CLICK: dict[str, Any] = {"type": "record", "name": "com.x.Click", "fields": [{"name": "button", "type": "long"}]}
COMMENT = {
    "type": "record",
    "name": "com.x.Comment",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "mood", "type": {"type": "enum", "name": "Mood", "symbols": ["calm", "cross"]}},
        {"name": "replies", "type": {"type": "array", "items": "Comment"}},
    ],
}
NOTHING: dict[str, Any] = {"type": "record", "name": "Nothing", "fields": [{"name": "x", "type": "null"}]}
_BOMB = b"\x80\xb4\x89\x13\x00"
"""A list of 20 million, and its end."""


class Refused(Exception):  # noqa: N818  # of either reader
    pass


def counted(schemas: tuple[object, ...], content: bytes) -> Any:
    try:
        return AvroValues({7: tuple(map(json.dumps, schemas))}, None)(b"\0\0\0\0\7" + content)[0]
    except msgspec.ValidationError as error:
        raise Refused(str(error)) from error


def recounted(schemas: tuple[object, ...], content: bytes) -> Any:
    try:
        return Registered({7: tuple(map(json.dumps, schemas))}, None).read(7, content)[0]
    except Invalid as error:
        raise Refused(str(error)) from error


READERS = pytest.mark.parametrize("read", [counted, recounted])


def comment(levels: int) -> bytes:
    """So many comments within each other."""
    return b"\x02a\x02" + (b"\x02" + comment(levels - 1) if levels > 1 else b"") + b"\x00"


@READERS
def test_a_union_of_what_other_schemas_define(read: Read) -> None:
    """Confluent's way to have several types of event in one topic."""
    schemas = (VIEW, CLICK, ["com.x.View", "com.x.Click"])
    assert read(schemas, b"\x00\x04/a\x0a") == {"path": "/a", "at": 5}
    assert read(schemas, b"\x02\x0a") == {"button": 5}
    with pytest.raises(Refused):
        read(schemas, b"\x04\x0a")


@READERS
def test_a_name_alone(read: Read) -> None:
    assert read((VIEW, "com.x.View"), b"\x04/a\x0a") == {"path": "/a", "at": 5}
    assert read(("string",), b"\x04/a") == "/a"


@pytest.mark.parametrize("last", [["null", "com.x.View"], "com.x.View"])
def test_the_unit_of_a_time_in_them(last: object) -> None:
    moment = {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}
    texts = tuple(map(json.dumps, ({**VIEW, "fields": [moment]}, last)))
    content = b"\x02\x0a" if isinstance(last, list) else b"\x0a"
    assert AvroValues({7: texts}, ("at",))(b"\0\0\0\0\7" + content) == ({"at": 5}, "us")
    assert Registered({7: texts}, ["at"]).read(7, content) == ({"at": 5}, "us")


@READERS
def test_what_holds_itself_is_read_down_to_a_level(read: Read) -> None:
    def depth(found: Any) -> int:
        return 1 + (depth(found["replies"][0]) if found["replies"] else 0)

    found = read((COMMENT,), comment(2))
    assert found == {"text": "a", "mood": "cross", "replies": [{"text": "a", "mood": "cross", "replies": []}]}
    assert depth(read((COMMENT,), comment(MOST_LEVELS))) == MOST_LEVELS
    with pytest.raises(Refused):
        read((COMMENT,), comment(MOST_LEVELS + 1))
    holder = {"type": "record", "name": "Page", "fields": [{"name": "first", "type": ["null", "com.x.Comment"]}]}
    assert read((COMMENT, holder), b"\x02" + comment(1))["first"]["mood"] == "cross"


@pytest.mark.parametrize("reader", ["counted", "recounted"])
def test_a_value_that_is_nested_without_end_kills_no_process(reader: str) -> None:
    """The reader in C recurses: 5,000 levels, 20 KB, were a segmentation fault."""
    program = f"""
        from tests.unit.test_core_avro_schema import COMMENT, Refused, {reader}
        for content in (b"\\x02a\\x00\\x02" * 100_000, b"\\x02a\\x00\\x02" * 5_000 + b"\\x00" * 5_000):
            try:
                {reader}((COMMENT,), content)
            except Refused:
                print("refused")
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "refused\nrefused\n", "")


def test_it_says_how_deep_may_be() -> None:
    with pytest.raises(Refused, match="schema 7, or hold more than 64 records within each other"):
        counted((COMMENT,), comment(65))


@READERS
@pytest.mark.parametrize(
    ("begin", "schemas", "end"),
    [
        (b"", ({"type": "array", "items": "null"},), b""),
        (b"", ({"type": "array", "items": {"type": "null"}},), b""),
        (b"", ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}},), b""),
        (b"", ({"type": "array", "items": NOTHING},), b""),
        (
            b"\x02\x02k\x02",
            (NOTHING, {"type": "map", "values": ["int", {"type": "array", "items": "Nothing"}]}),
            b"\x00",
        ),
        (
            b"",
            (
                {"type": "record", "name": "Outer", "fields": [{"name": "n", "type": NOTHING}]},
                {"type": "record", "name": "R", "fields": [{"name": "v", "type": {"type": "array", "items": "Outer"}}]},
            ),
            b"",
        ),
    ],
)
def test_lists_of_nothing_are_not_read(read: Read, begin: bytes, schemas: tuple[object, ...], end: bytes) -> None:
    """Four bytes of count were 20 million items: 6 s and 1.4 GB."""
    with pytest.raises(Refused):
        read(schemas, begin + _BOMB + end)


@READERS
def test_what_takes_no_bytes_may_stand_elsewhere(read: Read) -> None:
    assert read((NOTHING,), b"") == {"x": None}
    assert read((NOTHING, {"type": "map", "values": "Nothing"}), b"\x02\x02k\x00") == {"k": {"x": None}}
    assert read(({"type": "array", "items": ["null", "int"]},), b"\x02\x00\x00") == [None]


def test_it_says_why_a_list_is_not_read() -> None:
    with pytest.raises(Refused, match=r"schema 7 of the registry cannot be read as Avro .* items take no bytes"):
        counted(({"type": "array", "items": "null"},), _BOMB)


def test_a_schema_that_comes_later_is_read() -> None:
    """That it was not there is not remembered, in neither count."""
    schemas: dict[int, tuple[str, ...]] = {7: ()}
    counting, recounting = AvroValues(schemas, None), Registered(schemas, None)
    with pytest.raises(UnreadableValueError):
        counting(b"\0\0\0\0\7\x02a")
    with pytest.raises(Invalid):
        recounting.read(7, b"\x02a")
    schemas[7] = ('"string"',)
    assert counting(b"\0\0\0\0\7\x02a") == recounting.read(7, b"\x02a") == ("a", None)
