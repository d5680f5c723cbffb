"""Hostile batches inside the client: too large, broken or unknown; what can be read of them is counted."""

import gzip
import os
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from ranker.core.partial_counts import KEPT_BYTES, Cut
from ranker.log import aiokafka_patch
from ranker.log.chunks import UnreadableBatchError
from ranker.log.record_batches import RecordBatches, install
from tests.support.fetched_batches import NOW_MS, batch, chunks, letters, lost, view, views
from tests.support.record_batches import CODECS, record, varint
from tests.support.record_batches import batch as batch_of

pytestmark = pytest.mark.usefixtures("unpatched_afterwards")


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("limit", [2, 1000])
@pytest.mark.parametrize("position", [0, 1])
def test_what_is_beyond_the_bound_is_stepped_over_and_named(codec: int, limit: int, position: int) -> None:
    """Small and unpacked very large: what comes before counts, so does the next batch; one letter, and what is lost."""
    values = [view(0), view(1), b" " * (3 << 20), view(3), view(4)]
    bomb = batch_of([record(n, b"demo/a", value) for n, value in enumerate(values)], codec=codec, now_ms=NOW_MS)
    found = chunks(bytes(bomb + batch(5, 3, codec)), position, limit, most_bytes=2 << 20)
    assert [chunk.start for chunk in found[1:]] == [chunk.end for chunk in found[:-1]]
    assert (found[0].start, found[-1].end, views(found)) == (position, 8, 6 - position)
    assert (letters(found), lost(found)) == ([(2, "too_large")], [range(3, 5)])
    (letter,) = [letter for chunk in found if chunk.partial for letter in chunk.partial.rejected]
    if codec != 2:  # raw snappy is unpacked block by block
        assert letter.value == b" " * KEPT_BYTES
    assert letter.cut == Cut(None, None)
    assert all(chunk.error is None for chunk in found)


def test_a_batch_of_one_record_beyond_the_bound_loses_nothing_else() -> None:
    """Its record is a dead letter; what is counted stays complete."""
    found = chunks(bytes(batch_of([record(0, None, b" " * (3 << 20))], codec=4, now_ms=NOW_MS)), 0, 10, 2 << 20)
    assert (letters(found), lost(found), found[-1].end) == ([(0, "too_large")], [], 1)


def test_many_small_records_beyond_the_bound() -> None:
    """As many as fit are counted, exactly; the first of the others is named, the rest is lost."""
    number = 40_000
    packed = batch_of([record(n, b"demo/a", view(n)) for n in range(number)], codec=4, now_ms=NOW_MS)
    found = chunks(bytes(packed), 0, 1666, most_bytes=1 << 20)
    ((first, reason),) = letters(found)
    assert (reason, lost(found)) == ("unreadable", [range(first + 1, number)])
    assert views(found) == first + 1
    size = len(record(1000, b"demo/a", view(1000)))
    assert first == pytest.approx((1 << 20) / size, rel=0.05)


@pytest.mark.parametrize("most_bytes", [64 << 20, 1 << 20])
def test_large_values_are_never_gathered(most_bytes: int) -> None:
    """A chunk holds four MiB of keys and values and one record more, whatever the limit of its records."""
    values = [view(n).ljust(1 << 20) for n in range(20)]
    packed = bytes(batch_of([record(n, None, value) for n, value in enumerate(values)], codec=4, now_ms=NOW_MS))
    install(most_bytes)
    chunking = aiokafka_patch.ChunkingDeserializer(1666)
    records: Any = fetcher.PartitionRecords(
        TopicPartition("page-views", 0), fetcher.MemoryRecords(packed), [], 0, None, chunking, True, 1
    )
    sizes = [sum(len(record.value) for record in chunk.records) for chunk in records if chunk.records]
    assert len(sizes) >= (5 if most_bytes > 20 << 20 else 0)
    assert max(sizes, default=0) <= 5 << 20


def test_records_that_the_client_cannot_read_are_read() -> None:
    """Kafka takes names of headers that are no UTF-8, and attributes that nobody has defined; so they come."""
    hostile = [
        record(0, b"demo/a", view(0)),
        record(1, b"demo/a", view(1), headers=[(b"\xff\xfe", b"x"), (b"name", b"\xff")]),
        record(2, None, view(2), attributes=0x80),
        record(3, b"demo/a", None, headers=[(b"\xff", b"")]),
        record(4, b"demo/a", view(4)),
    ]
    for limit in (1, 3, 100):
        found = chunks(bytes(batch_of(hostile, now_ms=NOW_MS) + batch(5, 3)), 0, limit)
        assert (views(found), letters(found), lost(found), found[-1].end) == (8, [(3, "empty")], [], 8)


