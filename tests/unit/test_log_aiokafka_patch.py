"""Batches inside the client: what cannot be read stops its own partition, and what came before it is counted."""

import gzip
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from ranker.core.fold import Fold
from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation
from ranker.core.partial_counts import KEPT_BYTES, Cut
from ranker.log import aiokafka_patch
from ranker.log.record_batches import FAST, Batches, install
from ranker.log.unpacking import MOST_BYTES
from tests.support.record_batches import CODECS, LOG_APPEND_TIME, PACK, message, message_set, record
from tests.support.record_batches import batch as batch_of

NOW_MS = int(time.time() * 1000)
GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)


@pytest.fixture(autouse=True)
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here is gone after the test."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)


def batch(base: int, count: int, compression: int = 0) -> bytearray:
    """A record batch of `count` views from offset `base` on."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        value = b'{"event_id":"%d","event_type":"view","site_id":"demo","article_id":"a","occurred_at":%d}' % (
            number,
            NOW_MS,
        )
        assert builder.append(number, NOW_MS, b"demo/a", value, []) is not None
    built = bytearray(builder.build())
    built[0:8] = base.to_bytes(8, "big")
    return built


def chunks(data: bytes, position: int, limit: int, most_bytes: int = MOST_BYTES) -> list[aiokafka_patch.Chunk]:
    install(most_bytes)
    assert aiokafka_patch.install(), "the seam does not know this version of the client"
    folding = aiokafka_patch.FoldingDeserializer(Fold(GENERATION), limit)
    tp = TopicPartition("page-views", 0)
    records: Any = fetcher.PartitionRecords(
        tp, fetcher.MemoryRecords(data), [], position, None, folding, True, fetcher.READ_COMMITTED
    )
    read: Iterator[aiokafka_patch.Chunk] = iter(records)
    found = []
    for chunk in read:
        assert chunk.end == records.next_fetch_offset, "the client would take the chunk for a stale one"
        found.append(chunk)
    return found


def views(found: list[aiokafka_patch.Chunk]) -> int:
    return sum(chunk.partial.records for chunk in found if chunk.partial)


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 1000])
@pytest.mark.parametrize("position", [0, 4, 10, 13])
def test_chunks_are_chained_and_hold_every_record_once(limit: int, position: int) -> None:
    """Each chunk starts where the last one ended, from the place that was sought, whatever the batches' borders."""
    found = chunks(bytes(batch(0, 10) + batch(10, 5) + batch(20, 5)), position, limit)
    assert found[0].start == position
    assert [chunk.start for chunk in found[1:]] == [chunk.end for chunk in found[:-1]]
    assert found[-1].end == 25
    assert views(found) == 20 - position if position <= 15 else 5
    assert all(chunk.partial is None or chunk.partial.records <= limit for chunk in found)


