"""Unpacks compressed batches up to a bound: 10 kB of zstd may become 300 MB, and frames may claim any size.

The codecs write into a given buffer and stop at its end, so a frame's claim never allocates memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka.errors import UnsupportedCodecError

MOST_BYTES = 64 << 20
"""Of one batch, unless configured (consume.unpack_mb)."""
_FIRST_BYTES, _TIMES = 512 << 10, 8
"""Size of the buffer: the packed size times so much, then each time so much more, up to the bound."""
_XERIAL = b"\x82SNAPPY\0"
"""Begins the frames of the Java client's snappy: 16 bytes, then blocks, each after its length."""


def _snappy(packed: memoryview, into: memoryview) -> int:
    if packed[: len(_XERIAL)] != _XERIAL:
        return int(cramjam.snappy.decompress_raw_into(packed, into))
    at, done = 16, 0
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        if length <= 0:
            raise cramjam.DecompressionError("a block without a length")
        done += int(cramjam.snappy.decompress_raw_into(packed[at + 4 : at + 4 + length], into[done:]))
        at += 4 + length
    return done


_CODECS: dict[int, Callable[[Any, Any], int]] = {
    1: cramjam.gzip.decompress_into,
    2: _snappy,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}


def unpack(codec: int, packed: memoryview, most_bytes: int, head: int = 0) -> tuple[bytearray, bool]:
    """`head` bytes to be filled by the caller, then the unpacked data; and whether that is all of it.

    If it is not all, it ends with the last byte that is not zero. Raises UnsupportedCodecError.
    """
    unpack_into = _CODECS.get(codec)
    if unpack_into is None:
        raise UnsupportedCodecError(f"compression {codec} is not known here; install a newer version of this software")
    size = max(_FIRST_BYTES, len(packed) * _TIMES)
    while True:
        size = min(size, most_bytes)
        buffer = bytearray(head + size)
        with memoryview(buffer) as view, view[head:] as free:
            try:
                unpacked = unpack_into(packed, free)
            except (cramjam.DecompressionError, struct.error):
                unpacked = -1  # too small a buffer, or broken: the codecs do not say which
        if unpacked >= 0:
            del buffer[head + unpacked :]
            return buffer, True
        if size == most_bytes:
            _cut(buffer, head)
            return buffer, False
        buffer.clear()  # before the next one is allocated
        size *= _TIMES


def _cut(buffer: bytearray, head: int) -> None:
    """Removes the zeros that no codec wrote: with them a record that is cut off would seem whole."""
    end = len(buffer)
    while (start := max(head, end - _FIRST_BYTES)) < end and buffer.count(0, start, end) == end - start:
        end = start
    del buffer[start + len(bytes(buffer[start:end]).rstrip(b"\0")) :]