def test_headers_are_read_where_the_client_gives_up() -> None:
    """A name that is no UTF-8 takes none of the others with it."""
    given = [(b"site", b"demo"), (b"\xff", b"x"), (b"site", b"it"), (b"", b"")]
    packed = RecordBatches(
        bytes(batch_of([record(0, b"k", b"v", headers=given), record(1, b"k", b"v")], now_ms=NOW_MS))
    )
    unpacked: Any = packed.next_batch()
    first, second = unpacked
    assert first.headers == (("site", b"demo"), ("\\xff", b"x"), ("site", b"it"), ("", b""))
    assert tuple(second.headers) == ()


@pytest.mark.parametrize("broken", [b"\x06\x02a\x02b", b"\x02\x02a\x40b", b"\x02\x02a", b"\x80", b"\x02\x40"])
def test_headers_that_are_fewer_than_their_number_are_none(broken: bytes) -> None:
    """What stands behind the record is the next one's; both are read, as they are by Kafka."""
    whole = record(0, b"k", b"v", attributes=0x80)
    body = whole[1:-1] + broken  # without the length, and the number of headers
    cut = record(1, b"k", b"w")[1:-1]
    packed = batch_of([varint(len(body)) + body, varint(len(cut)) + cut, record(2, b"k", b"x")], now_ms=NOW_MS)
    unpacked: Any = RecordBatches(bytes(packed)).next_batch()
    assert [(one.offset, one.value, tuple(one.headers)) for one in unpacked] == [
        (0, b"v", ()),
        (1, b"w", ()),
        (2, b"x", ()),
    ]


HOSTILE = {
    "an offset far behind the log": batch_of(
        [record(0, None, view(0)), record(1_000_000, None, view(1))], now_ms=NOW_MS
    ),
    "an offset before the log": batch_of([record(0, None, view(0)), record(-64, None, view(1))], now_ms=NOW_MS),
    "no zstd": batch_of([record(0, None, view(0))] * 2, codec=4, packed=b"garbage", now_ms=NOW_MS),
    "no gzip": batch_of([record(0, None, view(0))] * 2, codec=1, packed=b"\x1f\x8b\x08", now_ms=NOW_MS),
    "no snappy": batch_of([record(0, None, view(0))] * 2, codec=2, packed=b"\xff" * 9, now_ms=NOW_MS),
    "xerial without blocks": batch_of(
        [record(0, None, view(0))] * 2, codec=2, packed=b"\x82SNAPPY\0" + b"\0" * 16, now_ms=NOW_MS
    ),
    "fewer records than said": batch_of([record(0, None, view(0)), b""], now_ms=NOW_MS),
    "a length without end": batch_of([record(0, None, view(0)), b"\xff" * 20], now_ms=NOW_MS),
    "a negative length": batch_of([record(0, None, view(0)), b"\x01" * 20], now_ms=NOW_MS),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_a_producer_writes_stops_a_partition(name: str) -> None:
    """Broken inside a batch whose checksum is right: what can be read counts, the rest is named, the next batch counts."""
    found = chunks(bytes(HOSTILE[name] + batch(2, 3)), 0, 10)
    assert found[-1].end == 5, name
    assert all(chunk.error is None for chunk in found), name
    assert views(found) >= 4, name
    assert len(letters(found)) + sum(map(len, lost(found))) >= 1, name


def test_a_record_that_its_packing_breaks_off_is_no_record() -> None:
    """What the codec wrote counts; the memory behind it, which is zeros, is not taken for the rest of a value."""
    values = [orjson.dumps({"n": n, "noise": os.urandom(2_500).hex()}) for n in range(100)]
    made = [record(n, None, value) for n, value in enumerate(values)]
    packed = gzip.compress(b"".join(made))
    broken = batch_of(made, codec=1, packed=packed[: len(packed) // 2], now_ms=NOW_MS)
    found = chunks(bytes(broken + batch(100, 1)), 0, 1_000)
    rejected = [rejected for chunk in found if chunk.partial for rejected in chunk.partial.rejected]
    assert rejected[-1].reason == "unreadable"
    assert all(one.value == values[one.offset] for one in rejected[:-1])
    assert rejected[-1].value is None or values[rejected[-1].offset].startswith(rejected[-1].value)
    assert found[-1].end == 101


def test_an_unknown_codec_stops_the_partition() -> None:
    """A newer version of this software may know it: nothing is given up."""
    found = chunks(bytes(batch(0, 2) + batch_of([b"", b""], codec=6, packed=b"x", base=2, now_ms=NOW_MS)), 0, 10)
    assert (views(found), found[-1].end) == (2, 2)
    assert isinstance(found[-1].error, UnreadableBatchError)
    assert "newer version" in str(found[-1].error)


def test_another_consumer_of_the_process_leaves_the_bound() -> None:
    """What reads letters or a topic's newest records has none of its own: the process keeps what is configured."""
    install(2 << 20)
    install()
    packed: Any = fetcher.MemoryRecords(
        batch_of([record(0, None, b"x" * (3 << 20))], codec=4, now_ms=NOW_MS)
    ).next_batch()
    packed.opened()
    assert packed.size <= (2 << 20) + 100
