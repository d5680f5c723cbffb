"""The register of generations, and which one is active.

`active` is one key {seq, generation, partitions}, changed only by compare-and-set on seq. After a failover that lost
the last change, any process that has read the higher seq restores it. All functions take an asyncio client of redis-py
that returns bytes, single or cluster; each script touches one key. StoreUnavailableError if Redis does not answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ranker.core.generation import Generation, decode
from ranker.store import keys
from ranker.store.errors import translated
from ranker.store.shard import script


class Active(msgspec.Struct, frozen=True):
    """The generation that readers show. `partitions` shards make a whole list; `seq` grows with every change."""

    seq: int
    generation: str
    partitions: int


class GenerationError(Exception):
    """The change was not made; the message says why and what to do."""


class ActiveChangedError(GenerationError):
    """The active generation was changed in between: read it again, then decide again."""


async def read_active(client: Any) -> Active | None:
    """The active generation; None if there is none (a new or an emptied Redis)."""
    with translated():
        return _decoded(await client.get(keys.ACTIVE))


async def configuration(client: Any, generation: str) -> Generation | None:
    """The configuration behind a generation's id; None if it is not registered."""
    with translated():
        stored = await client.get(keys.configuration(generation))
    return None if stored is None else decode(stored)


async def registered(client: Any) -> list[str]:
    """The ids of all generations that have state here, sorted."""
    with translated():
        return sorted(member.decode() for member in await client.smembers(keys.GENERATIONS))


async def register(client: Any, generation: Generation) -> None:
    """Registers a generation: its configuration, immutable, under its id. Idempotent.

    A dropped one stays off the register while its shards refuse writes, however often its consumers call this.
    """
    with translated():
        if await client.hexists(keys.ShardKeys(generation.id, 0).meta, "dropped"):
            return
        # Reads first: a full Redis refuses even writes that would change nothing.
        if not await client.exists(keys.configuration(generation.id)):
            await client.set(keys.configuration(generation.id), generation.canonical(), nx=True)
        if not await client.sismember(keys.GENERATIONS, generation.id):
            await client.sadd(keys.GENERATIONS, generation.id)


async def restore_active(client: Any, remembered: Active) -> Active:
    """Restores `remembered` if nothing is active, or a lower seq; returns what is active then."""
    stored = await read_active(client)
    while stored is None or stored.seq < remembered.seq:
        stored = await _swap(client, stored.seq if stored else 0, remembered)
    return stored


async def ensure_first(
    client: Any, generation: Generation, partitions: int, remembered: Active | None
) -> Active | None:
    """The consumer's rule, to be called at its start and every few seconds; returns what is active, to be remembered.

    A consumer that has read an active generation before restores it. Otherwise it makes its own the first one, but only
    if no other generation is registered. None: nothing is active, and an operator has to choose.
    """
    if remembered is not None:
        return await restore_active(client, remembered)
    active = await read_active(client)
    if active is not None or set(await registered(client)) - {generation.id}:
        return active
    # Active before registered: of two that start at once on an empty Redis, one must win. If both registered first,
    # each would see the other and neither would activate. The configuration comes first: readers need it at once.
    with translated():
        await client.set(keys.configuration(generation.id), generation.canonical(), nx=True)
    active = await _swap(client, 0, Active(1, generation.id, partitions))
    await register(client, generation)
    return active


async def activate(client: Any, generation: str, partitions: int, expected_seq: int) -> Active:
    """Makes a registered generation the active one, if the active seq is still `expected_seq` (0: none).

    Raises ActiveChangedError if it is not, GenerationError for a generation that is not registered.
    """
    if generation not in await registered(client):
        raise GenerationError(f"generation {generation} is not registered; `ranker generations` lists those that are")
    wanted = Active(expected_seq + 1, generation, partitions)
    stored = await _swap(client, expected_seq, wanted)
    if stored != wanted:
        raise ActiveChangedError(f"the active generation changed meanwhile, to {_named(stored)}; list them again")
    return wanted


async def raise_partitions(client: Any, generation: str, partitions: int) -> Active | None:
    """Lets lists include the shards of added partitions, if `generation` is active; returns what is active then.

    Never lowers the number: a partition cannot be taken from a topic.
    """
    stored = await read_active(client)
    while stored is not None and stored.generation == generation and stored.partitions < partitions:
        stored = await _swap(client, stored.seq, Active(stored.seq + 1, generation, partitions))
    return stored


async def withdraw(client: Any, generation: str) -> None:
    """Takes a generation off the register before it is deleted. Raises GenerationError for the active one.

    Afterwards no activation of it can succeed, not even one that read the register before: the active seq moves on.
    """
    with translated():
        await client.srem(keys.GENERATIONS, generation)
    active = await read_active(client)
    while active is not None:
        if active.generation == generation:
            with translated():
                await client.sadd(keys.GENERATIONS, generation)
            raise GenerationError(f"generation {generation} is active; activate another one before dropping it")
        moved = msgspec.structs.replace(active, seq=active.seq + 1)
        stored = await _swap(client, active.seq, moved)
        if stored == moved:
            return
        active = stored


async def _swap(client: Any, expected_seq: int, wanted: Active) -> Active | None:
    """Writes `wanted` if the stored seq is `expected_seq`; returns what is stored afterwards."""
    text = script("activate", allow_oom=True)  # a full Redis must still allow the change to another generation
    with translated():
        return _decoded(await client.eval(text, 1, keys.ACTIVE, expected_seq, msgspec.json.encode(wanted)))


def _decoded(stored: bytes | None) -> Active | None:
    return None if stored is None else msgspec.json.decode(stored, type=Active)


def _named(active: Active | None) -> str:
    return "none" if active is None else f"{active.generation} (seq {active.seq})"
