"""Record batches byte by byte: what Kafka takes from strangers and no client of ours would write."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import cramjam
import google_crc32c
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest

PACK: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: gzip_encode,
    2: snappy_encode,
    3: lz4_encode,
    4: zstd_encode,
}
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
LOG_APPEND_TIME = 8
_TRIES = 50


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _field(value: bytes | None) -> bytes:
    return varint(-1) if value is None else varint(len(value)) + value


def record(
    delta: int,
    key: bytes | None,
    value: bytes | None,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    attributes: int = 0,
    since_ms: int = 0,
) -> bytes:
    """Of format 2. Names of headers are any bytes."""
    body = bytes([attributes]) + varint(since_ms) + varint(delta) + _field(key) + _field(value) + varint(len(headers))
    body += b"".join(_field(name) + _field(content) for name, content in headers)
    return varint(len(body)) + body


def batch(
    records: Sequence[bytes],
    *,
    codec: int = 0,
    base: int = 0,
    now_ms: int,
    end: int | None = None,
    packed: bytes = b"",
    sent: bool = False,
) -> bytes:
    """Of format 2; `packed` instead of what the records would be. As the broker stamps it, or as it is `sent` to it."""
    last = (len(records) if end is None else end - base) - 1
    head = struct.pack(
        ">hiqqqhii", codec | (0 if sent else LOG_APPEND_TIME), last, now_ms, now_ms, -1, -1, -1, len(records)
    )
    content = head + (packed or PACK[codec](b"".join(records)))
    crc = google_crc32c.value(content)
    return struct.pack(">qiibI", base, len(content) + 9, -1, 2, crc) + content


def message(
    offset: int, magic: int, key: bytes | None, value: bytes | None, now_ms: int = -1, attributes: int = 0
) -> bytes:
    """Of format 0 or 1."""
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", now_ms) if magic else b"")
    for field in (key, value):
        body += struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
    return struct.pack(">qiI", offset, len(body) + 4, zlib.crc32(body)) + body


def message_set(inner: Sequence[bytes], last: int, magic: int, codec: int, now_ms: int, attributes: int = 0) -> bytes:
    """Messages packed into one, which has the offset of the last of them."""
    return message(last, magic, None, PACK[codec](b"".join(inner)), now_ms, attributes | codec)


def blanks(mebibytes: int, begin: bytes, end: bytes) -> bytes:
    """Zstd of so much of nothing between two other things: 9.8 kB for 300 MiB."""
    return bytes(cramjam.zstd.compress(begin + b" " * (mebibytes << 20) + end, level=3))


async def append(producer: AIOKafkaProducer, topic: str, partition: int, records: bytes) -> int:
    """Has Kafka append a batch as it is; returns its first offset."""
    client: Any = producer.client
    await client._wait_on_metadata(topic)
    request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, records)])])
    for _ in range(_TRIES):
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        ((_, ((_, error, offset, *_more),)),) = (await client.send(leader, request)).topics
        if error != NotLeaderForPartitionError.errno:  # a topic that was just created
            break
        await asyncio.sleep(0.2)
        await client.force_metadata_update()
    assert error == 0, f"Kafka refused the batch: error {error}"
    return int(offset)
