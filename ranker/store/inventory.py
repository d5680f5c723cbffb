"""A generation's shards, keys and memory in Redis, and how all of it is deleted.

For operators' commands: everything runs in small steps, so that it does not disturb consumers and readers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from redis import exceptions

from ranker.core.generation import Generation
from ranker.core.memory_estimate import Measured
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
    return await shards_of(
        client, generation, sorted({int(match[1]) for key in found if (match := name.fullmatch(key))})
    )


async def shards_of(client: Any, generation: str, partitions: Sequence[int]) -> list[Shard]:
    """The shards of these partitions that exist, dropped ones too."""
    with translated():
        pipe = client.pipeline(transaction=False)
        for partition in partitions:
            pipe.hmget(ShardKeys(generation, partition).meta, "n", "T", "P", "dropped")
        metas = await pipe.execute() if partitions else []
    return [
        Shard(partition, int(n), int(watermark or 0), int(made_for or 0), dropped is not None)
        for partition, (n, watermark, made_for, dropped) in zip(partitions, metas, strict=True)
        if n is not None
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
    """Bytes that a shard's keys take in all; None as below."""
    measured = await memory(client, generation, partition)
    return None if measured is None else measured.whole


async def memory(client: Any, generation: Generation, partition: int) -> Measured | None:
    """What a shard's keys take, by MEMORY USAGE (it samples large collections: exact to a few per cent).

    None if Redis does not have that command, or forbids it.
    """
    shard = ShardKeys(generation.id, partition)
    keys_of = await _data_keys(client, generation, shard)
    producers = [shard.producers, shard.sequences]
    rest = [name for name in (shard.meta, *_indices(shard)) if name not in producers]
    groups = [rest, producers, keys_of.remembered, *keys_of.totals.values(), *keys_of.slices.values()]
    sizes = []
    for names in groups:
        size = await _memory(client, _steps(names))
        if size is None:
            return None
        sizes.append(size)
    other, of_producers, remembered, *others = sizes
    totals = dict(zip(keys_of.totals, others[: len(keys_of.totals)], strict=True))
    slices = dict(zip(keys_of.slices, others[len(keys_of.totals) :], strict=True))
    return Measured(totals, slices, remembered, other, of_producers)


async def history_bytes(client: Any, generation: str) -> int | None:
    """Bytes that a generation's rank history takes, measured in the same way."""
    total = 0
    async for names in _history_keys(client, generation):
        size = await _memory(client, [names])
        if size is None:
            return None
        total += size
    return total


async def _memory(client: Any, steps: Iterable[list[str]]) -> int | None:
    total = 0
    for names in steps:
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
    keys_of = await _data_keys(client, generation, shard)
    for names in _steps(chain(*keys_of.totals.values(), *keys_of.slices.values(), keys_of.remembered)):
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


@dataclass(frozen=True, slots=True)
class _DataKeys:
    """The keys that a shard's indices name: totals by window, slices by tier, and buckets. All share one slot."""

    totals: dict[str, list[str]]
    slices: dict[int, list[str]]
    remembered: list[str]


async def _data_keys(client: Any, generation: Generation, shard: ShardKeys) -> _DataKeys:
    with translated():
        sites = [site.decode() for site in await client.smembers(shard.sites)]
        slices = [member.decode() for member in await client.smembers(shard.slices)]  # some thousands at most
        buckets = sorted(map(int, await client.smembers(shard.buckets)))
    found = _DataKeys(
        {
            window.name: [shard.total(window.name, site, board) for site in sites for board in generation.boards]
            for window in generation.windows
        },
        {},
        [shard.remembered(bucket) for bucket in buckets],
    )
    for member in slices:
        tier, slice_ = map(int, member.split(":"))
        found.slices.setdefault(tier, []).append(shard.slice(tier, slice_))
    return found


def _steps(names: Iterable[str]) -> Iterable[list[str]]:
    remaining = iter(names)
    while step := list(islice(remaining, STEP_KEYS)):
        yield step
