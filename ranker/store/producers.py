"""The sequence tracking of all shards, and the report on producers that `ranker top` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ranker.core.loss import Report
from ranker.core.sequence_tracker import SequenceTracker, unpacked
from ranker.store import keys
from ranker.store.atomic_reads import read_atomically
from ranker.store.errors import translated
from ranker.store.keys import ShardKeys
from ranker.store.shard import fields_of

KEPT_S = 60
"""How long a report stays: it is written every few seconds."""


@dataclass(frozen=True, slots=True)
class ShardProducers:
    """One shard at one moment: its first offset (n0), its T, the sequences that it did not track, its runs."""

    began: int
    watermark_ms: int
    untracked: int
    producers: SequenceTracker


async def last_seen(client: Any, generation: str, partitions: int, *, bitmaps: bool) -> list[ShardProducers] | None:
    """Every shard, each at a moment of its own; None if one does not exist yet. Raises StoreUnavailableError.

    Without `bitmaps`, which are the larger part by far, the runs have no blocks.
    """
    shards: list[ShardProducers] = []
    for partition in range(partitions):
        names = ShardKeys(generation, partition)
        reads = [("HMGET", names.meta, "n0", "T", "count:untracked"), ("HGETALL", names.producers)]
        if bitmaps:
            reads.append(("HGETALL", names.sequences))
        with translated():
            (began, watermark, untracked), runs, *blocks = await read_atomically(client, reads)
        if watermark is None:
            return None
        producers = unpacked(fields_of(runs), fields_of(blocks[0]) if blocks else {})
        shards.append(ShardProducers(int(began), int(watermark), int(untracked or 0), producers))
    return shards


async def write_report(client: Any, generation: str, report: Report) -> None:
    """Stores the report for a minute. Raises StoreUnavailableError and StoreFullError."""
    with translated():
        await client.set(keys.producers_report(generation), msgspec.json.encode(report), ex=KEPT_S)


async def read_report(client: Any, generation: str) -> Report | None:
    """The last report; None if none was written within a minute. Raises StoreUnavailableError."""
    with translated():
        stored = await client.get(keys.producers_report(generation))
    return None if stored is None else msgspec.json.decode(stored, type=Report)