@pytest.mark.parametrize("limit", [3, 1000])
def test_a_chunk_is_of_one_leader(limit: int) -> None:
    """It ends where a batch of another leader's term begins, and says whose it is: the worker compares the log there."""
    terms = [(batch(0, 5), 7), (batch(5, 5), 7), (batch(10, 5), 9), (batch(15, 5), 8)]
    for one, term in terms:
        one[12:16] = term.to_bytes(4, "big")
    found = chunks(bytes(b"".join(one for one, _ in terms)), 0, limit)
    assert all(before.end == after.start for before, after in pairwise(found))
    assert {chunk.end for chunk in found} >= {10, 15, 20}
    assert {(chunk.epoch, chunk.start // 5) for chunk in found} <= {(7, 0), (7, 1), (9, 2), (8, 3)}
    assert views(found) == 20


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(codec: int) -> None:
    """Producers choose their compression."""
    assert views(chunks(bytes(batch(0, 10, codec)), 0, 4)) == 10


@pytest.mark.parametrize("limit", [4, 1000])
def test_a_damaged_batch_ends_its_partition_after_what_came_before(limit: int) -> None:
    """CRC: the records before it are handed up, then a chunk with the reason, which the worker stops at."""
    damaged = batch(10, 5)
    damaged[-3] ^= 1
    found = chunks(bytes(batch(0, 10) + damaged), 0, limit)
    assert views(found) == 10
    assert isinstance(found[-1].error, aiokafka_patch.UnreadableBatchError)
    assert (found[-1].start, found[-1].end) == (10, 10)


@pytest.mark.parametrize("codec", [0, 3], ids=["plain", "lz4"])
def test_the_fast_checksum_says_what_the_clients_own_says(codec: int) -> None:
    """Every batch of several, whole ones and one with a byte changed anywhere behind its magic."""
    assert FAST, "google-crc32c has no binary here, and the consumer is slower than it could be"
    whole = [batch(0, 10, codec), batch(10, 1, codec), batch(11, 300, codec)]
    for place in (None, 17, 20, 21, 40, 61, -1):
        damaged = [bytearray(one) for one in whole]
        if place is not None:
            damaged[1][place] ^= 1
        batches, own = Batches(b"".join(damaged)), MemoryRecords(b"".join(damaged))
        answers = []
        while (ours := batches.next_batch()) and (theirs := own.next_batch()):
            answers.append((ours.validate_crc(), theirs.validate_crc()))
        assert answers == [(True, True), (place is None, place is None), (True, True)]


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_old_brokers_are_checked_too(magic: int) -> None:
    """Message formats before 0.11 have another checksum in another place: the client's own way knows them."""
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    builder.append(0, timestamp=NOW_MS, key=b"demo/a", value=b"{}")
    old = bytearray(builder.build())
    for damage in (0, 1):
        old[-1] ^= damage
        one = Batches(bytes(old)).next_batch()
        assert one is not None
        assert one.validate_crc() is (damage == 0)
        own = MemoryRecords(bytes(old)).next_batch()
        assert own is not None
        assert own.validate_crc() is (damage == 0)


def view(number: int) -> bytes:
    return b'{"event_id":"%d","event_type":"view","site_id":"demo","article_id":"a","occurred_at":%d}' % (
        number,
        NOW_MS,
    )


def letters(found: list[aiokafka_patch.Chunk]) -> list[tuple[int, str]]:
    return [(letter.offset, letter.reason) for chunk in found if chunk.partial for letter in chunk.partial.rejected]


def lost(found: list[aiokafka_patch.Chunk]) -> list[range]:
    return [stretch for chunk in found if chunk.partial for stretch in chunk.partial.lost]


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
    sizes: list[int] = []

    class Weighing(Fold):
        def __call__(self, records: Any, *more: Any) -> Any:
            sizes.append(sum(len(one.value) for one in records))
            return super().__call__(records, *more)

    values = [view(n).ljust(1 << 20) for n in range(20)]
    packed = bytes(batch_of([record(n, None, value) for n, value in enumerate(values)], codec=4, now_ms=NOW_MS))
    install(most_bytes)
    folding = aiokafka_patch.FoldingDeserializer(cast("aiokafka_patch.Fold", Weighing(GENERATION)), 1666)
    records: Any = fetcher.PartitionRecords(
        TopicPartition("page-views", 0), fetcher.MemoryRecords(packed), [], 0, None, folding, True, 1
    )
    list(records)
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


def test_an_ordinary_client_of_this_process_reads_as_far_as_it_can() -> None:
    """Readers of dead letters and articles: what cannot be read is left out, and none goes on at a place that is a lie."""
    install(2 << 20)
    bomb = batch_of([record(n, None, b" " * (3 << 20)) for n in range(2)], codec=4, now_ms=NOW_MS)
    liar = batch_of([record(delta, None, b"") for delta in (0, 1_000_000, -64)], base=2, now_ms=NOW_MS)
    hostile = batch_of([record(0, None, b"", headers=[(b"\xff", b"")])], base=5, now_ms=NOW_MS)
    data = bytes(bomb + liar + hostile + old_set(1, 1, 6) + bytes(batch(9, 1)))
    plain: Any = fetcher.PartitionRecords(
        TopicPartition("articles", 0), fetcher.MemoryRecords(data), [], 0, None, None, True, fetcher.READ_COMMITTED
    )
    assert [one.offset for one in plain] == [2, 5, 6, 7, 8, 9]


def test_an_unknown_codec_stops_the_partition() -> None:
    """A newer version of this software may know it: nothing is given up."""
    found = chunks(bytes(batch(0, 2) + batch_of([b"", b""], codec=6, packed=b"x", base=2, now_ms=NOW_MS)), 0, 10)
    assert (views(found), found[-1].end) == (2, 2)
    assert isinstance(found[-1].error, aiokafka_patch.UnreadableBatchError)
    assert "newer version" in str(found[-1].error)


def old_set(magic: int, codec: int, base: int, attributes: int = 0) -> bytes:
    """Three messages at these offsets, packed or one after the other; the producers' times are an hour old."""
    first = 0 if codec and magic else base
    inner = [message(first + n, magic, b"demo/a", view(n), NOW_MS - 3_600_000, 0) for n in range(3)]
    if not codec:
        return b"".join(message(base + n, magic, b"demo/a", view(n), NOW_MS, attributes) for n in range(3))
    return message_set(inner, base + 2, magic, codec, NOW_MS, attributes)


@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 3)], ids=str)
@pytest.mark.parametrize("position", [10, 11])
def test_batches_of_old_formats_are_read(magic: int, codec: int, position: int) -> None:
    """Formats 0 and 1, alone and packed, beside batches of today; with the broker's time where they have it."""
    old = old_set(magic, codec, 10, LOG_APPEND_TIME if magic else 0)
    found = chunks(old + bytes(batch(13, 2)), position, 2)
    assert (found[0].start, found[-1].end, views(found)) == (position, 15, 15 - position)
    assert (letters(found), lost(found)) == ([], [])
    stamped = found[0].partial
    assert stamped is not None
    assert found[0].create_time == (magic == 0)
    assert stamped.first_append_ms == (NOW_MS if magic else -1)


