"""Values in Avro whose schemas are kept in a registry, read by the schema that each one names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import fastavro

from ranker.recount.events import Invalid

_DEEPEST = 64
_UNITS = {"timestamp-millis": "ms", "timestamp-micros": "us", "timestamp-nanos": "ns"}


class Registered:
    """`time` is the way to the event's time, None if it is not in the value."""

    def __init__(self, schemas: Mapping[int, tuple[str, ...]], time: list[str | int] | None) -> None:
        self._schemas = schemas
        self._time = time
        self._parsed: dict[int, tuple[Any, str | None] | None] = {}

    def read(self, number: int, content: bytes) -> tuple[Any, str | None]:
        """The content, and the unit of its time if its schema says one. Raises Invalid."""
        if not self._schemas.get(number):  # it may be there later
            raise Invalid(f"schema {number}")
        if number not in self._parsed:
            self._parsed[number] = self._parse(self._schemas[number])
        parsed = self._parsed[number]
        if parsed is None:
            raise Invalid(f"schema {number}")
        data = io.BytesIO(content)
        try:
            found: Any = fastavro.schemaless_reader(data, parsed[0], None)
        except Exception as error:  # whatever the bytes make the reader do
            raise Invalid("no Avro of this schema") from error
        if data.read(1):
            raise Invalid("more than its schema says")
        return found["it"], parsed[1]

    def _parse(self, texts: tuple[str, ...]) -> tuple[Any, str | None] | None:
        """None if it is none of Avro."""
        types: dict[str, Any] = {}
        known: dict[str, Any] = {}
        try:
            for text in texts:
                schema = json.loads(text)
                for name, each in _types(schema, ""):
                    types[name] = each if types.get(name, each) == each else "of two"
                plain = json.loads(text, object_hook=_without_meaning)
                if text is not texts[-1]:
                    fastavro.parse_schema(plain, named_schemas=known)
            parsed = _finite(fastavro.parse_schema(_holding(plain), named_schemas=known), known)
        except Exception:  # what is no schema of Avro, or is not read
            return None
        units = (
            set() if self._time is None else {_UNITS.get(each or "") for each in _meanings(schema, self._time, types)}
        )
        return parsed, units.pop() if len(units) == 1 else None


def _without_meaning(found: dict[str, Any]) -> dict[str, Any]:
    """A schema without logical types: dates and decimals that nobody reads may be anything."""
    return {name: each for name, each in found.items() if name != "logicalType"}


def _holding(schema: Any) -> dict[str, Any]:
    """Within a record, a union or a name that stands alone can be of what other schemas define."""
    return {"type": "record", "name": "Recounted", "fields": [{"name": "it", "type": schema}]}


def _finite(top: Any, known: Mapping[str, Any]) -> Any:
    """`top` itself, or as it is down to the 64th record within records if it would go on for ever.

    Raises Invalid for lists whose items take no bytes: nothing but their count would say how many there are.
    """
    shapes = {name: _Shape(each, known) for name, each in known.items()}
    if any(_is_nothing(items, shapes, ()) for shape in shapes.values() for items in shape.items):
        raise Invalid("items of nothing")
    depths = [{top["name"]}]
    while depths[-1] and len(depths) <= max(len(shapes), _DEEPEST + 1) + 1:
        depths.append({name for each in depths[-1] for name in shapes[each].names})
    if len(depths) <= len(shapes) + 1:
        return top
    copies: dict[str, Any] = {}
    for depth in range(_DEEPEST + 1, -1, -1):
        for name in depths[depth]:
            if depth <= _DEEPEST or "fields" not in shapes[name].schema:
                here = fastavro.parse_schema(shapes[name].at(depth), named_schemas=copies)
    return here


class _Shape:
    """One named type: the `names` that stand in it, and what its lists are of."""

    def __init__(self, schema: Any, known: Mapping[str, Any]) -> None:
        self.schema = schema
        self.names: set[str] = set()
        self.items: list[Any] = []
        self._known = known
        for field in schema.get("fields", ()):
            self._copied(field["type"], 0)

    def at(self, depth: int) -> dict[str, Any]:
        """A copy whose name and whose inner names say how deep they stand; at the deepest, nothing can stand in it."""
        schema = {**self.schema, "name": _renamed(self.schema["name"], depth)}
        schema.pop("aliases", None)
        if "fields" in schema:
            schema["fields"] = [
                {"name": field["name"], "type": self._copied(field["type"], depth + 1)} for field in schema["fields"]
            ]
        return schema

    def _copied(self, schema: Any, depth: int) -> Any:
        if isinstance(schema, list):
            return [self._copied(each, depth) for each in schema]
        name = schema if isinstance(schema, str) else schema.get("name")
        if name in self._known:
            self.names.add(name)
            return [] if depth > _DEEPEST and "fields" in self._known[name] else _renamed(name, depth)
        if isinstance(schema, str):
            return schema
        if schema["type"] == "array":
            self.items.append(schema["items"])
        inner = {key: self._copied(schema[key], depth) for key in ("items", "values") if key in schema}
        return {"type": schema["type"], **inner}


def _renamed(name: str, depth: int) -> str:
    return f"{name.replace('_', '__').replace('.', '_o_')}_at_{depth}"


def _is_nothing(schema: Any, shapes: Mapping[str, _Shape], outer: tuple[str, ...]) -> bool:
    """Whether a value of this type is no byte at all."""
    if isinstance(schema, list):
        return False
    name = schema if isinstance(schema, str) else schema.get("name", schema["type"])
    if name not in shapes or name in outer:
        return bool(name == "null")
    named = shapes[name].schema
    if named["type"] == "fixed":
        return bool(named["size"] == 0)
    return "fields" in named and all(_is_nothing(each["type"], shapes, (*outer, name)) for each in named["fields"])


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
