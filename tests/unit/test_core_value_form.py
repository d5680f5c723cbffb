"""Values of other people's topics: each is named, with what to do."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import struct
from typing import Any

import cramjam
import msgspec
import pytest

from ranker.core.decoder import Decoder
from ranker.core.value_form import form_of
from tests.support import defaults
from tests.support.raw_records import event, generation

VIEW = event()
PLAIN: dict[str, Any] = json.loads(VIEW)
AVRO = b"\x08view\x08demo\x04/a\xf2\xc0\x01"

VALUES: list[tuple[str, bytes, str, str]] = [
    ("Confluent Avro", b"\0" + struct.pack(">i", 7) + AVRO, "schema registry's frame (Confluent: a byte 0, schema 7, then Avro or Protobuf)", 'format = "avro" in [source], if it is Avro'),
    ("Confluent Protobuf", b"\0" + struct.pack(">i", 100_042) + b"\0\x0a\x04view", "schema 100042", "without the registry's frame"),
    ("Confluent JSON", b"\0" + struct.pack(">i", 3) + VIEW, "schema 3, then JSON", 'format = "json-schema" in [source]'),
    ("Apicurio", b"\0" + struct.pack(">q", 21) + AVRO, "(Apicurio: a byte 0, schema 21, then Avro or Protobuf)", "plain JSON"),
    ("Apicurio JSON", b"\0" + struct.pack(">q", 21) + VIEW, "schema 21, then JSON", "plain JSON"),
    ("Glue", b"\x03\0" + bytes(range(16)) + AVRO, "AWS Glue: a byte 3, version 000102030405060708090a0b0c0d0e0f", "plain JSON"),
    ("Glue, packed", b"\x03\x05" + bytes(range(16)) + AVRO, "AWS Glue", "plain JSON"),
    ("Avro file", b"Obj\x01\x04\x14avro.codec", "a file of Avro", "plain JSON"),
    ("Java", b"\xac\xed\0\x05sr\0\x0fcom.example.View", "Java has serialised", "plain JSON"),
    ("pickle", pickle.dumps(PLAIN), "Python has pickled", "plain JSON"),
    ("MessagePack", msgspec.msgpack.encode(PLAIN), "MessagePack", "plain JSON"),
    ("BSON", struct.pack("<i", 16) + b"\x02a\0\x04\0\0\0/a1\0\0", "BSON", "plain JSON"),
    ("gzip", gzip.compress(VIEW), "packed by its producer (gzip)", "compression.type"),
    ("zstd", bytes(cramjam.zstd.compress(VIEW)), "(zstd)", "compression.type"),
    ("LZ4", bytes(cramjam.lz4.compress(VIEW)), "(LZ4)", "compression.type"),
    ("snappy", bytes(cramjam.snappy.compress(VIEW)), "(snappy)", "compression.type"),
    ("UTF-16", VIEW.decode().encode("utf-16"), "UTF-16", "UTF-8"),
    ("UTF-16 big", VIEW.decode().encode("utf-16-be"), "UTF-16", "UTF-8"),
    ("UTF-16 little", VIEW.decode().encode("utf-16-le"), "UTF-16", "UTF-8"),
    ("UTF-32", VIEW.decode().encode("utf-32"), "UTF-32", "UTF-8"),
    ("BOM", b"\xef\xbb\xbf" + VIEW, "byte order mark", "UTF-8-SIG"),
    ("XML", b"<?xml version='1.0'?><view/>", "XML", "plain JSON"),
    ("XML, a blank first", b"\n<view id='1'/>", "XML", "plain JSON"),
    ("twice", json.dumps(VIEW.decode()).encode(), "JSON text that holds JSON", "serialised twice"),
    ("Base64", base64.b64encode(VIEW), "Base64", "as it is"),
    ("Base64 as JSON", json.dumps(base64.b64encode(VIEW).decode()).encode(), "Base64", "as it is"),
    ("Python", str(PLAIN).encode(), "as Python prints it", "json.dumps"),
    ("tabs", "\t".join(map(str, range(131))).encode(), "columns between tabs", "plain JSON"),
    ("a list", b"[" + VIEW + b"," + VIEW + b"]", "a list of 2 in one record", "a record of its own"),
    ("lines", VIEW + b"\n" + VIEW + b"\n", "several lines of JSON", "a record of its own"),
    ("Connect", json.dumps({"schema": {"type": "struct"}, "payload": PLAIN}).encode(), "Kafka Connect's envelope", "schemas.enable=false"),
    ("Connect, Debezium", json.dumps({"schema": {}, "payload": {"before": None, "after": PLAIN, "op": "c"}}).encode(), "Kafka Connect's envelope", "schemas.enable=false"),
    ("Debezium", json.dumps({"before": None, "after": PLAIN, "source": {}, "op": "c", "ts_ms": 1}).encode(), "Debezium", "ExtractNewRecordState"),
    ("CloudEvents", json.dumps({"specversion": "1.0", "type": "v", "id": "1", "source": "/", "data": PLAIN}).encode(), "CloudEvents", "binary mode"),
    ("CloudEvents, Base64", json.dumps({"specversion": "1.0", "data_base64": "e30="}).encode(), "CloudEvents", "binary mode"),
    ("Segment", json.dumps({"type": "page", "messageId": "m", "properties": {"article_id": "/a", "site_id": "demo"}}).encode(), "whose field 'properties' holds article_id, site_id", 'article_id = "properties.article_id"'),
    ("Filebeat", json.dumps({"@timestamp": "2026", "@metadata": {}, "message": VIEW.decode()}).encode(), "whose field 'message' holds article_id", "written as an object"),
    ("Fluent Bit", json.dumps({"@timestamp": 1.5, "log": VIEW.decode()}).encode(), "whose field 'log' holds", "written as an object"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "what", "fix"), [case[1:] for case in VALUES], ids=[case[0] for case in VALUES])
def test_a_known_form_is_named(value: bytes, what: str, fix: str) -> None:
    """For a topic of ours, and for one with [source]: neither reads it."""
    for source in (generation().source, defaults.source({})):
        form = Decoder(source).fault(value)
        assert form is not None
        assert what in form.what
        assert fix in form.fix


@pytest.mark.parametrize(
    "value",
    [b"", b"\0", b"\0abcd", b"\x03\0", b"{", b"view of a", b"null", b"1", b'"text"', b"{}", b'{"article_id":1.5}', VIEW[:-1], b"a\tb", b"\xff" * 9, b"[" * 100_000],
)  # fmt: skip
def test_what_has_no_known_form_has_the_decoders_words(value: bytes) -> None:
    """And no fix is made up."""
    form = Decoder(generation().source).fault(value)
    assert form is not None
    assert form.what
    assert form.fix == ""


def test_what_can_be_read_has_no_fault() -> None:
    assert Decoder(generation().source).fault(VIEW) is None


def test_the_names_are_those_of_the_source() -> None:
    """A field under another name is looked for under that name."""
    source = defaults.source({"fields": {"article_id": "path"}})
    form = Decoder(source).fault(b'{"data":{"path":"/a"},"site_id":"s","event_type":"view","occurred_at":1}')
    assert form is not None
    assert "whose field 'data' holds path" in form.what
    assert form_of(b'{"data":{"article_id":"/a"}}', ["path"]) is None
