"""Schemas of Avro, made such that no value costs more than its bytes, and the unit that one says of a time."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import fastavro

from ranker.core.paths import Part

VALUE = "value"
"""The field that holds what is read, in a record of ours."""
MOST_LEVELS = 64
"""So many records may stand within each other if one of them holds itself."""
_ROOT = "_RankerValue"
_UNITS = {"timestamp-millis": "ms", "timestamp-micros": "us", "timestamp-nanos": "ns"}
"""Logical types to the units of core/decoder.py."""
_NOTHING: list[Any] = []
"""A union of no types: fastavro raises IndexError if it reads one."""
_Named = Mapping[str, Any]
"""Names to the definitions that fastavro has parsed: other types in them stand there by their full name, or whole."""


class Readable(NamedTuple):
    """A schema for fastavro; `levels`: it holds itself, and is read for so many levels."""

    parsed: Any
    levels: int | None


def readable(schemas: Iterable[Any]) -> Readable:
    """The last of these schemas, which may name what those before define, as that of a record with the field `VALUE`.

    Without the record, fastavro forgets such names in a union, or in a name that stands alone. Raises what fastavro
    does for what is no schema, and ValueError.
    """
    named: dict[str, Any] = {}
    *others, last = map(_plain, schemas)
    for other in others:
        fastavro.parse_schema(other, named_schemas=named)
    root = {"type": "record", "name": _ROOT, "fields": [{"name": VALUE, "type": last}]}
    parsed = fastavro.parse_schema(root, named_schemas=named)
    if _counts_nothing(named):
        raise ValueError("it has an array whose items take no bytes, so that a few bytes could be millions of them")
    try:
        graphlib.TopologicalSorter({name: set(_within(one)) for name, one in named.items()}).prepare()
    except graphlib.CycleError:
        return Readable(_levelled(named), MOST_LEVELS)
    return Readable(parsed, None)


def _plain(schema: Any) -> Any:
    """Without logical types: what is not read must not make a record unreadable, as a date of year 0 would."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if isinstance(schema, dict):
        return {key: one if key == "default" else _plain(one) for key, one in schema.items() if key != "logicalType"}
    return schema


def _inner(type_: Any) -> Iterator[Any]:
    """The types of which one consists."""
    if isinstance(type_, list):
        yield from type_
    elif isinstance(type_, dict):
        yield from (type_[key] for key in ("items", "values") if key in type_)
        yield from (field["type"] for field in type_.get("fields", ()))


def _within(type_: Any) -> Iterator[str]:
    """The names that stand in a type, without those that stand in what they name."""
    for inner in _inner(type_):
        if isinstance(inner, str):
            yield inner
        elif isinstance(inner, dict) and "name" in inner:
            yield inner["name"]
        else:
            yield from _within(inner)


def _counts_nothing(named: _Named) -> bool:
    """Whether an array has items that take no bytes."""
    empty = {"null"}

    def is_empty(type_: Any) -> bool:
        if isinstance(type_, dict):
            return type_.get("name", type_["type"]) in empty
        return isinstance(type_, str) and type_ in empty

    grown = True
    while grown:
        before = len(empty)
        for name, one in reversed(list(named.items())):  # what stands within a type was defined behind it
            if one.get("size") == 0 or (one.get("fields") is not None and all(map(is_empty, _inner(one)))):
                empty.add(name)
        grown = len(empty) > before

    def counts(type_: Any) -> bool:
        if isinstance(type_, dict) and type_["type"] == "array" and is_empty(type_["items"]):
            return True
        return any(map(counts, _inner(type_)))

    return any(map(counts, named.values()))


def _levelled(named: _Named) -> Any:
    """The same with a copy of each type for each level: fastavro's reader in C would recurse until the process dies."""
    numbers = {name: number for number, name in enumerate(named)}

    def at(type_: Any, level: int) -> Any:
        if isinstance(type_, list):
            return [at(one, level) for one in type_]
        name = type_.get("name") if isinstance(type_, dict) else type_
        if name in numbers:
            is_deeper = level > MOST_LEVELS and "fields" in named[name]
            return _NOTHING if is_deeper else f"N{numbers[name]}_{level}"
        if not isinstance(type_, dict):
            return type_
        return {key: at(one, level) if key in ("items", "values") else one for key, one in type_.items()}

    parsed: Any = None
    levels: dict[str, Any] = {}
    for level in range(MOST_LEVELS + 1, -1, -1):
        for name, one in named.items():
            if level > MOST_LEVELS and "fields" in one:
                continue
            made = {key: one[key] for key in ("type", "symbols", "size") if key in one}
            if "fields" in one:
                made["fields"] = [
                    {"name": field["name"], "type": at(field["type"], level + 1)} for field in one["fields"]
                ]
            copy = fastavro.parse_schema({**made, "name": at(name, level)}, named_schemas=levels)
            parsed = copy if name == _ROOT else parsed
    return parsed


def unit_of(schemas: list[Any], path: tuple[Part, ...]) -> str | None:
    """The unit that the last schema says of what stands at a path; None if it says none, or more than one."""
    named: dict[str, Any] = {}
    for schema in schemas:
        _collect(schema, "", named)
    found = {_UNITS.get(one.get("logicalType")) for one in _at([schemas[-1]], path, named)}
    return found.pop() if len(found) == 1 else None


def _collect(schema: Any, namespace: str, named: dict[str, Any]) -> None:
    """Named types by full and by short name: fastavro has seen to it that there are no others."""
    if isinstance(schema, list):
        for one in schema:
            _collect(one, namespace, named)
    elif isinstance(schema, dict):
        inner = namespace
        if schema.get("type") in ("record", "error", "enum", "fixed"):
            name = schema["name"]
            inner = name.rpartition(".")[0] or schema.get("namespace", namespace)
            short = name.rpartition(".")[2]
            named[f"{inner}.{short}" if inner else short] = schema
            named[short] = {} if named.get(short, schema) is not schema else schema  # of two, none is meant
        for key in ("items", "values"):
            _collect(schema.get(key), inner, named)
        for field in schema.get("fields", ()):
            _collect(field["type"], inner, named)
        if not isinstance(schema.get("type"), str):
            _collect(schema.get("type"), inner, named)


def _at(schemas: list[Any], path: tuple[Part, ...], named: dict[str, Any]) -> list[Any]:
    """The types that a path can lead to, those of unions each."""
    for part in path:
        inner: list[Any] = []
        for one in _resolved(schemas, named):
            if isinstance(part, int):
                inner += [one["items"]] if one.get("type") == "array" else []
            elif one.get("type") == "map":
                inner.append(one["values"])
            else:
                inner += [field["type"] for field in one.get("fields", ()) if field["name"] == part]
        schemas = inner
    return _resolved(schemas, named)


def _resolved(schemas: list[Any], named: dict[str, Any]) -> list[Any]:
    """Unions taken apart, names replaced by what they name; null is no type here."""
    found: list[Any] = []
    for one in schemas:
        if isinstance(one, list):
            found += _resolved(one, named)
        elif isinstance(one, dict):
            found += _resolved([one["type"]], named) if isinstance(one.get("type"), (dict, list)) else [one]
        elif one != "null":
            found.append(named.get(one, {"type": one}))
    return found
