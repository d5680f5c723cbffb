"""Folds record batches inside aiokafka, without a Python object per record.

`PartitionRecords._unpack_records` of aiokafka 0.14 turns each record of a fetched batch into a `ConsumerRecord`, which
is most of the cost of a naive loop. Where a consumer's value_deserializer is a `Folding`, the function below runs
instead: the outer loop (corrupt batches, aborted transactions, control batches) is the client's own, and only the inner
one differs. It yields `Chunk`s, each starting where the last one ended, also over holes and skipped batches.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from ranker.core.fold import Record
from ranker.core.tally import Tally

_KNOWN_SOURCE = "b803e6d46480732c"
"""First digits of the SHA-256 of the function that this file follows; another one is not replaced."""
_LOG_APPEND_TIME = 1

_original = fetcher.PartitionRecords._unpack_records  # noqa: SLF001  # the seam


@dataclass(slots=True)
class Chunk:
    """Records [start, end) of a partition: their tally, or the exception that the fold ended with.

    `tally` is None where no record is left between the two (holes, aborted or control batches). `create_time` says
    that at least one record carries its producer's time instead of the broker's.
    """

    start: int
    end: int
    tally: Tally | None
    create_time: bool = False
    error: Exception | None = None


class Folding:
    """A value_deserializer that asks for chunks of at most `limit` records instead of records."""

    def __init__(self, fold: Callable[[Sequence[Record]], Tally], limit: int) -> None:
        self._fold = fold
        self.limit = limit

    def __call__(self, value: bytes | None) -> bytes | None:
        """What the client calls where the seam is not active: values stay bytes."""
        return value

    def chunk(self, start: int, end: int, records: Sequence[Record], *, create_time: bool) -> Chunk:
        """Never raises: an exception here would drop other partitions' drained records in silence."""
        if not records:
            return Chunk(start, end, None)
        try:
            return Chunk(start, end, self._fold(records), create_time)
        except Exception as error:  # handed to the loop, which stops this partition alone
            return Chunk(start, end, None, create_time, error)


def _unpack_records(self: Any) -> Iterator[Any]:
    folding = self._value_deserializer
    if not isinstance(folding, Folding):
        yield from _original(self)
        return
    start = position = self.next_fetch_offset
    buffer: list[Any] = []
    create_time = False
    records = self._records
    while records.has_next():
        batch = records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            if buffer:
                self.next_fetch_offset = position
                yield folding.chunk(start, position, buffer, create_time=create_time)
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        skip = False
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            skip = batch.is_transactional and batch.producer_id in self._aborted_producers
        if not skip and not batch.is_control_batch:
            create_time = create_time or batch.timestamp_type != _LOG_APPEND_TIME
            for record in batch:
                if record.offset < position:
                    continue  # a fetch from inside a batch returns it from its beginning
                buffer.append(record)
                if len(buffer) == folding.limit:
                    # before the yield: the client compares it with its position when it comes back
                    self.next_fetch_offset = position = record.offset + 1
                    yield folding.chunk(start, position, buffer, create_time=create_time)
                    start, buffer, create_time = position, [], batch.timestamp_type != _LOG_APPEND_TIME
        position = max(position, batch.next_offset)
    if start < position:
        self.next_fetch_offset = position
        yield folding.chunk(start, position, buffer, create_time=create_time)


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
