"""Folds record batches inside aiokafka, without a Python object per record.

`PartitionRecords._unpack_records` of aiokafka 0.14 turns each record of a fetched batch into a `ConsumerRecord`, which
is most of the cost of a naive loop. Where a consumer's value_deserializer is a `Folding`, the function below runs
instead: the outer loop (corrupt batches, aborted transactions, control batches) is the client's own, and only the inner
one differs. It yields `Chunk`s, each starting where the last one ended, also over holes and skipped batches.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from ranker.core.fold import Record
from ranker.core.tally import Tally
from ranker.log.batches import Batches

_KNOWN_SOURCE = "b803e6d46480732c"
"""First digits of the SHA-256 of the function that this file follows; another one is not replaced."""
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
    tally: Tally | None
    create_time: bool = False
    error: Exception | None = None
    epoch: int | None = None


class UnreadableBatchError(Exception):
    """A fetched batch is damaged or packed in a way that is not known here; the message says what to do."""


class Fold(Protocol):
    """What turns records into a tally (core.fold.Fold)."""

    def __call__(self, records: Sequence[Record], stamps: tuple[int, int] | None = None) -> Tally: ...


class Folding:
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
            return Chunk(start, end, self._fold(records, stamps), create_time=stamps is None)
        except Exception as error:  # handed to the loop, which stops this partition alone
            return Chunk(start, end, None, stamps is None, error)


class _Gathering:
    """Records of one or several batches on their way into a chunk; `position` is up to where batches are in."""

    def __init__(self, folding: Folding, start: int) -> None:
        self._folding = folding
        self.position = start
        self.epoch: int | None = None
        self._begin(start)

    def _begin(self, start: int) -> None:
        self.start = start
        self._create_time = False
        self._low, self._high = _NEVER_MS, 0
        self.records: list[Any] = []

    def stamp(self, batch: Any) -> None:
        """Takes note of the append time of a batch; the broker gives all its records the same."""
        if batch.timestamp_type != _LOG_APPEND_TIME:
            self._create_time = True
        self._low = min(self._low, batch.max_timestamp)
        self._high = max(self._high, batch.max_timestamp)

    def chunk(self) -> Chunk:
        """All that has been gathered; the next gathering starts where it ends."""
        stamps = None if self._create_time else (self._low, self._high)
        chunk = self._folding.chunk(self.start, self.position, self.records, stamps)
        chunk.epoch = self.epoch
        self._begin(self.position)
        return chunk


def _unpack_records(self: Any) -> Iterator[Any]:
    folding = self._value_deserializer
    if not isinstance(folding, Folding):
        yield from _original(self)
        return
    gathering = _Gathering(folding, self.next_fetch_offset)
    fault = None
    try:
        yield from _chunks(self, gathering, folding.limit)
    except Exception as error:  # corrupt, or a codec that is not installed: this partition's affair, not the others'
        fault = UnreadableBatchError(
            f"{type(error).__name__}: {error}; if a compression library is missing, install cramjam, and if the "
            "batch is damaged, restore it from another replica"
        )
    # before the yield, here and below: the client compares it with its position when it comes back
    self.next_fetch_offset = gathering.position
    if gathering.start < gathering.position:
        yield gathering.chunk()
    if fault is not None:
        yield Chunk(gathering.position, gathering.position, None, error=fault)


def _chunks(self: Any, gathering: _Gathering, limit: int) -> Iterator[Chunk]:
    """The client's own loop over batches; yields chunks that are full or end with a leader's term, leaves the rest."""
    records = self._records
    while records.has_next():
        batch = records.next_batch()
        if self._check_crcs and not records.intact():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        if records.leader_epoch != gathering.epoch and gathering.start < gathering.position:
            self.next_fetch_offset = gathering.position
            yield gathering.chunk()
        gathering.epoch = records.leader_epoch
        skip = False
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            skip = batch.is_transactional and batch.producer_id in self._aborted_producers
        if not skip and not batch.is_control_batch:
            position = gathering.position
            # a fetch from inside a batch returns it from its beginning
            new = batch if batch.base_offset >= position else (r for r in batch if r.offset >= position)
            incoming = chain(new)  # an iterator of its own: the batch can be begun only once
            while True:
                room = limit - len(gathering.records)
                part = list(islice(incoming, room))
                if part:
                    gathering.stamp(batch)
                    gathering.records += part
                if len(part) < room:
                    break  # a batch must not be asked again once it has ended
                self.next_fetch_offset = gathering.position = part[-1].offset + 1
                yield gathering.chunk()
        gathering.position = max(gathering.position, batch.next_offset)


def install() -> bool:
    """Puts the seam in place; False where the client is not the one it was written for (then records come singly)."""
    if fetcher.PartitionRecords._unpack_records is _unpack_records:  # noqa: SLF001
        return True
    if source_digest() != _KNOWN_SOURCE:
        return False
    fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
    fetcher.MemoryRecords = Batches
    return True


def source_digest() -> str:
    """First digits of the SHA-256 of the client's own function."""
    try:
        return hashlib.sha256(inspect.getsource(_original).encode()).hexdigest()[:16]
    except OSError:  # no source at hand: unknown
        return ""
