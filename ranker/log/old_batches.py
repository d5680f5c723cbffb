"""Batches of message formats 0 and 1, which brokers still hand out from logs that were begun before Kafka 0.11.

A batch is one message; a compressed one contains others. Format 0 has no time: such a record stops its partition
(consume/fold_chunk.py).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from aiokafka.errors import CorruptRecordException
from aiokafka.record.legacy_records import LegacyRecordBatch

from ranker.log.records import FROM_HERE, Record, UnreadableError, readable
from ranker.log.unpacking import unpack

_OVERHEAD = 12
"""Bytes of offset and length before each message."""
_MAGIC, _ATTRIBUTES, _TIME = 16, 17, 18
_CODEC, _LZ4, _LOG_APPEND_TIME = 7, 3, 8
_LZ4_FLAGS, _LZ4_HAS_SIZE = 4, 8
_WORD = 0xFFFFFFFF
_PRIMES = (2654435761, 2246822519, 3266489917, 668265263, 374761393)
"""Of XXH32, which no dependency has; a header is too short for its four-lane part."""


class OldBatch:
    """Stands in for the client's LegacyRecordBatch."""

    is_control_batch = is_transactional = False
    producer_id = None
    leader_epoch = None
    base_offset = -1
    """Unknown until it is unpacked."""

    def __init__(self, raw: memoryview, most_bytes: int) -> None:
        self._raw, self._most_bytes = raw, most_bytes
        self._offset, self.max_timestamp, self.timestamp_type = _header(raw)
        self.next_offset = self._offset + 1
        self.size = len(raw)

    def validate_crc(self) -> bool:
        """By CRC-32, not CRC-32C as in format 2."""
        return _intact(self._raw)

    def opened(self) -> Iterator[Record]:
        """Its records. Raises UnreadableError, UnsupportedCodecError."""
        codec = self._raw[_ATTRIBUTES] & _CODEC
        if not codec:
            return iter([_record(self._raw, self._offset, self.max_timestamp, self.timestamp_type)])
        packed = self._packed()
        if codec == _LZ4 and not self._raw[_MAGIC]:
            packed = _with_its_checksum(packed)
        data, whole = unpack(codec, packed, self._most_bytes)
        if not whole:
            raise UnreadableError(FROM_HERE)
        self.size = len(data)
        return self._inner(memoryview(data))

    def carefully(self, start: int) -> Iterator[Record]:
        """Always raises UnreadableError: only the last message shows the offset of the first, so `opened` read all."""
        raise UnreadableError(start)

    def __iter__(self) -> Iterator[Record]:
        """For the client's own loop."""
        return readable(self)

    def _packed(self) -> memoryview:
        """The value of the outer message."""
        try:
            at = _TIME + (8 if self._raw[_MAGIC] else 0)
            (key_bytes,) = struct.unpack_from(">i", self._raw, at)
            at += 4 + max(key_bytes, 0)
            (value_bytes,) = struct.unpack_from(">i", self._raw, at)
        except struct.error:
            raise UnreadableError(FROM_HERE) from None
        return self._raw[at + 4 : at + 4 + max(value_bytes, 0)]

    def _inner(self, data: memoryview) -> Iterator[Record]:
        """In format 1 the outer offset is that of the last message, and inner ones begin at 0."""
        try:
            first = 0
            if self._raw[_MAGIC]:
                for message in _messages(data):
                    first = self._offset - _header(message)[0]
            for message in _messages(data):
                offset, append_ms, kind = _header(message)
                if message[_ATTRIBUTES] & _CODEC or not _intact(message):
                    raise UnreadableError(first + offset)
                if self.timestamp_type == 1:
                    append_ms, kind = self.max_timestamp, 1
                yield _record(message, first + offset, append_ms, kind)
        except (CorruptRecordException, IndexError, struct.error):
            raise UnreadableError(FROM_HERE) from None


def _messages(data: memoryview) -> Iterator[memoryview]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        if length < _TIME - _OVERHEAD or at + _OVERHEAD + length > len(data):
            raise IndexError
        yield data[at : at + _OVERHEAD + length]
        at += _OVERHEAD + length


def _header(message: memoryview) -> tuple[int, int, int]:
    """Offset, time in milliseconds (-1: none), and whether that is the broker's (1) or the producer's (0)."""
    (offset,) = struct.unpack_from(">q", message)
    if not message[_MAGIC]:
        return offset, -1, 0
    return offset, struct.unpack_from(">q", message, _TIME)[0], int(bool(message[_ATTRIBUTES] & _LOG_APPEND_TIME))


def _intact(message: memoryview) -> bool:
    return zlib.crc32(message[_MAGIC:]) == int.from_bytes(message[_OVERHEAD:_MAGIC], "big")


def _with_its_checksum(frame: memoryview) -> memoryview:
    """An LZ4 frame with the correct header checksum: until Kafka 0.10 it included the frame's magic.

    It is the second byte of the XXH32 of flags, block size and, if the flags say so, 8 bytes of the content's size.
    """
    end = _LZ4_FLAGS + (10 if frame[_LZ4_FLAGS : _LZ4_FLAGS + 1] and frame[_LZ4_FLAGS] & _LZ4_HAS_SIZE else 2)
    header = bytes(frame[_LZ4_FLAGS:end])
    whole = len(header) // 4 * 4
    total = _PRIMES[4] + len(header)
    for (word,) in struct.iter_unpack("<I", header[:whole]):
        total = _rotated(total + word * _PRIMES[2], 17) * _PRIMES[3]
    for byte in header[whole:]:
        total = _rotated(total + byte * _PRIMES[4], 11) * _PRIMES[0]
    for bits, prime in ((15, _PRIMES[1]), (13, _PRIMES[2])):
        total = (total & _WORD ^ (total & _WORD) >> bits) * prime
    total &= _WORD
    return memoryview(bytes(frame[:end]) + bytes([(total ^ total >> 16) >> 8 & 0xFF]) + bytes(frame[end + 1 :]))


def _rotated(number: int, bits: int) -> int:
    number &= _WORD
    return (number << bits | number >> 32 - bits) & _WORD


def _record(message: memoryview, offset: int, append_ms: int, kind: int) -> Record:
    """The record of an uncompressed message, read by the client's own code."""
    (record,) = LegacyRecordBatch(message, message[_MAGIC])
    return Record(offset, append_ms, kind, record.key, record.value)
