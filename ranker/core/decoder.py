"""Decodes records to page views: those of our own topic, and those of others by their `Source`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ranker.core import shape, translate
from ranker.core.event import PageView
from ranker.core.framed import UNKNOWN_SCHEMA, AvroValues, Schemas, UnreadableValueError, content_of, schema_of
from ranker.core.paths import parts
from ranker.core.shape import IDS, Leaf, Nested
from ranker.core.source import HEADER, KEY, REQUIRED, TIMESTAMP, Source
from ranker.core.source_times import TIMES
from ranker.core.value_form import Form, form_of

_SCHEMA_HEADER = "__value_schema_id"
"""Where newer serializers of Confluent may write a schema's number or GUID. It is not read."""
_NUMBERS = ("occurred_at", "value", "sequence")
"""Fields whose text, in a header or a key, is a number of JSON; occurred_at unless it is RFC 3339."""


_ANY_TEXT = ("event_type", "site_id", "article_id", "method", "status", "user_agent")
"""Fields whose text may be any, as far as decoding goes."""


class Beside(Protocol):
    """What is read of a record beside its value; `timestamp` is the append time in milliseconds."""

    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def headers(self) -> Collection[tuple[str, bytes | None]]: ...


class Decoder:
    """Decodes values of records to page views, those of a foreign topic by its `Source`.

    `schemas` has those that framed values need, before they are decoded.
    """

    def __init__(self, source: Source | msgspec.UnsetType, schemas: Schemas | None = None) -> None:
        self._source = source
        self._steps: list[translate.Translation] = []
        self._filters: list[translate.Filter] = []
        self._before: list[translate.Translation] = []
        if isinstance(source, msgspec.UnsetType):
            self.plain: Callable[[bytes], PageView] | None = msgspec.json.Decoder(PageView).decode
            """For a topic of ours: the same without a detour."""
            self._names: Collection[str] = REQUIRED
            return
        self.plain = None
        self._names = [str(way[0]) for way in map(parts, source.fields.values()) if len(way) == 1]
        self._flat = _flat(source)
        self._read, in_ms = _reading(source, {} if schemas is None else schemas)
        read = source.fields.keys() | source.beside.keys()
        self._before = [translate.as_text(name) for name in IDS if name in read]
        self._filters = translate.filters(source)
        if not isinstance(source.article_pattern, msgspec.UnsetType):
            place = translate.place_of("article_id", source)
            self._filters.append(translate.with_pattern(source.article_pattern, place))
        if source.filters:
            needed = [name for name in REQUIRED if name in read and name not in source.constants]
            self._steps.append(translate.present({name: translate.place_of(name, source) for name in needed}))
        if "event_type" in read and source.event_types:
            self._steps.append(translate.with_our_types(source.event_types))
        if not isinstance(source.ids, msgspec.UnsetType):
            self._steps.append(translate.with_normal_ids(source.ids))
        if not isinstance(source.bot_agents, msgspec.UnsetType):
            self._steps.append(translate.with_agent_class(source.bot_agents))
        if in_ms is not None:
            self._steps.append(in_ms)

    def __call__(self, value: bytes, record: Beside | None = None) -> PageView | str:
        """The page view, or one of `SKIPPED`: why the record is none.

        Raises msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError, UnreadableValueError.
        """
        if self.plain is not None:
            return self.plain(value)
        event = self._flat(value) if self._flat is not None else self._read(value, record)
        for step in self._before:
            step(event)
        for look in self._filters:
            if skip := look(event):
                return skip
        for step in self._steps:
            step(event)
        found: PageView = event
        return found

    def fault(self, value: bytes, record: Beside | None = None) -> Form | None:
        """Why a record cannot be decoded: the form that it has, or the decoder's words; None if it can be."""
        try:
            self(value, record)
        except UnreadableValueError as error:
            return Form(str(error), self._frame_fix(value, record, error.reason))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            is_framed = not isinstance(self._source, msgspec.UnsetType) and self._source.format is not msgspec.UNSET
            return (None if is_framed else form_of(value, self._names)) or Form(str(error), "")
        return None

    def _frame_fix(self, value: bytes, record: Beside | None, reason: str) -> str:
        if reason == UNKNOWN_SCHEMA:
            if not schema_of(value) and (form := form_of(value, self._names)):  # registries count from 1
                return form.fix
            return "see that RANKER_REGISTRY_URL is the registry of those who write the topic, or register it again"
        if record is not None and any(name == _SCHEMA_HEADER for name, _ in record.headers):
            return (
                f"its schema is named by the header {_SCHEMA_HEADER}: have its number written before the value instead"
            )
        if value.lstrip()[:1] == b"{":
            return 'this one is JSON without a frame: if all are, leave out format in [source], or write "json"'
        form = form_of(value, self._names)
        return form.fix if form else "have its producer write the topic's other records' format"


