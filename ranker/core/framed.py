"""Values in a schema registry's frame: a byte 0, four bytes that number a schema, then JSON or Avro.

Which schemas there are is state beside the fold, fetched before a record is folded (log/value_schemas.py).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import fastavro
import msgspec

from ranker.core import avro_schema
from ranker.core.paths import Part
from ranker.core.value_form import form_of

Schemas = Mapping[int, tuple[str, ...]]
"""The number of a schema to its text, the last one, behind those that it refers to; () if the registry has none."""

NO_FRAME, UNKNOWN_SCHEMA = "magic_byte", "unknown_schema"
"""Reasons why a record is rejected."""
_FRAME_BYTES = 5
_REMEMBERED = 1_000


class UnreadableValueError(Exception):
    """A value cannot be read for what is around its content; `reason` is that of the dead letter."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


def schema_of(value: bytes) -> int:
    """The number of the value's schema. Raises UnreadableValueError if it is in no frame."""
    if len(value) < _FRAME_BYTES or value[0]:
        first = f"begins with the byte {value[0]}" if value else "is empty"
        raise UnreadableValueError(
            NO_FRAME, f"the value {first}, and not with the byte 0 and four bytes of a schema registry's frame"
        )
    return int.from_bytes(value[1:_FRAME_BYTES], "big")


def content_of(value: bytes) -> bytes:
    """What is in the frame. Raises UnreadableValueError."""
    schema_of(value)
    return value[_FRAME_BYTES:]


def schemas_of(values: Iterable[bytes | None]) -> set[int]:
    """The numbers of all schemas that these values need; of one in no frame there is none."""
    return {
        int.from_bytes(value[1:_FRAME_BYTES], "big")
        for value in values
        if value is not None and len(value) >= _FRAME_BYTES and not value[0]
    }


def unknown_schema(offset: int, value: bytes | None) -> str:
    """That the registry does not have the schema of a record, and what to do, up to the way to pass over it."""
    number = schema_of(value or b"")
    if not number and (form := form_of(value or b"", ())):  # registries count from 1
        return f"the record at offset {offset} is {form.what}; {form.fix}, and start again; or, if it is lost"
    return (
        f"the record at offset {offset} names schema {number}, which the schema registry does not "
        "have; see that RANKER_REGISTRY_URL is the registry of those who write the topic, or register it again under "
        "its number, and start again; or, if it is lost"
    )


class _Known(NamedTuple):
    """A schema as it is read, and the unit of the time in it, if it has one; or why it cannot be used."""

    schema: avro_schema.Readable
    unit: str | None
    fault: str = ""


class AvroValues:
    """Decodes framed Avro to plain objects. `time` is where the event's time stands, None if it is not read."""

    def __init__(self, schemas: Schemas, time: tuple[Part, ...] | None) -> None:
        self._schemas = schemas
        self._time = time
        self._known: dict[int, _Known] = {}

    def __call__(self, value: bytes) -> tuple[Any, str | None]:
        """What is in it, and the unit of its time if the schema says one.

        Raises UnreadableValueError; msgspec.ValidationError if the content is not that of its schema.
        """
        number = schema_of(value)
        known = self._known.get(number) or self._learn(number)
        if known.fault:
            raise msgspec.ValidationError(known.fault)
        stream = io.BytesIO(value)
        stream.seek(_FRAME_BYTES)
        try:
            found: Any = fastavro.schemaless_reader(stream, known.schema.parsed, None)
        except Exception as error:  # whatever the bytes make the reader do
            levels = known.schema.levels
            deep = f", or hold more than {levels} records within each other" if levels else ""
            raise msgspec.ValidationError(
                f"the bytes are not those of schema {number}{deep} ({type(error).__name__}: {error})"
            ) from error
        if stream.tell() != len(value):
            raise msgspec.ValidationError(
                f"the bytes are not those of schema {number}: {len(value) - stream.tell()} are left over"
            )
        return found[avro_schema.VALUE], known.unit

    def _learn(self, number: int) -> _Known:
        texts = self._schemas.get(number, ())
        if not texts:
            raise UnreadableValueError(UNKNOWN_SCHEMA, f"the schema registry has no schema {number}")
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        known = self._known[number] = _parsed(number, texts, self._time)
        return known


def _parsed(number: int, texts: tuple[str, ...], time: tuple[Part, ...] | None) -> _Known:
    try:
        schemas = [msgspec.json.decode(text) for text in texts]
        schema = avro_schema.readable(schemas)
        unit = None if time is None else avro_schema.unit_of(schemas, time)
    except Exception as error:  # a schema of another kind, or one that is none
        return _Known(
            avro_schema.Readable(None, None),
            None,
            f"schema {number} of the registry cannot be read as Avro ({type(error).__name__}: {error})",
        )
    return _Known(schema, unit)
