"""Records as a producer's batch has them, and through the client as the kernel takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from ranker import kernel
from ranker.core.fold import Record
from ranker.log import aiokafka_patch
from ranker.log.chunks import Chunk
from ranker.log.record_batches import install
from tests.support import record_batches

if TYPE_CHECKING:
    from ranker.kernel._kernel import Stretch


def batch(records: Sequence[Record], codec: int = 0, end: int | None = None) -> bytes:
    """With the producers' times, which may go up and down."""
    base, first_ms = records[0].offset, records[0].timestamp
    made = [
        record_batches.record(one.offset - base, one.key, one.value, since_ms=one.timestamp - first_ms)
        for one in records
    ]
    last = records[-1].offset + 1 if end is None else end
    return record_batches.batch(made, codec=codec, base=base, now_ms=first_ms, end=last, sent=True)


def stretches(records: Sequence[Record]) -> list[Stretch]:
    """These records, in one stretch."""
    data = batch(records)
    found = kernel.cut(data, 0, len(data), 0, len(records), len(records), len(data))
    assert found is not None
    return found


def chunks(data: bytes, position: int, limit: int) -> Iterator[Chunk]:
    """Of a fetch from `position` on, with stretches wherever the kernel can walk a batch."""
    install()
    assert aiokafka_patch.install(), "the seam does not know this version of the client"
    records: Any = fetcher.PartitionRecords(
        TopicPartition("page-views", 0),
        fetcher.MemoryRecords(data),
        [],
        position,
        None,
        aiokafka_patch.ChunkingDeserializer(limit, limit),
        True,
        fetcher.READ_COMMITTED,
    )
    yield from records
