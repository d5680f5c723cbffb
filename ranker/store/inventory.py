"""A generation's shards, keys and memory in Redis, and how all of it is deleted.

For operators' commands: everything runs in small steps, so that it does not disturb consumers and readers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from redis import exceptions

from ranker.core.generation import Generation
from ranker.store import keys
from ranker.store.errors import may_pass, translated
from ranker.store.generations import GenerationError, configuration, withdraw
from ranker.store.history import written_lists
from ranker.store.keys import HistoryKeys, ShardKeys
from ranker.store.shard import FORMAT, script

STEP_KEYS = 200
"""Keys per round trip: to delete so many in the background, or to measure their memory, takes well under 10 ms."""

TOMBSTONE_S = 3600
"""How long a dropped shard's meta stays, so that consumers with that configuration are refused."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as operators see it. `watermark_ms` is its T; `partitions` the P that its strays are made for."""

    partition: int
    n: int
    watermark_ms: int
    partitions: int
    dropped: bool


async def shards(client: Any, generation: str) -> list[Shard]:
    """Every shard of a generation, dropped ones too, by partition. Scans all key names (a few ms per 10,000)."""
    pattern = ShardKeys(generation, 0).meta.replace(f"{generation}.0", f"{generation}.*")
    name = re.compile(re.escape(pattern).replace(r"\*", "([0-9]+)"))
    with translated():
        found = [key.decode() async for key in client.scan_iter(match=pattern, count=1000)]
        partitions = sorted({int(match[1]) for key in found if (match := name.fullmatch(key))})
        pipe = client.pipeline(transaction=False)
        for partition in partitions:
            pipe.hmget(ShardKeys(generation, partition).meta, "n", "T", "P", "dropped")
        metas = await pipe.execute() if partitions else []
    return [
        Shard(partition, int(n or 0), int(watermark or 0), int(made_for or 0), dropped is not None)
        for partition, (n, watermark, made_for, dropped) in zip(partitions, metas, strict=True)
    ]


async def watermarks_ms(client: Any, generation: str, partitions: int) -> list[int | None]:
    """T of each shard; None for one that does not exist yet."""
    with translated():
        pipe = client.pipeline(transaction=False)
        for partition in range(partitions):
            pipe.hget(ShardKeys(generation, partition).meta, "T")
        return [None if watermark is None else int(watermark) for watermark in await pipe.execute()]


async def given_up(client: Any, generation: str, partitions: int) -> list[tuple[int, int]]:
    """Of each shard the first bucket of its rules' memory that was not given up, and how many were, since it began."""
    with translated():
        pipe = client.pipeline(transaction=False)
        for partition in range(partitions):
            pipe.hmget(ShardKeys(generation, partition).meta, "first", "count:given_up")
        return [(int(first or 0), int(number or 0)) for first, number in await pipe.execute()]


async def memory_bytes(client: Any, generation: Generation, partition: int) -> int | None:
    """Bytes that a shard's keys take, by MEMORY USAGE (it samples large collections: exact to a few per cent).

    None if Redis does not have that command, or forbids it.
    """
    return await _memory(client, _all_keys(client, generation, ShardKeys(generation.id, partition)))


async def history_bytes(client: Any, generation: str) -> int | None:
    """Bytes that a generation's rank history takes, measured in the same way."""
    return await _memory(client, _history_keys(client, generation))


async def _memory(client: Any, steps: AsyncIterator[list[str]]) -> int | None:
    total = 0
    async for names in steps:
        with translated():
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.memory_usage(name)
            try:
                total += sum(size or 0 for size in await pipe.execute())
            except exceptions.ResponseError as error:
                if may_pass(error):
                    raise
                return None
    return total


async def drop(client: Any, generation: str, partitions: int) -> None:
    """Deletes a whole generation: marks shards 0 to `partitions` - 1, so that writes are refused, then empties them.

    Raises GenerationError for the active and for an unknown one. May be repeated after an interruption.
    """
    known = await configuration(client, generation)
    if known is None:
        raise GenerationError(f"generation {generation} is not known here; `ranker generations` lists those that are")
    await withdraw(client, generation)
    all_keys = [ShardKeys(generation, partition) for partition in range(partitions)]
    for shard in all_keys:
        await _mark(client, shard, known, partitions)
    for shard in all_keys:
        await _empty(client, known, shard)
    await _forget_history(client, generation)
    with translated():
        await client.unlink(keys.configuration(generation))


async def _mark(client: Any, shard: ShardKeys, generation: Generation, partitions: int) -> None:
    floors = ",".join("0" for _ in generation.windows)
    never_begun = {"format": FORMAT, "lineage": "0" * 16, "n": 0, "floors": floors, "T": 0, "P": partitions}
    fields = [part for pair in never_begun.items() for part in pair]
    text = script("drop", allow_oom=True)  # dropping is how memory is freed
    with translated():
        await client.eval(text, 1, shard.meta, *fields)


async def _empty(client: Any, generation: Generation, shard: ShardKeys) -> None:
    """Deletes a marked shard's keys; the indices last, so that a repeated drop finds the rest."""
    async for names in _data_keys(client, generation, shard):
        with translated():
            await client.unlink(*names)
    with translated():
        await client.unlink(*_indices(shard))
        await client.expire(shard.meta, TOMBSTONE_S)


async def _forget_history(client: Any, generation: str) -> None:
    """Deletes the rank history; its index last, with the last step."""
    async for names in _history_keys(client, generation):
        with translated():
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.execute_command("UNLINK", name)  # unlink() of a cluster pipeline queues nothing
            await pipe.execute()


async def _history_keys(client: Any, generation: str) -> AsyncIterator[list[str]]:
    """The keys of the rank history in steps; a step's keys may lie in several slots."""
    keys_of = HistoryKeys(generation)
    for names in _steps(keys_of.ranks(*name) for name in await written_lists(client, generation)):
        yield names
    yield [keys_of.settled, keys_of.lists]


def _indices(shard: ShardKeys) -> list[str]:
    return [shard.slices, shard.sites, shard.sums, shard.strays, shard.buckets, shard.producers, shard.sequences]


async def _all_keys(client: Any, generation: Generation, shard: ShardKeys) -> AsyncIterator[list[str]]:
    yield [shard.meta, *_indices(shard)]
    async for names in _data_keys(client, generation, shard):
        yield names


async def _data_keys(client: Any, generation: Generation, shard: ShardKeys) -> AsyncIterator[list[str]]:
    """The totals, slices and buckets that the shard's indices name, in steps; each step's keys share one slot."""
    with translated():
        sites = [site.decode() for site in await client.smembers(shard.sites)]
        slices = [member.decode() async for member in client.sscan_iter(shard.slices, count=1000)]
        buckets = sorted(map(int, await client.smembers(shard.buckets)))
    totals = (
        shard.total(window.name, site, board)
        for site in sites
        for window in generation.windows
        for board in generation.boards
    )
    for names in _steps(totals):
        yield names
    for names in _steps(shard.slice(*map(int, member.split(":"))) for member in slices):
        yield names
    for names in _steps(map(shard.remembered, buckets)):
        yield names


def _steps(names: Iterable[str]) -> Iterable[list[str]]:
    remaining = iter(names)
    while step := list(islice(remaining, STEP_KEYS)):
        yield step
