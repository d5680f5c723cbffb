"""RecordBatches inside the client: what cannot be read stops its own partition, and what came before it is counted."""

from itertools import pairwise

import pytest
from aiokafka.record.memory_records import MemoryRecords

from ranker.log.chunks import UnreadableBatchError
from ranker.log.record_batches import FAST, RecordBatches
from tests.support.fetched_batches import batch, chunks, views

pytestmark = pytest.mark.usefixtures("unpatched_afterwards")


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
    assert isinstance(found[-1].error, UnreadableBatchError)
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
        batches, own = RecordBatches(b"".join(damaged)), MemoryRecords(b"".join(damaged))
        answers = []
        while (ours := batches.next_batch()) and (theirs := own.next_batch()):
            answers.append((ours.validate_crc(), theirs.validate_crc()))
        assert answers == [(True, True), (place is None, place is None), (True, True)]
