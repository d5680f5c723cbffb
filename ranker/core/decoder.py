"""Decodes records to page views: those of our own topic, and those of others by their `Source`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from ranker.core import shape, translate
from ranker.core.event import PageView
from ranker.core.framed import UNKNOWN_SCHEMA, AvroValues, Schemas, UnreadableValueError, content_of
from ranker.core.paths import parts
from ranker.core.shape import IDS, Leaf, Nested
from ranker.core.source import HEADER, KEY, REQUIRED, TIMESTAMP, Source
from ranker.core.source_times import TIMES
from ranker.core.value_form import Form, form_of

_NUMBERS = ("occurred_at", "value", "sequence")
"""Fields whose text, in a header or a key, is a number of JSON; occurred_at unless it is RFC 3339."""


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
        self._read = _reading(source, {} if schemas is None else schemas)
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

    def __call__(self, value: bytes, record: Beside | None = None) -> PageView | str:
        """The page view, or one of `SKIPPED`: why the record is none.

        Raises msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError, UnreadableValueError.
        """
        if self.plain is not None:
            return self.plain(value)
        event, in_ms = self._read(value, record)
        for step in self._before:
            step(event)
        for look in self._filters:
            if skip := look(event):
                return skip
        for step in self._steps:
            step(event)
        if in_ms is not None:
            in_ms(event)
        found: PageView = event
        return found

    def fault(self, value: bytes, record: Beside | None = None) -> Form | None:
        """Why a record cannot be decoded: the form that it has, or the decoder's words; None if it can be."""
        try:
            self(value, record)
        except UnreadableValueError as error:
            return Form(str(error), self._frame_fix(value, error.reason))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            is_framed = not isinstance(self._source, msgspec.UnsetType) and self._source.format is not msgspec.UNSET
            return (None if is_framed else form_of(value, self._names)) or Form(str(error), "")
        return None

    def _frame_fix(self, value: bytes, reason: str) -> str:
        if reason == UNKNOWN_SCHEMA:
            return "see that RANKER_REGISTRY_URL is the registry of those who write the topic, or register it again"
        if value.lstrip()[:1] == b"{":
            return 'this one is JSON without a frame: if all are, leave out format in [source], or write "json"'
        form = form_of(value, self._names)
        return form.fix if form else "have its producer write the topic's other records' format"


_Reading = Callable[[bytes, Beside | None], tuple[Any, translate.Translation | None]]
"""Returns an event whose fields are as they are in the record, and what makes milliseconds of its time."""


def _reading(source: Source, schemas: Schemas) -> _Reading:
    unit = source.time
    if not source.fields:
        return _reading_beside(source)
    if source.format == "avro":
        return _reading_avro(source, schemas)
    found = shape.leaves(source, unit, nullable=False)
    in_ms = _in_ms(source, unit)
    if shape.is_flat(source):
        kind: Any = shape.flat(source, found)
        decode = msgspec.json.Decoder(kind).decode
        if source.format == "json-schema":
            return lambda value, _record: (decode(content_of(value)), in_ms)
        return lambda value, _record: (decode(value), in_ms)
    nested, event = Nested(source, found), _Event(source, found)
    decode = msgspec.json.Decoder(nested.type).decode
    framed = source.format == "json-schema"

    def read(value: bytes, record: Beside | None) -> tuple[Any, translate.Translation | None]:
        return event(nested(decode(content_of(value) if framed else value)), record), in_ms

    return read


def _reading_beside(source: Source) -> _Reading:
    """Nothing of the value is read, so it may be anything."""
    event = _Event(source, shape.leaves(source, source.time, nullable=False))
    in_ms = _in_ms(source, source.time)
    return lambda _value, record: (event((), record), in_ms)


def _reading_avro(source: Source, schemas: Schemas) -> _Reading:
    time = parts(source.fields["occurred_at"]) if "occurred_at" in source.fields else None
    values = AvroValues(schemas, time)
    shapes: dict[str, tuple[Nested, _Event, list[Any], translate.Translation | None]] = {}

    def shape_of(unit: str) -> tuple[Nested, _Event, list[Any], translate.Translation | None]:
        if unit not in shapes:
            found = shape.leaves(source, unit, nullable=True)
            nested = Nested(source, found, unread=Any)
            defaults = [found[name].default for name in nested.names]
            shapes[unit] = nested, _Event(source, found), defaults, _in_ms(source, unit)
        return shapes[unit]

    def read(value: bytes, record: Beside | None) -> tuple[Any, translate.Translation | None]:
        content, unit = values(value)
        nested, event, defaults, in_ms = shape_of(unit or source.time)
        fields = nested(msgspec.convert(content, nested.type))
        return event(tuple(map(_or_default, fields, defaults)), record), in_ms

    return read


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
        self._type: Callable[..., Any] = msgspec.defstruct("ForeignPageView", declared, namespace=unread, gc=False)
        self._beside = [_beside(name, source, found[name]) for name in beside]

    def __call__(self, fields: Sequence[Any], record: Beside | None) -> Any:
        if not self._beside:
            return self._type(*fields)
        assert record is not None, "a source that reads beside the value needs the record"
        return self._type(*fields, *(read(record) for read in self._beside))


def _beside(name: str, source: Source, leaf: Leaf) -> Callable[[Beside], Any]:
    """Reads one field of a record that stands beside its value."""
    where = source.beside[name]
    if where == TIMESTAMP:
        return lambda record: record.timestamp
    text = partial(_text, leaf=leaf, what=f"the record's {where}")
    is_number = name in _NUMBERS and not (name == "occurred_at" and source.time == "rfc3339")
    convert: Callable[[bytes], Any] = partial(_number if is_number else _string, type_=leaf.type)
    if where == KEY:
        return lambda record: text(record.key, convert)
    header = where.removeprefix(HEADER)

    def read(record: Beside) -> Any:
        found = [value for each, value in record.headers if each == header]
        return text(found[-1] if found else None, convert)  # the last one, as Kafka's own lastHeader

    return read


def _text(raw: bytes | None, convert: Callable[[bytes], Any], *, leaf: Leaf, what: str) -> Any:
    if raw is not None:
        try:
            return convert(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise msgspec.ValidationError(f"{error} - at {what}") from error
    if leaf.default is msgspec.NODEFAULT:
        raise msgspec.ValidationError(f"there is no value of {what}")
    return leaf.default


def _string(raw: bytes, type_: Any) -> Any:
    return msgspec.convert(raw.decode(), type_)


def _number(raw: bytes, type_: Any) -> Any:
    return msgspec.json.decode(raw, type=type_)