@pytest.mark.parametrize("says_size", [False, True])
def test_lz4_of_the_oldest_format_is_read_whatever_its_header_sums_up_to(says_size: bool) -> None:
    """Producers before Kafka 0.10 summed up too much of it; in format 1 a wrong checksum is damage."""
    for magic in (0, 1):
        inner = b"".join(message(n, magic, b"demo/a", view(n), NOW_MS) for n in range(3))
        frame = bytearray(PACK[3](inner))
        if says_size:
            frame[4] |= 8
            frame[6:6] = len(inner).to_bytes(8, "little")
        frame[14 if says_size else 6] ^= 0x55
        found = chunks(message(2, magic, None, bytes(frame), NOW_MS, 3) + bytes(batch(3, 2)), 0, 10)
        assert (views(found), letters(found)) == ((5, []) if magic == 0 else (3, [(0, "unreadable")]))


def test_another_consumer_of_the_process_leaves_the_bound() -> None:
    """What reads letters or a topic's newest records has none of its own: the process keeps what is configured."""
    install(2 << 20)
    install()
    packed: Any = fetcher.MemoryRecords(
        batch_of([record(0, None, b"x" * (3 << 20))], codec=4, now_ms=NOW_MS)
    ).next_batch()
    packed.opened()
    assert packed.size <= (2 << 20) + 100


def test_an_old_format_with_the_producers_times() -> None:
    """Each record its own, and the chunk says that they are the producers'."""
    for codec in (0, 1):
        (found,) = chunks(old_set(1, codec, 0), 0, 10)
        assert found.create_time
        assert found.partial is not None
        assert found.partial.first_append_ms == (NOW_MS - 3_600_000 if codec else NOW_MS)


def test_an_old_format_that_is_damaged_or_too_large() -> None:
    """Damage on the way stops the partition; what was broken or too large when it was packed is stepped over."""
    damaged = bytearray(old_set(1, 1, 0, LOG_APPEND_TIME))
    damaged[-1] ^= 1
    assert isinstance(chunks(bytes(damaged), 0, 10)[-1].error, aiokafka_patch.UnreadableBatchError)
    good = message(0, 1, None, view(0), NOW_MS)
    for inner in (
        [message(0, 1, None, b" " * (3 << 20), NOW_MS), message(1, 1, None, view(1), NOW_MS)],
        [good, message(1, 1, None, view(1), NOW_MS)[:-1] + b"?"],
        [good, message_set([good], 1, 1, 1, NOW_MS)],
        [good, b"\0" * 5],
    ):
        bomb = message_set(inner, 1, 1, 1, NOW_MS, LOG_APPEND_TIME)
        found = chunks(bomb + bytes(batch(2, 3)), 0, 10, most_bytes=2 << 20)
        assert (found[-1].end, [chunk.error for chunk in found if chunk.error]) == (5, [])
        assert len(letters(found)) == 1
        assert views(found) >= 4