_Reading = Callable[[bytes, Beside | None], Any]
"""Returns an event whose fields are as they are in the record."""


def _flat(source: Source) -> Callable[[bytes], Any] | None:
    """If the value is the event, its decoder: there is no shorter way."""
    if not (source.fields and shape.is_flat(source) and source.format is msgspec.UNSET):
        return None
    kind: Any = shape.flat(source, shape.leaves(source, source.time, nullable=False))
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    return decode


def _reading(source: Source, schemas: Schemas) -> tuple[_Reading, translate.Translation | None]:
    """And what makes milliseconds of the event's time."""
    if source.fields and source.format == "avro":
        return _reading_avro(source, schemas)
    found = shape.leaves(source, source.time, nullable=False)
    event, in_ms = _Event(source, found), _in_ms(source, source.time)
    if not source.fields:  # nothing of the value is read, so it may be anything
        return lambda _value, record: event((), record), in_ms
    nested = Nested(source, found)
    decode = msgspec.json.Decoder(nested.type).decode
    if source.format == "json-schema":
        return lambda value, record: event(nested(decode(content_of(value))), record), in_ms
    return lambda value, record: event(nested(decode(value)), record), in_ms


class _AvroShape(NamedTuple):
    """What a value becomes if its schema says this unit of time."""

    nested: Nested
    event: _Event
    defaults: list[Any]


def _reading_avro(source: Source, schemas: Schemas) -> tuple[_Reading, translate.Translation | None]:
    time = parts(source.fields["occurred_at"]) if "occurred_at" in source.fields else None
    values = AvroValues(schemas, time)
    shapes: dict[str, _AvroShape] = {}
    by_type: dict[type, translate.Translation | None] = {}

    def shape_of(unit: str) -> _AvroShape:
        if unit not in shapes:
            found = shape.leaves(source, unit, nullable=True)
            nested = Nested(source, found, unread=Any)
            made = _AvroShape(nested, _Event(source, found), [found[name].default for name in nested.names])
            shapes[unit], by_type[made.event.type] = made, _in_ms(source, unit)
        return shapes[unit]

    def read(value: bytes, record: Beside | None) -> Any:
        content, unit = values(value)
        nested, event, defaults = shape_of(unit or source.time)
        fields = nested(msgspec.convert(content, nested.type))
        return event(tuple(map(_or_default, fields, defaults)), record)

    def in_ms(event: Any) -> None:
        if (translation := by_type[type(event)]) is not None:
            translation(event)

    return read, in_ms


def _or_default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _in_ms(source: Source, unit: str) -> translate.Translation | None:
    return None if source.beside.get("occurred_at") == TIMESTAMP else TIMES[unit][1]


class _Event:
    """Makes the event of fields of the value and of those beside it."""

    def __init__(self, source: Source, found: dict[str, Leaf]) -> None:
        unread = shape.unread(source)
        names = [name for name in found if name in source.fields]
        names += (beside := [name for name in found if name in source.beside])
        declared: list[Any] = [(name, Any) for name in names]
        if "user_agent" in found:
            declared.append(("agent_class", Any, unread.pop("agent_class")))
        self.type: Any = msgspec.defstruct("ForeignPageView", declared, namespace=unread, gc=False)
        self._beside = [_beside(name, source, found[name]) for name in beside]

    def __call__(self, fields: Sequence[Any], record: Beside | None) -> Any:
        if not self._beside:
            return self.type(*fields)
        assert record is not None, "a source that reads beside the value needs the record"
        return self.type(*fields, *(read(record) for read in self._beside))


def _beside(name: str, source: Source, leaf: Leaf) -> Callable[[Beside], Any]:
    """Reads one field of a record that stands beside its value."""
    where = source.beside[name]
    if where == TIMESTAMP:
        return operator.attrgetter("timestamp")
    convert, what, default = _converter(name, source, leaf.type), f"the record's {where}", leaf.default

    def read(raw: bytes | None) -> Any:
        if raw is None:
            if default is msgspec.NODEFAULT:
                raise msgspec.ValidationError(f"there is no value of {what}")
            return default
        try:
            return convert(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise msgspec.ValidationError(f"{error} - at {what}") from error

    if where == KEY:
        return lambda record: read(record.key)
    header = where.removeprefix(HEADER)

    def read_header(record: Beside) -> Any:
        found = None
        for each, value in record.headers:  # the last one holds, as in Kafka's own lastHeader
            if each == header:
                found = value
        return read(found)

    return read_header


def _converter(name: str, source: Source, type_: Any) -> Callable[[bytes], Any]:
    """Makes what `type_` allows of a text."""
    if name in _NUMBERS and not (name == "occurred_at" and source.time == "rfc3339"):
        return msgspec.json.Decoder(type_).decode
    if name in _ANY_TEXT:
        return bytes.decode
    return lambda raw: msgspec.convert(raw.decode(), type_)
