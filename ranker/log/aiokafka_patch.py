"""Takes records out of fetched batches inside aiokafka, many at a time.

`PartitionRecords._unpack_records` of aiokafka 0.14 turns each record of a fetched batch into a `ConsumerRecord`, which
is most of the cost of a naive loop. If a consumer's value_deserializer is a `ChunkingDeserializer`, the function below
runs instead: the outer loop (corrupt batches, aborted transactions, control batches) is the client's own, and only the
inner one differs. It yields `Chunk`s, each starting where the last one ended, also over holes, skipped batches, and
records that cannot be unpacked or read: of these the first is a dead letter, the offsets behind it are lost.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from ranker.core.fold import Record
from ranker.core.partial_counts import Cut, PartialCounts, Rejected
from ranker.log.old_batches import OldBatch
from ranker.log.record_batches import Batch
from ranker.log.records import UnreadableError

if TYPE_CHECKING:
    from ranker.kernel._kernel import Stretch

_KNOWN_SOURCE = "b803e6d46480732c"
"""First digits of the SHA-256 of the client's function that this file replaces; a different one is not replaced."""
CHUNK_BYTES = 4 << 20
"""Bytes of keys and values in one chunk, not counting its last record: small batches may unpack to very large ones."""
RAW_RECORDS = 32_768
"""Records of one chunk for the kernel: what rules remember of them fits one step (MAX_KEYS of core/step.py)."""
_LOG_APPEND_TIME = 1

_original = fetcher.PartitionRecords._unpack_records  # noqa: SLF001  # the function that is replaced


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


class ChunkingDeserializer:
    """A value_deserializer that makes the patched client yield chunks of at most `limit` records.

    What the kernel can walk is for it, in chunks of at most `raw` records; 0: nothing is.
    """

    def __init__(self, limit: int, raw: int = 0) -> None:
        self.limit, self.raw = limit, raw

    def __call__(self, value: bytes | None) -> bytes | None:
        """Called by the client if the patch is not active: values stay bytes."""
        return value


class _ChunkBuilder:
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


def _unpack_records(self: Any) -> Iterator[Any]:
    if not isinstance(self._value_deserializer, ChunkingDeserializer):
        yield from _original(self)
        return
    chunking = self._value_deserializer
    builder = _ChunkBuilder(chunking.limit, self.next_fetch_offset, chunking.raw)
    fault = None
    try:
        yield from _chunks(self, builder)
    except Exception as error:  # corrupt, or an unknown codec: must not concern other partitions
        fault = UnreadableBatchError(
            f"{type(error).__name__}: {error}; if the batch is damaged, restore it from another replica"
        )
    # set before the yield, here and below: the client compares it with its position afterwards
    self.next_fetch_offset = builder.position
    if builder.start < builder.position:
        yield builder.chunk()
    if fault is not None:
        yield Chunk(builder.position, builder.position, error=fault)


def _chunks(self: Any, builder: _ChunkBuilder) -> Iterator[Chunk]:
    """The client's own loop over batches; yields chunks that are full or end with a leader epoch, leaves the rest."""
    records = self._records
    while records.has_next():
        batch = records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        if batch.leader_epoch != builder.epoch and builder.start < builder.position:
            self.next_fetch_offset = builder.position
            yield builder.chunk()
        builder.epoch = batch.leader_epoch
        skip = False
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            skip = batch.is_transactional and batch.producer_id in self._aborted_producers
        if not skip and not batch.is_control_batch:
            for chunk in _chunks_of(batch, builder):
                self.next_fetch_offset = builder.position
                yield chunk
        builder.position = max(builder.position, batch.next_offset)


def _chunks_of(batch: Batch | OldBatch, builder: _ChunkBuilder) -> Iterator[Chunk]:
    """Full chunks of one batch, and one that steps over its unreadable part. A chunk is all raw, or all read."""
    stretches = builder.stretches(batch)
    if stretches is None:
        if builder.has_stretches:
            yield builder.chunk()
        yield from _read_chunks_of(batch, builder)
        return
    if builder.has_records:
        yield builder.chunk()
    assert isinstance(batch, Batch)
    for stretch in stretches:
        builder.add_stretch(batch, stretch)
        if builder.full:
            yield builder.chunk()


def _read_chunks_of(batch: Batch | OldBatch, builder: _ChunkBuilder) -> Iterator[Chunk]:
    incoming: Iterator[Any] | None = None
    careful = False
    while True:
        some: list[Any] = []
        rest = None
        try:
            if incoming is None:
                incoming = batch.carefully(builder.position) if careful else _from(batch, builder.position)
            some.extend(builder.next_records(batch, incoming))  # keeps the records before an exception
            ended = not some
        except UnreadableError as unreadable:
            # the traceback would keep this frame and the unpacked data alive until the garbage collector runs
            rest, ended = unreadable.with_traceback(None), True
        except UnsupportedCodecError:
            raise
        except Exception:  # the client gives up with any of several errors
            if careful:
                raise
            incoming, careful, ended = None, True, False
        if some and not builder.position <= some[-1].offset < batch.next_offset:
            # offsets outside the batch: the client would continue from there
            some, incoming, careful, ended = [], None, True, False
        if some:
            builder.add(batch, some)
        # a large batch ends its chunk: bytes of its records besides keys and values are not counted
        if builder.full or (ended and builder.has_records and (rest is not None or batch.size >= CHUNK_BYTES)):
            yield builder.chunk()
        if rest is not None and builder.position < batch.next_offset:
            yield builder.unreadable_chunk(batch, rest)
        if ended:
            return


def _from(batch: Batch | OldBatch, start: int) -> Iterator[Any]:
    """The batch's records from offset `start` on: a fetch from inside a batch returns its beginning too."""
    records = batch.opened()
    # wrapped: the client's iterator can be started only once, and not be advanced again after its end
    return chain(records if batch.base_offset >= start else (r for r in records if r.offset >= start))


def install() -> bool:
    """Patches the client; False if it is not the version that the patch was written for (then records come singly)."""
    if fetcher.PartitionRecords._unpack_records is _unpack_records:  # noqa: SLF001
        return True
    if source_digest() != _KNOWN_SOURCE:
        return False
    fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
    return True


def source_digest() -> str:
    """First digits of the SHA-256 of the client's own function."""
    try:
        return hashlib.sha256(inspect.getsource(_original).encode()).hexdigest()[:16]
    except OSError:  # no source available: unknown
        return ""
