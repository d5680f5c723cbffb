"""Chunks of a partition's records, collected from one or several fetched batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ranker.core.fold import Record
from ranker.core.partial_counts import Cut, PartialCounts, Rejected
from ranker.log.old_batches import OldBatch
from ranker.log.record_batches import Batch, Clean, RecordBatches
from ranker.log.records import UnreadableError

if TYPE_CHECKING:
    from ranker.kernel._kernel import Stretch

CHUNK_BYTES = 4 << 20
"""Bytes of keys and values in one chunk (for the kernel: of records), not counting its last record: small batches may
unpack to very large ones."""
RAW_RECORDS = 32_768
"""Records of one chunk for the kernel: what rules remember of them fits one step (MAX_KEYS of core/step.py)."""
_LOG_APPEND_TIME = 1


@dataclass(slots=True)
class Chunk:
    """Records [start, end) of a partition, to be folded when they are taken in order, or why they cannot be read.

    They are in `records`, or in `stretches` for the kernel; in neither if none is left in the range (holes, aborted or
    control batches). `partial` has the counts of a range that cannot be unpacked or read. `create_time`: at least one
    record carries its producer's time instead of the broker's. All were appended in one leader's `epoch` (None:
    unknown).
    """

    start: int
    end: int
    records: Sequence[Record] = ()
    partial: PartialCounts | None = None
    create_time: bool = False
    error: UnreadableBatchError | None = None
    epoch: int | None = None
    stretches: Sequence[Stretch] = ()


class UnreadableBatchError(Exception):
    """A fetched batch is damaged, or its compression is unknown; the message says what to do."""


class ChunkBuilder:
    """Collects records of one or several batches into chunks; `position` is the end of the records collected."""

    def __init__(self, limit: int, start: int, raw: int) -> None:
        self._limit = limit
        self._raw = raw
        self.position = start
        self.epoch: int | None = None
        self._begin(start)

    def _begin(self, start: int) -> None:
        self.start = start
        self._create_time = False
        self._bytes = 0
        self._records: list[Any] = []
        self._stretches: list[Stretch] = []
        self._raw_records = 0

    @property
    def has_records(self) -> bool:
        return bool(self._records)

    @property
    def has_stretches(self) -> bool:
        return bool(self._stretches)

    @property
    def full(self) -> bool:
        limit = self._raw if self._raw_records else self._limit
        return self._bytes >= CHUNK_BYTES or len(self._records) + self._raw_records >= limit

    def clean(self, records: RecordBatches, *, check_crcs: bool) -> Clean | None:
        """The next batches for the kernel, as far as they fit; to be given to `add_clean`."""
        if not self._raw:
            return None
        room, most_bytes = self._raw - self._raw_records, CHUNK_BYTES - self._bytes
        return records.clean(self.position, room, most_bytes, check_crcs=check_crcs)

    def ends_before(self, clean: Clean) -> bool:
        """Whether what was collected is a chunk of its own."""
        return self.start < self.position and (
            self.has_records or clean.is_too_large or clean.leader_epoch != self.epoch
        )

    def add_clean(self, clean: Clean) -> None:
        self.epoch = clean.leader_epoch
        self._create_time |= clean.has_create_time
        self._bytes += sum(stretch.size for stretch in clean.stretches)
        self._raw_records += sum(stretch.records for stretch in clean.stretches)
        self._stretches += clean.stretches
        self.position = clean.next_offset

    def stretches(self, batch: Batch | OldBatch) -> list[Stretch] | None:
        """The rest of the batch for the kernel, the first stretch as large as fits; None if its records are wanted."""
        if not self._raw or not isinstance(batch, Batch):
            return None
        return batch.stretches(self.position, self._raw - self._raw_records, self._raw, CHUNK_BYTES - self._bytes)

    def add_stretch(self, batch: Batch, stretch: Stretch) -> None:
        if batch.timestamp_type != _LOG_APPEND_TIME:
            self._create_time = True
        self._bytes += stretch.size
        self._raw_records += stretch.records
        self._stretches.append(stretch)
        self.position = stretch.next_offset

    def next_records(self, batch: Batch | OldBatch, incoming: Iterator[Any]) -> Iterator[Any]:
        """As many records as fit, at least one."""
        some = islice(incoming, self._limit - len(self._records))
        return some if batch.size < CHUNK_BYTES else _up_to_bytes(some, CHUNK_BYTES - self._bytes)

    def add(self, batch: Batch | OldBatch, records: list[Any]) -> None:
        if batch.timestamp_type != _LOG_APPEND_TIME:
            self._create_time = True
        self._bytes += batch.size if batch.size < CHUNK_BYTES else sum(map(_bytes_of, records))
        self._records += records
        self.position = records[-1].offset + 1

    def chunk(self) -> Chunk:
        """A chunk of the records collected; the next one starts where it ends."""
        chunk = Chunk(self.start, self.position, self._records, create_time=self._create_time, epoch=self.epoch)
        chunk.stretches = self._stretches
        self._begin(self.position)
        return chunk

    def unreadable_chunk(self, batch: Batch | OldBatch, rest: UnreadableError) -> Chunk:
        """From the start of `rest` to the batch's end: one dead letter; the offsets behind it are lost."""
        offset = rest.offset if self.position <= rest.offset < batch.next_offset else self.position
        self.position = batch.next_offset
        rejected = Rejected(offset, batch.max_timestamp, rest.reason, rest.key, rest.value, Cut(None, None))
        partial = PartialCounts(records=1, rejected=[rejected], first_append_ms=batch.max_timestamp)
        if offset + 1 < self.position:
            partial.lost, partial.lost_ms = [range(offset + 1, self.position)], batch.max_timestamp
        created = batch.timestamp_type != _LOG_APPEND_TIME
        chunk = Chunk(self.start, self.position, partial=partial, create_time=created, epoch=self.epoch)
        self._begin(self.position)
        return chunk


def _up_to_bytes(records: Iterator[Any], most_bytes: int) -> Iterator[Any]:
    """Records of so many bytes, at least one record."""
    for record in records:
        yield record
        most_bytes -= _bytes_of(record)
        if most_bytes <= 0:
            return


def _bytes_of(record: Any) -> int:
    return len(record.value or b"") + len(record.key or b"")
