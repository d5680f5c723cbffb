"""Lists, activates and drops generations: the steps of a blue/green change, with their safety checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ranker.core.generation import Generation
from ranker.store import generations as store
from ranker.store import inventory, pieces
from ranker.store.generations import Active, GenerationError
from ranker.store.inventory import Shard

LEVEL_MS = 5000
"""How far T may lie behind and still be level: it moves once a second, and shards are read one after the other."""


@dataclass(frozen=True, slots=True)
class Row:
    """One generation. `as_of_ms` is the oldest T of its shards; None if it has none."""

    id: str
    configuration: Generation
    active: bool
    shards: int
    as_of_ms: int | None
    memory_bytes: int | None
    """None if Redis does not tell it."""


async def overview(client: Any) -> list[Row]:
    """Every registered generation, the active one first. Reads the memory of every key from Redis, in small steps."""
    active = await store.read_active(client)
    rows = []
    for generation in await store.registered(client):
        known = await store.configuration(client, generation)
        if known is None:
            continue  # dropped between the two reads
        shards = await inventory.shards(client, generation)
        sizes = [await inventory.memory_bytes(client, known, shard.partition) for shard in shards]
        sizes.append(await inventory.history_bytes(client, generation))
        rows.append(
            Row(
                id=generation,
                configuration=known,
                active=active is not None and active.generation == generation,
                shards=len(shards),
                as_of_ms=min((shard.watermark_ms for shard in shards), default=None),
                memory_bytes=None if None in sizes else sum(size or 0 for size in sizes),
            )
        )
    return sorted(rows, key=lambda row: (not row.active, row.id))


async def definition(client: Any, generation: str | None) -> bytes:
    """The canonical form of a generation; None: of the active one. Raises GenerationError if there is none."""
    if generation is None:
        active = await store.read_active(client)
        if active is None:
            raise GenerationError("no generation is active in Redis; is `ranker consume` running?")
        generation = active.generation
    return await pieces.canonical(client, generation)


async def activate(client: Any, generation: str, now_ms: int, *, force: bool) -> Active:
    """Makes readers show `generation` from their next refresh on.

    Raises GenerationError with every reason why its lists would be older or emptier than the active one's; `force`
    activates it all the same, unless it has no counts at all.
    """
    active = await store.read_active(client)
    if active is not None and active.generation == generation:
        return active
    shards = [shard for shard in await inventory.shards(client, generation) if not shard.dropped]
    if generation not in await store.registered(client) or not shards:
        raise GenerationError(
            f"generation {generation} has no counts here; `ranker generations` lists those that have, "
            "`ranker consume` with its ranker.toml makes them"
        )
    old = [] if active is None else (await inventory.shards(client, active.generation))[: active.partitions]
    reasons = not_level(shards, old, now_ms)
    if reasons and not force:
        raise GenerationError(
            "\n".join([f"generation {generation} is not level with what is shown now:", *(f"  - {r}" for r in reasons)])
            + "\nwait until its consumers have caught up, or add --force"
        )
    return await store.activate(client, generation, partitions_of(shards), active.seq if active else 0)


def partitions_of(shards: Sequence[Shard]) -> int:
    """Of how many partitions a whole list is made, by these shards of a generation."""
    return max(max(shard.partitions, shard.partition + 1) for shard in shards)


def not_level(shards: Sequence[Shard], old: Sequence[Shard], now_ms: int) -> list[str]:
    """Why `shards` should not be shown yet instead of `old` (none: instead of nothing), as sentences."""
    partitions = max([1, *(shard.partitions for shard in shards)])
    present = {shard.partition for shard in shards}
    reasons = [f"partition {p} has not begun" for p in range(partitions) if p not in present]
    # The new lists must reach the oldest shard's T, which is the age of the old lists; a T in the future counts as now.
    level_ms = min([now_ms, *(shard.watermark_ms for shard in old)]) - LEVEL_MS
    reasons += [
        f"partition {shard.partition} is {(level_ms + LEVEL_MS - shard.watermark_ms) / 1000:.0f} s behind"
        for shard in shards
        if shard.watermark_ms < level_ms
    ]
    return reasons


async def drop(client: Any, generation: str) -> int:
    """Deletes a whole generation; returns how many shards it had. Raises GenerationError for the active one."""
    shards = await inventory.shards(client, generation)
    await inventory.drop(client, generation, partitions_of(shards) if shards else 1)
    return len(shards)
