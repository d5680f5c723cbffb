"""Folds record batches inside aiokafka, without a Python object per record.

`PartitionRecords._unpack_records` of aiokafka 0.14 turns each record of a fetched batch into a `ConsumerRecord`, which
is most of the cost of a naive loop. Where a consumer's value_deserializer is a `Folding`, the function below runs
instead: the outer loop (corrupt batches, aborted transactions, control batches) is the client's own, and only the inner
one differs. It yields `Chunk`s, each starting where the last one ended, also over holes and skipped batches, and over
what cannot be unpacked or read: that is a dead letter, and what is lost behind it.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from ranker.core.fold import Record
from ranker.core.partial_counts import Cut, PartialCounts, Rejected
from ranker.log.old_batches import OldBatch
from ranker.log.record_batches import Batch
from ranker.log.records import UnreadableError

_KNOWN_SOURCE = "b803e6d46480732c"
"""First digits of the SHA-256 of the function that this file follows; another one is not replaced."""
CHUNK_BYTES = 4 << 20
"""Keys and values that one chunk gathers, but for its last record: small batches may unpack to very large ones."""
_LOG_APPEND_TIME = 1
_NEVER_MS = 1 << 62

_original = fetcher.PartitionRecords._unpack_records  # noqa: SLF001  # the seam


@dataclass(slots=True)
class Chunk:
    """Records [start, end) of a partition: their tally, or the exception that the fold ended with.

    `tally` is None where no record is left between the two (holes, aborted or control batches). `create_time` says
    that at least one record carries its producer's time instead of the broker's. All of it was appended in one leader's
    `epoch`; None: not known.
    """

    start: int
    end: int
    partial: PartialCounts | None
    create_time: bool = False
    error: Exception | None = None
    epoch: int | None = None


class UnreadableBatchError(Exception):
    """A fetched batch is damaged, or packed in a way that is not known here; the message says what to do."""


class Fold(Protocol):
    """What turns records into a tally (core.fold.Fold)."""

    def __call__(self, records: Sequence[Record], stamps: tuple[int, int] | None = None) -> PartialCounts: ...


class FoldingDeserializer:
    """A value_deserializer that asks for chunks of at most `limit` records instead of records."""

    def __init__(self, fold: Fold, limit: int) -> None:
        self._fold = fold
        self.limit = limit

    def __call__(self, value: bytes | None) -> bytes | None:
        """What the client calls where the seam is not active: values stay bytes."""
        return value

    def chunk(self, start: int, end: int, records: Sequence[Record], stamps: tuple[int, int] | None) -> Chunk:
        """Never raises: an exception here would drop other partitions' drained records in silence.

        `stamps` are the lowest and the highest append time, None where they are the producers' own.
        """
        if not records:
            return Chunk(start, end, None)
        try:
            partial = self._fold(records, stamps)
            for letter in partial.rejected:
                letter.offset = min(max(letter.offset, start), end - 1)  # Kafka does not look at offsets inside a batch
            return Chunk(start, end, partial, create_time=stamps is None)
        except Exception as error:  # handed to the loop, which stops this partition alone
            return Chunk(start, end, None, stamps is None, error)


class _Gathering:
    """Records of one or several batches on their way into a chunk; `position` is up to where records are in."""

    def __init__(self, folding: FoldingDeserializer, start: int) -> None:
        self._folding = folding
        self.position = start
        self.epoch: int | None = None
        self._begin(start)

    def _begin(self, start: int) -> None:
        self.start = start
        self._create_time = False
        self._low, self._high = _NEVER_MS, 0
        self._bytes = 0
        self._records: list[Any] = []

    @property
    def holds(self) -> bool:
        return bool(self._records)

    @property
    def full(self) -> bool:
        return self._bytes >= CHUNK_BYTES or len(self._records) >= self._folding.limit

    def some_of(self, batch: Batch | OldBatch, incoming: Iterator[Any]) -> Iterator[Any]:
        """As many records as there is room for, at least one."""
        some = islice(incoming, self._folding.limit - len(self._records))
        return some if batch.size < CHUNK_BYTES else _weighed(some, CHUNK_BYTES - self._bytes)

    def add(self, batch: Batch | OldBatch, records: list[Any]) -> None:
        """Takes them in. The broker gives all records of a batch the same append time."""
        if batch.timestamp_type != _LOG_APPEND_TIME:
            self._create_time = True
        self._low = min(self._low, batch.max_timestamp)
        self._high = max(self._high, batch.max_timestamp)
        self._bytes += batch.size if batch.size < CHUNK_BYTES else sum(map(_weight, records))
        self._records += records
        self.position = records[-1].offset + 1

    def chunk(self) -> Chunk:
        """All that has been gathered; the next gathering starts where it ends."""
        stamps = None if self._create_time else (self._low, self._high)
        chunk = self._folding.chunk(self.start, self.position, self._records, stamps)
        chunk.epoch = self.epoch
        self._begin(self.position)
        return chunk

    def without(self, batch: Batch | OldBatch, rest: UnreadableError) -> Chunk:
        """From where `rest` begins up to the batch's end: one dead letter, and what is lost behind it."""
        offset = rest.offset if self.position <= rest.offset < batch.next_offset else self.position
        self.position = batch.next_offset
        letter = Rejected(offset, batch.max_timestamp, rest.reason, rest.key, rest.value, Cut(None, None))
        partial = PartialCounts(records=1, rejected=[letter], first_append_ms=batch.max_timestamp)
        if offset + 1 < self.position:
            partial.lost, partial.lost_ms = [range(offset + 1, self.position)], batch.max_timestamp
        chunk = Chunk(self.start, self.position, partial, batch.timestamp_type != _LOG_APPEND_TIME)
        chunk.epoch = self.epoch
        self._begin(self.position)
        return chunk


