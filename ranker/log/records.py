"""Reads records one by one, for batches that the client cannot read to their end: slower, and as far as possible.

The client gives up a batch for a header whose name is no UTF-8, or for undefined attributes. Kafka accepts such
records, so they occur. Here they are read by their length prefixes: offset, time, key, value and headers of each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka.errors import UnsupportedCodecError

from ranker.core.event import MAX_VALUE_BYTES
from ranker.core.partial_counts import KEPT_BYTES

log = logging.getLogger(__name__)

FROM_HERE = -1
"""An offset below every other: from the present position on."""


@dataclass(frozen=True, slots=True)
class Record:
    """With the fields of the client's own records."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    checksum: None = None


class UnreadableError(Exception):
    """From `offset` on a batch cannot be read; `key` and `value` are as much of its next record as could be."""

    def __init__(self, offset: int, key: bytes | None = None, value: bytes | None = None, size: int = 0) -> None:
        """`size` is the least length of the value."""
        super().__init__(f"offset {offset} and on")
        self.offset = offset
        self.reason = "too_large" if size > MAX_VALUE_BYTES else "unreadable"
        self.key, self.value = key, value


@dataclass(frozen=True, slots=True)
class Span:
    """The header of a batch of format 2: number of records, offsets [base, end), and times."""

    number: int
    base: int
    end: int
    first_ms: int
    max_ms: int
    timestamp_type: int


def one_by_one(data: memoryview, at: int, span: Span) -> Iterator[Record]:
    """The records that begin at `at`. Raises UnreadableError if they are cut or broken before the batch's end."""
    next_offset = span.base
    for _ in range(span.number):
        try:
            length, at = _varint(data, at)
            stop = at + length
            since_ms, place = _varint(data, at + 1)  # behind the attributes
            delta, place = _varint(data, place)
            offset = span.base + delta
            if length < 0 or not next_offset <= offset < span.end:
                break
            key, place = _field(data, place)
            value, place = _field(data, place)
            headers = _headers(data[:stop], place) if place <= stop <= len(data) else ()
        except IndexError:
            break
        if max(stop, place) > len(data) or place > stop:
            raise UnreadableError(offset, _bytes(key, KEPT_BYTES), _bytes(value, KEPT_BYTES), len(value or b""))
        timestamp = span.max_ms if span.timestamp_type == 1 else span.first_ms + since_ms
        yield Record(offset, timestamp, span.timestamp_type, _bytes(key), _bytes(value), headers)
        at, next_offset = stop, offset + 1
    else:
        return
    if next_offset < span.end:
        raise UnreadableError(next_offset)


def _field(data: memoryview, at: int) -> tuple[memoryview | None, int]:
    """A key or a value, as much of it as there is, and its end according to its length."""
    length, at = _varint(data, at)
    return (None, at) if length < 0 else (data[at : at + length], at + length)


def _headers(data: memoryview, at: int) -> tuple[tuple[str, bytes | None], ...]:
    """Names and values; of a name that is no UTF-8 some bytes are hexadecimal digits. None if `data` ends before."""
    found: list[tuple[str, bytes | None]] = []
    try:
        number, at = _varint(data, at)
        for _ in range(number):
            name, at = _field(data, at)
            value, at = _field(data, at)
            if at > len(data):
                return ()
            found.append((str(_bytes(name) or b"", "utf-8", "backslashreplace"), _bytes(value)))
    except IndexError:
        return ()
    return tuple(found)


def _bytes(field: memoryview | None, most: int | None = None) -> bytes | None:
    return None if field is None else bytes(field[:most])


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A zigzag-encoded number of 64 bits at most, and its end. Raises IndexError if the data end before it."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > 63:
            raise IndexError


class Readable(Protocol):
    """A batch with a fast and a careful way to read it (log/record_batches.py)."""

    base_offset: int
    next_offset: int

    def opened(self) -> Any: ...
    def carefully(self, start: int) -> Iterator[Record]: ...


def readable(batch: Readable) -> Iterator[Any]:
    """All records that can be read of a batch; the others are left out, and logged."""
    at = batch.base_offset
    try:
        for record in batch.opened():
            if at <= record.offset < batch.next_offset:  # Kafka does not check offsets inside a batch
                yield record
                at = record.offset + 1
    except UnsupportedCodecError:
        raise
    except Exception:  # the client gives up with any of several errors
        try:
            yield from batch.carefully(at)
        except UnreadableError as rest:
            place = {"from": max(at, rest.offset), "to": batch.next_offset}
            log.error("records left out: they cannot be unpacked or read", extra=place)  # noqa: TRY400
