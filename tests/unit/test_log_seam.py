"""Batches inside the client: what cannot be read stops its own partition, and what came before it is counted."""

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from ranker.core.fold import Fold
from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation
from ranker.log import seam
from ranker.log.batches import FAST, Batches

NOW_MS = int(time.time() * 1000)
GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)


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


def chunks(data: bytes, position: int, limit: int) -> list[seam.Chunk]:
    assert seam.install(), "the seam does not know this version of the client"
    folding = seam.Folding(Fold(GENERATION), limit)
    tp = TopicPartition("page-views", 0)
    records: Any = fetcher.PartitionRecords(
        tp, fetcher.MemoryRecords(data), [], position, None, folding, True, fetcher.READ_COMMITTED
    )
    read: Iterator[seam.Chunk] = iter(records)
    found = []
    for chunk in read:
        assert chunk.end == records.next_fetch_offset, "the client would take the chunk for a stale one"
        found.append(chunk)
    return found


def views(found: list[seam.Chunk]) -> int:
    return sum(chunk.tally.records for chunk in found if chunk.tally)


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 1000])
@pytest.mark.parametrize("position", [0, 4, 10, 13])
def test_chunks_are_chained_and_hold_every_record_once(limit: int, position: int) -> None:
    """Each chunk starts where the last one ended, from the place that was sought, whatever the batches' borders."""
    found = chunks(bytes(batch(0, 10) + batch(10, 5) + batch(20, 5)), position, limit)
    assert found[0].start == position
    assert [chunk.start for chunk in found[1:]] == [chunk.end for chunk in found[:-1]]
    assert found[-1].end == 25
    assert views(found) == 20 - position if position <= 15 else 5
    assert all(chunk.tally is None or chunk.tally.records <= limit for chunk in found)


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
    assert isinstance(found[-1].error, seam.UnreadableBatchError)
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
        batches = Batches(b"".join(damaged))
        answers = []
        while batches.has_next():
            own = batches.next_batch()
            answers.append((batches.intact(), own.validate_crc()))
        assert answers == [(True, True), (place is None, place is None), (True, True)]


@pytest.mark.parametrize("magic", [0, 1])
def test_batches_of_old_brokers_are_checked_too(magic: int) -> None:
    """Message formats before 0.11 have another checksum in another place: the client's own way knows them."""
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    builder.append(0, timestamp=NOW_MS, key=b"demo/a", value=b"{}")
    old = bytearray(builder.build())
    for damage in (0, 1):
        old[-1] ^= damage
        batches = Batches(bytes(old))
        batches.next_batch()
        assert batches.intact() is (damage == 0)