def _weighed(records: Iterator[Any], most_bytes: int) -> Iterator[Any]:
    """Records until they have so many bytes, one at least."""
    for record in records:
        yield record
        most_bytes -= _weight(record)
        if most_bytes <= 0:
            return


def _weight(record: Any) -> int:
    return len(record.value or b"") + len(record.key or b"")


def _unpack_records(self: Any) -> Iterator[Any]:
    folding = self._value_deserializer
    if not isinstance(folding, FoldingDeserializer):
        yield from _original(self)
        return
    gathering = _Gathering(folding, self.next_fetch_offset)
    fault = None
    try:
        yield from _chunks(self, gathering)
    except Exception as error:  # corrupt, or a codec that is not known: this partition's affair, not the others'
        fault = UnreadableBatchError(
            f"{type(error).__name__}: {error}; if the batch is damaged, restore it from another replica"
        )
    # before the yield, here and below: the client compares it with its position when it comes back
    self.next_fetch_offset = gathering.position
    if gathering.start < gathering.position:
        yield gathering.chunk()
    if fault is not None:
        yield Chunk(gathering.position, gathering.position, None, error=fault)


def _chunks(self: Any, gathering: _Gathering) -> Iterator[Chunk]:
    """The client's own loop over batches; yields chunks that are full or end with a leader's term, leaves the rest."""
    records = self._records
    while records.has_next():
        batch = records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        if batch.leader_epoch != gathering.epoch and gathering.start < gathering.position:
            self.next_fetch_offset = gathering.position
            yield gathering.chunk()
        gathering.epoch = batch.leader_epoch
        skip = False
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            skip = batch.is_transactional and batch.producer_id in self._aborted_producers
        if not skip and not batch.is_control_batch:
            for chunk in _chunks_of(batch, gathering):
                self.next_fetch_offset = gathering.position
                yield chunk
        gathering.position = max(gathering.position, batch.next_offset)


def _chunks_of(batch: Batch | OldBatch, gathering: _Gathering) -> Iterator[Chunk]:
    """Full chunks of one batch, and one that steps over what cannot be read of it."""
    incoming: Iterator[Any] | None = None
    careful = False
    while True:
        some: list[Any] = []
        rest = None
        try:
            if incoming is None:
                incoming = batch.carefully(gathering.position) if careful else _from(batch, gathering.position)
            some.extend(gathering.some_of(batch, incoming))  # what came before a fault stays in it
            ended = not some
        except UnreadableError as unreadable:
            # its traceback would hold this frame, and both what was unpacked, until the collector comes by
            rest, ended = unreadable.with_traceback(None), True
        except UnsupportedCodecError:
            raise
        except Exception:  # whatever the client says when it gives up
            if careful:
                raise
            incoming, careful, ended = None, True, False
        if some and not gathering.position <= some[-1].offset < batch.next_offset:
            # the client would go on at its place
            some, incoming, careful, ended = [], None, True, False
        if some:
            gathering.add(batch, some)
        # a large batch ends its chunk: what its records hold beside keys and values is not weighed
        if gathering.full or (ended and gathering.holds and (rest is not None or batch.size >= CHUNK_BYTES)):
            yield gathering.chunk()
        if rest is not None and gathering.position < batch.next_offset:
            yield gathering.without(batch, rest)
        if ended:
            return


def _from(batch: Batch | OldBatch, start: int) -> Iterator[Any]:
    """Its records from offset `start` on: a fetch from inside a batch returns its beginning too."""
    records = batch.opened()
    # an iterator of its own: the client's can be begun only once, and not be asked again once it has ended
    return chain(records if batch.base_offset >= start else (r for r in records if r.offset >= start))


def install() -> bool:
    """Puts the seam in place; False where the client is not the one it was written for (then records come singly)."""
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
    except OSError:  # no source at hand: unknown
        return ""
