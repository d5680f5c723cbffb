"""Random fetches, with the kernel's walk of clean batches and by the client's own loop alone: the same records."""

from __future__ import annotations

import random
import struct
from typing import Any
from unittest.mock import patch

import google_crc32c
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher

from ranker.log import aiokafka_patch, chunks
from ranker.log.chunks import Chunk
from ranker.log.record_batches import install
from tests.support import record_batches

TRANSACTION, CONTROL = 0x10, 0x20
NOW_MS = 1_700_000_000_000


def stamped(batch: bytes, epoch: int, producer: int = -1, bits: int = 0) -> bytes:
    """The batch of this leader and producer, with these attributes."""
    made = bytearray(batch)
    struct.pack_into(">i", made, 12, epoch)
    struct.pack_into(">h", made, 21, struct.unpack_from(">h", made, 21)[0] | bits)
    struct.pack_into(">q", made, 43, producer)
    struct.pack_into(">I", made, 17, google_crc32c.value(bytes(made[21:])))
    return bytes(made)


def fetch(rng: random.Random) -> tuple[bytes, list[tuple[int, int]]]:
    """Batches of every kind, one behind the other, and (producer, first offset) of the transactions that were aborted."""
    found, aborted, offset, epoch = [], [], rng.choice((0, 5)), 3
    open_at: dict[int, int] = {}
    for _ in range(rng.randint(1, 14)):
        epoch += rng.random() < 0.1
        kind = rng.random()
        if kind < 0.15 and open_at:
            producer, first = open_at.popitem()
            aborts = rng.random() < 0.5
            if aborts:
                aborted.append((producer, first))
            marker = record_batches.record(0, struct.pack(">hh", 0, 0 if aborts else 1), b"\0" * 6)
            found.append(
                stamped(
                    record_batches.batch([marker], base=offset, now_ms=NOW_MS), epoch, producer, TRANSACTION | CONTROL
                )
            )
            offset += 1
            continue
        if kind < 0.2:
            found.append(record_batches.message(offset, 1, b"sent", b"v", NOW_MS))
            offset += 1
            continue
        count = rng.choice((0, 1, 2, 5, 40))
        end = offset + max(1, count) + rng.choice((0, 0, 3))
        codec, sent = rng.choice((0, 0, 0, 0, 1, 4)), rng.random() < 0.1
        made = [
            record_batches.record(delta, b"sent" if sent else b"k", rng.randbytes(rng.choice((0, 9, 200))))
            for delta in range(count)
        ]
        one = record_batches.batch(made, codec=codec, base=offset, now_ms=NOW_MS + offset, end=end, sent=sent)
        producer, bits = rng.choice((-1, 7)), 0
        if rng.random() < 0.25:
            producer, bits = rng.choice((8, 9)), TRANSACTION
            open_at.setdefault(producer, offset)
        found.append(stamped(one, epoch, producer, bits))
        offset = end
        if rng.random() < 0.03:
            found.append(found[-1])  # no broker does that
    whole = b"".join(found)
    fault = rng.random()
    if fault < 0.1:
        whole = whole[: -rng.randint(1, len(found[-1]))]
    elif fault < 0.2:
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        whole = bytes(damaged)
    return whole, aborted


def read(data: bytes, aborted: list[tuple[int, int]], position: int, raw: int) -> tuple[list[Any], list[Chunk]]:
    """Offset, time, key, value and epoch of each record, and the fault at the end; the chunks."""
    records: Any = fetcher.PartitionRecords(
        TopicPartition("page-views", 0),
        fetcher.MemoryRecords(data),
        list(aborted),
        position,
        None,
        aiokafka_patch.ChunkingDeserializer(7, raw),
        True,
        fetcher.READ_COMMITTED,
    )
    seen: list[Any] = []
    found = []
    for chunk in records:
        assert chunk.end == records.next_fetch_offset
        found.append(chunk)
        inside: list[Any] = list(chunk.records)
        for stretch in chunk.stretches:
            at = stretch.begin
            while at < stretch.end:
                record, at = stretch.record(at)
                inside.append(record)
        seen += [(one.offset, one.timestamp, one.key, one.value, chunk.epoch) for one in inside]
        if chunk.partial is not None:
            seen += [(one.offset, one.reason) for one in chunk.partial.rejected]
        if chunk.error is not None:
            seen.append((chunk.start, str(chunk.error)))
    return seen, found


def check(seed: int) -> int:
    """Raises AssertionError if the records differ. Returns the number of the kernel's stretches."""
    rng = random.Random(seed)
    data, aborted = fetch(rng)
    position, most = rng.choice((0, 5, 11, 30)), rng.choice((1, 3, 10, 1_000))
    install()
    assert aiokafka_patch.install()
    with patch.object(chunks, "CHUNK_BYTES", rng.choice((300, 2_000, 4 << 20))):
        (plain, _), (got, found) = read(data, aborted, position, 0), read(data, aborted, position, most)
    assert got == plain
    assert [chunk.start for chunk in found[1:]] == [chunk.end for chunk in found[:-1]]
    for chunk in found:
        assert sum(stretch.records for stretch in chunk.stretches) <= most
        keys = {one[2] for one in got if len(one) == 5 and chunk.start <= one[0] < chunk.end}
        assert chunk.create_time == (b"sent" in keys)
    return sum(len(chunk.stretches) for chunk in found)
