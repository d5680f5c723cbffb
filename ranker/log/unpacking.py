"""Unpacking what producers have packed, up to a bound: 10 kB of zstd may come to 300 MB, and frames may claim any size.

The codecs write into memory that is given to them and stop at its end, so nothing is allocated by what a frame claims.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cramjam
from aiokafka.errors import UnsupportedCodecError

MOST_BYTES = 64 << 20
"""Of one batch, where nothing else is configured (consume.unpack_mb)."""
_FIRST_BYTES, _TIMES = 512 << 10, 8
"""How much memory is tried: so many times what is packed, then so many times more, up to the bound."""
_XERIAL = b"\x82SNAPPY\0"
"""Begins the frames of the Java client's snappy: 16 bytes, then blocks with their lengths before them."""


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
    """`head` bytes to be filled by the caller, then what was packed, and whether that is all of it.

    What is not all ends with the last byte that is not zero. Raises UnsupportedCodecError.
    """
    unpack_into = _CODECS.get(codec)
    if unpack_into is None:
        raise UnsupportedCodecError(f"compression {codec} is not known here; install a newer version of this software")
    size = max(_FIRST_BYTES, len(packed) * _TIMES)
    while True:
        size = min(size, most_bytes)
        room = bytearray(head + size)
        with memoryview(room) as view, view[head:] as free:
            try:
                unpacked = unpack_into(packed, free)
            except (cramjam.DecompressionError, struct.error):
                unpacked = -1  # too little room, or broken: the codecs do not say which
        if unpacked >= 0:
            del room[head + unpacked :]
            return room, True
        if size == most_bytes:
            _cut(room, head)
            return room, False
        room.clear()  # before the next one is there
        size *= _TIMES


def _cut(room: bytearray, head: int) -> None:
    """Take off the zeros that no codec wrote, or a record that is broken off would seem to be whole."""
    end = len(room)
    while (start := max(head, end - _FIRST_BYTES)) < end and room.count(0, start, end) == end - start:
        end = start
    del room[start + len(bytes(room[start:end]).rstrip(b"\0")) :]
