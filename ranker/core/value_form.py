"""What a record's value is that is no page view: the forms in which topics of others have it. For operators' eyes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import msgspec


class Form(NamedTuple):
    """What a value is, and what to do about it."""

    what: str
    fix: str


_CONVERT = "have it written as plain JSON, or point topic to a copy that a converter makes (Kafka Connect, ksqlDB)"
_FRAMED = 'read it with format = "{}" in [source]{}, or have it written as plain JSON, without the registry\'s frame'
_GLUE = f"{_CONVERT}, without the registry's frame"
_LEAST_FRAME = 6

_BEGINNINGS = (
    (b"Obj\x01", "a file of Avro"),
    (b"\xac\xed\x00\x05", "an object that Java has serialised"),
    (b"\x80\x04\x95", "an object that Python has pickled"),
    (b"\x80\x05\x95", "an object that Python has pickled"),
    (b"PAR1", "a file of Parquet"),
    (b"<", "XML"),
)
_PACKED = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x82SNAPPY\x00", "snappy"),
)
_WIDE = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"{\x00", "UTF-16"),
    (b"\x00{", "UTF-16"),
)


def form_of(value: bytes, names: Collection[str]) -> Form | None:
    """The form of a value that cannot be decoded; None if it is none of those known here. `names` are read of it."""
    return _binary(value) or _text(value) or _json(value, names)


def _binary(value: bytes) -> Form | None:
    for begin, encoding in _WIDE:
        if value.startswith(begin):
            return Form(f"text in {encoding}", "have it written in UTF-8")
    if len(value) >= _LEAST_FRAME and value[0] == 0:
        wide = value[1:5] == bytes(4) and len(value) > 9
        number, content = (value[1:9], value[9:]) if wide else (value[1:5], value[5:])
        is_json = content.lstrip()[:1] == b"{"
        kind = "JSON" if is_json else "Avro or Protobuf"
        registry = "Apicurio" if wide else "Confluent"
        what = (
            f"in a schema registry's frame ({registry}: a byte 0, schema {int.from_bytes(number, 'big')}, then {kind})"
        )
        if wide:
            return Form(
                what, f"have its producers write four bytes of id (apicurio.registry.use-id, Confluent), or {_CONVERT}"
            )
        fix = _FRAMED.format("json-schema", "") if is_json else _FRAMED.format("avro", ", if it is Avro")
        return Form(what, fix)
    if len(value) > 18 and value[0] == 3 and value[1] in (0, 5):
        what = f"in a schema registry's frame (AWS Glue: a byte 3, version {value[2:18].hex()}, then its content)"
        return Form(what, _GLUE)
    if int.from_bytes(value[:4], "little") == len(value) > 4:
        return Form("BSON", _CONVERT)
    if value and value[0] & 0xF0 == 0x80 and isinstance(_inside(value, msgspec.msgpack.decode), dict):
        return Form("MessagePack", _CONVERT)
    for begin, name in _PACKED:
        if value.startswith(begin):
            return Form(
                f"packed by its producer ({name})", "have the JSON written as it is: compression.type of Kafka packs it"
            )
    for begin, name in _BEGINNINGS:
        if value.lstrip().startswith(begin):
            return Form(name, _CONVERT)
    return None


def _text(value: bytes) -> Form | None:
    if value.startswith(b"\xef\xbb\xbf"):
        return Form("text that begins with a byte order mark", "have it written without one (UTF-8, not UTF-8-SIG)")
    if value.startswith((b"eyJ", b'"eyJ')):
        return Form("JSON in Base64", "have the JSON written as it is")
    if value.startswith((b"{'", b"[{'")):
        return Form("a Python dictionary as Python prints it", "have it written by json.dumps")
    if value.count(b"\t") >= 10 and not value.lstrip().startswith((b"{", b"[")):
        return Form("a line of columns between tabs (as Snowplow's enriched events are)", _CONVERT)
    return None


def _json(value: bytes, names: Collection[str]) -> Form | None:
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lines(value)
    if isinstance(decoded, list):
        return Form(f"a list of {len(decoded)} in one record", "have each event written as a record of its own")
    if isinstance(decoded, str) and isinstance(_inside(decoded), dict):
        return Form(
            "JSON text that holds JSON",
            "it was serialised twice: have it written once (in Kafka Connect with StringConverter)",
        )
    return _enveloped(decoded, names) if isinstance(decoded, dict) else None


def _lines(value: bytes) -> Form | None:
    """Several events one after the other."""
    first, _, rest = value.strip().partition(b"\n")
    if rest and isinstance(_inside(first), dict):
        return Form("several lines of JSON in one record", "have each event written as a record of its own")
    return None


def _enveloped(event: Mapping[str, Any], names: Collection[str]) -> Form | None:
    if {"schema", "payload"} <= event.keys():
        return Form(
            "in Kafka Connect's envelope (schema and payload)",
            "set value.converter.schemas.enable=false in the connector that writes it, or read what is in it: "
            'article_id = "payload.…" and so on in [source.fields]',
        )
    if {"op", "after"} <= event.keys():
        return Form(
            "a change event of Debezium (before and after)",
            "have the connector unwrap it (transforms with ExtractNewRecordState), or read what is in it: "
            'article_id = "after.…" and so on in [source.fields]',
        )
    if "specversion" in event and ("data" in event or "data_base64" in event):
        return Form(
            "in the envelope of CloudEvents",
            'read what is in it: article_id = "data.…" and so on in [source.fields]; or have it written in binary '
            "mode, whose value is the data alone",
        )
    for outer, inner in event.items():
        content = _inside(inner) if isinstance(inner, str) else inner
        if isinstance(content, dict) and (deeper := sorted(set(names) & content.keys() - event.keys())):
            return Form(
                f"an object whose field {outer!r} holds {', '.join(deeper)}",
                f'name its place in [source.fields], such as {deeper[0]} = "{outer}.{deeper[0]}"'
                if isinstance(inner, dict)
                else "text is not read as JSON once more: have it written as an object",
            )
    return None


def _inside(text: str | bytes, decode: Callable[[Any], Any] = msgspec.json.decode) -> Any:
    """What it holds; None if it cannot be decoded."""
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
