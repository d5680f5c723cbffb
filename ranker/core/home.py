"""The partition an article belongs to: what Kafka's default partitioner makes of the key `site/article`."""

from __future__ import annotations

import functools
import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


@functools.lru_cache(maxsize=1 << 16)  # aliases and strays are looked up at every refresh; 4 us each
def murmur2(key: bytes) -> int:
    """Kafka's 32-bit MurmurHash2 of `key`, as an unsigned integer (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(key)
    whole = length & ~3
    hash_ = _SEED ^ length
    for (word,) in struct.iter_unpack("<I", key[:whole]):
        k = word * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        hash_ = hash_ * _M & _MASK ^ k
    if tail := key[whole:]:
        hash_ = (hash_ ^ int.from_bytes(tail, "little")) * _M & _MASK
    hash_ = (hash_ ^ hash_ >> 13) * _M & _MASK
    return hash_ ^ hash_ >> 15


def home(key: bytes, partitions: int) -> int:
    """The partition, from 0, that `key` (b"site/article") belongs to when a topic has `partitions` of them."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
