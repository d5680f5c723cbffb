"""Record batches through the client as it is patched: what it hands up of them."""

import time
from collections.abc import Iterator
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from ranker.consume.fold_chunk import fold_chunk
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.log import aiokafka_patch
from ranker.log.chunks import Chunk
from ranker.log.record_batches import install
from ranker.log.unpacking import MOST_BYTES
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

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


def chunks(data: bytes, position: int, limit: int, most_bytes: int = MOST_BYTES) -> list[Chunk]:
    install(most_bytes)
    assert aiokafka_patch.install(), "the seam does not know this version of the client"
    fold = Fold(GENERATION)
    tp = TopicPartition("page-views", 0)
    records: Any = fetcher.PartitionRecords(
        tp,
        fetcher.MemoryRecords(data),
        [],
        position,
        None,
        aiokafka_patch.ChunkingDeserializer(limit),
        True,
        fetcher.READ_COMMITTED,
    )
    read: Iterator[Chunk] = iter(records)
    found = []
    for chunk in read:
        assert chunk.end == records.next_fetch_offset, "the client would take the chunk for a stale one"
        if chunk.error is None:
            (piece,) = fold_chunk(0, chunk, fold, None, 1 << 62, 1, accept_create_time=True)
            chunk.partial = piece.counts
        found.append(chunk)
    return found


def views(found: list[Chunk]) -> int:
    return sum(chunk.partial.records for chunk in found if chunk.partial)


def view(number: int) -> bytes:
    return b'{"event_id":"%d","event_type":"view","site_id":"demo","article_id":"a","occurred_at":%d}' % (
        number,
        NOW_MS,
    )


def letters(found: list[Chunk]) -> list[tuple[int, str]]:
    return [(letter.offset, letter.reason) for chunk in found if chunk.partial for letter in chunk.partial.rejected]


def lost(found: list[Chunk]) -> list[range]:
    return [stretch for chunk in found if chunk.partial for stretch in chunk.partial.lost]
