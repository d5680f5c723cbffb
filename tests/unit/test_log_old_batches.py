"""RecordBatches of message formats 0 and 1 inside the client."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from ranker.log.chunks import UnreadableBatchError
from ranker.log.record_batches import RecordBatches, install
from tests.support.fetched_batches import NOW_MS, batch, chunks, letters, lost, view, views
from tests.support.record_batches import LOG_APPEND_TIME, PACK, message, message_set, record
from tests.support.record_batches import batch as batch_of

pytestmark = pytest.mark.usefixtures("unpatched_afterwards")


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_old_brokers_are_checked_too(magic: int) -> None:
    """Message formats before 0.11 have another checksum in another place: the client's own way knows them."""
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    builder.append(0, timestamp=NOW_MS, key=b"demo/a", value=b"{}")
    old = bytearray(builder.build())
    for damage in (0, 1):
        old[-1] ^= damage
        one = RecordBatches(bytes(old)).next_batch()
        assert one is not None
        assert one.validate_crc() is (damage == 0)
        own = MemoryRecords(bytes(old)).next_batch()
        assert own is not None
        assert own.validate_crc() is (damage == 0)


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
    """Formats 0 and 1, alone and packed, beside batches of today; with the broker's time if they have it."""
    old = old_set(magic, codec, 10, LOG_APPEND_TIME if magic else 0)
    found = chunks(old + bytes(batch(13, 2)), position, 2)
    assert (found[0].start, found[-1].end, views(found)) == (position, 15, 15 - position)
    timeless = [(n, "timestamp") for n in range(position, 13)] if magic == 0 else []
    assert (letters(found), lost(found)) == (timeless, [])
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
        timeless = [(n, "timestamp") for n in range(3)]
        assert (views(found), letters(found)) == ((5, timeless) if magic == 0 else (3, [(0, "unreadable")]))


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
    assert isinstance(chunks(bytes(damaged), 0, 10)[-1].error, UnreadableBatchError)
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
