"""Fetched batches: checked by the processor's CRC instruction, unpacked up to a bound, read as far as possible.

The client's own `validate_crc` uses a table, byte by byte: 93 of the 1,190 ns that an event of 157 bytes costs in all.
With the processor's instruction for CRC-32C the check costs 7 ns. The client unpacks without a bound: 9.8 kB of zstd
became 300 MB, held three times.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import google_crc32c
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch

from ranker import kernel
from ranker.log.old_batches import OldBatch
from ranker.log.records import Record, Span, one_by_one, readable
from ranker.log.unpacking import MOST_BYTES, unpack

if TYPE_CHECKING:
    from ranker.kernel._kernel import Stretch

_LENGTH, _EPOCH, _MAGIC, _CRC, _ATTRIBUTES, _NUMBER, _RECORDS = 8, 12, 16, 17, 21, 57, 61
"""Offsets of these fields in a batch of version 2: https://kafka.apache.org/documentation/#recordbatch."""
_LEAST_OLD = 26
"""Bytes of the smallest batch of an old format."""
_CODEC = 7
_MOST_COPIED = 16 << 20
"""Unpacked bytes that are copied for the kernel: it shares what Python cannot change, which unpacked bytes can be."""
FAST = google_crc32c.implementation == "c"
"""Otherwise the package has no binary for this machine, and its Python code is slower than the client's."""


class Batch:
    """Replaces the client's DefaultRecordBatch, in the client's own loop and in ours (log/aiokafka_patch.py)."""

    def __init__(self, raw: memoryview, most_bytes: int, at: int = 0) -> None:
        """`raw` begins at byte `at` of what it is a view of."""
        self._raw, self._most_bytes, self._at = raw, most_bytes, at
        batch = self._batch = DefaultRecordBatch(raw)
        self._data = raw
        self._is_unpacked, self._is_whole = False, True
        self.producer_id = batch.producer_id
        self.base_offset, self.next_offset = batch.base_offset, batch.next_offset
        self.is_control_batch, self.is_transactional = batch.is_control_batch, batch.is_transactional
        self.timestamp_type, self.max_timestamp = batch.timestamp_type, batch.max_timestamp
        self.leader_epoch: int | None = _number(raw, _EPOCH)
        """The leader epoch in which it was appended; None for formats before 2."""

    @property
    def size(self) -> int:
        """Bytes of its records; the unpacked size once it is opened."""
        return len(self._data)

    def validate_crc(self) -> bool:
        """Whether the batch is undamaged."""
        if kernel.ON and isinstance(self._raw.obj, bytes):
            return kernel.crc_fits(self._raw.obj, self._at, self._at + len(self._raw))
        if not FAST:
            return bool(self._batch.validate_crc())
        return bool(
            google_crc32c.value(bytes(self._raw[_ATTRIBUTES:])) == int.from_bytes(self._raw[_CRC:_ATTRIBUTES], "big")
        )

    def opened(self) -> Any:
        """Its records, read by the client's own code, to be iterated once; raises at a record that it cannot read.

        Raises UnsupportedCodecError.
        """
        codec = self._raw[_ATTRIBUTES + 1] & _CODEC
        if codec and not self._is_unpacked:
            data, self._is_whole = unpack(codec, self._raw[_RECORDS:], self._most_bytes, _RECORDS)
            data[:_RECORDS] = self._raw[:_RECORDS]
            data[_ATTRIBUTES + 1] &= ~_CODEC
            self._data, self._batch, self._is_unpacked = memoryview(data), DefaultRecordBatch(data), True
        return self._batch

    def stretches(self, start: int, room: int, most: int, most_bytes: int) -> list[Stretch] | None:
        """Its records from offset `start` on, for the kernel: see `cut` there. None: they are read in another way.

        Raises UnsupportedCodecError.
        """
        if self._raw[_ATTRIBUTES + 1] & _CODEC:
            self.opened()
            if not self._is_whole or len(self._data) > _MOST_COPIED:
                return None
            data, at = bytes(self._data), 0
        elif isinstance(self._raw.obj, bytes):
            data, at = self._raw.obj, self._at
        else:
            return None
        return kernel.cut(data, at, at + len(self._data), start, room, most, most_bytes)

    def carefully(self, start: int) -> Iterator[Record]:
        """The records from offset `start` on, after `opened` has failed. Raises UnreadableError."""
        number, first_ms = _number(self._raw, _NUMBER), self._batch.first_timestamp
        span = Span(number, self.base_offset, self.next_offset, first_ms, self.max_timestamp, self.timestamp_type)
        return (record for record in one_by_one(self._data, _RECORDS, span) if record.offset >= start)

    def __iter__(self) -> Iterator[Any]:
        """For the client's own loop."""
        return readable(self)

    def __next__(self) -> Any:
        """The one record of a control batch."""
        return next(self._batch)


class Clean(NamedTuple):
    """What the kernel takes of a fetch without a look of ours."""

    stretches: list[Stretch]
    at: int
    next_offset: int
    leader_epoch: int
    has_create_time: bool
    is_too_large: bool
    """Not even the first batch fits."""


class RecordBatches:
    """Replaces the client's MemoryRecords; `fetched` are whole batches, and maybe the beginning of one more.

    At most `most_bytes` of each batch are unpacked. The client's class assumes the format of the first batch for all,
    and cannot read a log that changes from format 1 to 2.
    """

    __slots__ = ("_at", "_fetched", "_most_bytes")

    def __init__(self, fetched: bytes, most_bytes: int = MOST_BYTES) -> None:
        self._fetched = memoryview(fetched)
        self._most_bytes = most_bytes
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._fetched)

    def has_next(self) -> bool:
        return self._end() is not None

    def clean(self, start: int, room: int, most_bytes: int, *, check_crcs: bool) -> Clean | None:
        """The next batches as far as they are clean: see `clean_batches` of the kernel. None if the next one is not."""
        fetched = self._fetched.obj
        if not isinstance(fetched, bytes):
            return None
        found = kernel.clean_batches(fetched, self._at, start, room, most_bytes, check_crcs=check_crcs)
        if found is None:
            return None
        clean = Clean(*found, is_too_large=found[1] == self._at)
        self._at = clean.at
        return clean

    def next_batch(self) -> Batch | OldBatch | None:
        """The next batch, None after the last. Raises CorruptRecordException."""
        end, at = self._end(), self._at
        if end is None:
            return None
        raw, self._at = self._fetched[at:end], end
        if len(raw) < _LEAST_OLD or (raw[_MAGIC] >= 2 and len(raw) < _RECORDS):
            raise CorruptRecordException(f"a batch of {len(raw)} bytes")
        return Batch(raw, self._most_bytes, at) if raw[_MAGIC] >= 2 else OldBatch(raw, self._most_bytes)

    def _end(self) -> int | None:
        """End of the next batch; None if it is not complete."""
        begins = self._at + _LENGTH + 4
        if begins > len(self._fetched):
            return None
        end = begins + max(0, _number(self._fetched, self._at + _LENGTH))
        return end if end <= len(self._fetched) else None


def _number(data: memoryview, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big", signed=True)


def install(most_bytes: int | None = None) -> None:
    """Makes every consumer of this process unpack at most `most_bytes` of a batch, from its next fetch on.

    None keeps the bound installed before, or MOST_BYTES.
    """
    if most_bytes is not None or not isinstance(fetcher.MemoryRecords, partial):
        fetcher.MemoryRecords = partial(RecordBatches, most_bytes=most_bytes or MOST_BYTES)
