"""Values in Avro whose schemas are kept in a registry, read by the schema that each one names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import fastavro

from ranker.recount.events import Invalid

_UNITS = {"timestamp-millis": "ms", "timestamp-micros": "us", "timestamp-nanos": "ns"}


class Registered:
    """`time` is the way to the event's time, None if it is not in the value."""

    def __init__(self, schemas: Mapping[int, tuple[str, ...]], time: list[str | int] | None) -> None:
        self._schemas = schemas
        self._time = time
        self._parsed: dict[int, tuple[Any, str | None] | None] = {}

    def read(self, number: int, content: bytes) -> tuple[Any, str | None]:
        """The content, and the unit of its time if its schema says one. Raises Invalid."""
        if number not in self._parsed:
            self._parsed[number] = self._parse(self._schemas.get(number, ()))
        parsed = self._parsed[number]
        if parsed is None:
            raise Invalid(f"schema {number}")
        data = io.BytesIO(content)
        try:
            found = fastavro.schemaless_reader(data, parsed[0], None)
        except Exception as error:  # whatever the bytes make the reader do
            raise Invalid("no Avro of this schema") from error
        if data.read(1):
            raise Invalid("more than its schema says")
        return found, parsed[1]

    def _parse(self, texts: tuple[str, ...]) -> tuple[Any, str | None] | None:
        """None if the registry has no such schema, or none of Avro."""
        if not texts:
            return None
        types: dict[str, Any] = {}
        known: dict[str, Any] = {}
        try:
            for text in texts:
                schema = json.loads(text)
                for name, each in _types(schema, ""):
                    types[name] = each if types.get(name, each) == each else "of two"
                parsed = fastavro.parse_schema(json.loads(text, object_hook=_without_meaning), named_schemas=known)
        except Exception:  # what is no schema of Avro
            return None
        units = (
            set() if self._time is None else {_UNITS.get(each or "") for each in _meanings(schema, self._time, types)}
        )
        return parsed, units.pop() if len(units) == 1 else None


def _without_meaning(found: dict[str, Any]) -> dict[str, Any]:
    """A schema without logical types: dates and decimals that nobody reads may be anything."""
    return {name: each for name, each in found.items() if name != "logicalType"}


def _types(schema: Any, space: str) -> Iterator[tuple[str, Any]]:
    """Every named type in a schema, by its whole name and by the last part of it."""
    if isinstance(schema, list):
        for each in schema:
            yield from _types(each, space)
    elif isinstance(schema, dict):
        if schema.get("type") in ("record", "error", "enum", "fixed"):
            outer, _, last = schema["name"].rpartition(".")
            space = outer or schema.get("namespace", space)
            yield last, schema
            if space:
                yield f"{space}.{last}", schema
        inner = [field["type"] for field in schema.get("fields", ())]
        for each in (*inner, *(schema.get(key) for key in ("type", "items", "values"))):
            yield from _types(each, space)


def _meanings(schema: Any, way: list[str | int], types: Mapping[str, Any]) -> Iterator[str | None]:
    """The logical types of all that can stand at the end of a way."""
    if isinstance(schema, list):
        for each in schema:
            yield from _meanings(each, way, types)
    elif isinstance(schema, str):
        if schema in types:
            yield from _meanings(types[schema], way, types)
        elif not way and schema != "null":
            yield None
    elif isinstance(schema.get("type"), dict | list):
        yield from _meanings(schema["type"], way, types)
    elif not way:
        yield schema.get("logicalType")
    elif isinstance(way[0], int):
        if schema["type"] == "array":
            yield from _meanings(schema["items"], way[1:], types)
    elif schema["type"] == "map":
        yield from _meanings(schema["values"], way[1:], types)
    else:
        for field in schema.get("fields", ()):
            if field["name"] == way[0]:
                yield from _meanings(field["type"], way[1:], types)
