"""Shards written by hand: what the consumer would have left in Redis, for tests of those who read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.store.keys import ACTIVE, GENERATIONS, ShardKeys, configuration

Views = Iterable[tuple[str, str, str, int]]
"""(site, article, outcome, count), as if all were inside every window."""


def meta_of(generation: Generation, watermark_ms: int, partitions: int, **more: Any) -> dict[str, Any]:
    """Meta of a shard whose clock is `clock_ms` and whose floors are level with it."""
    floors = [(watermark_ms - w.length_ms) // w.grain_ms * generation.lanes for w in generation.windows]
    return {
        "format": 1,
        "lineage": "00000000000000aa",
        "n": 1,
        "floors": ",".join(map(str, floors)),
        "T": watermark_ms,
        "n0": 0,
        "t0": 0,
        "P": partitions,
        "last": "",
        "refused": 0,
        **more,
    }


async def activate(client: Any, generation: Generation, partitions: int, seq: int = 1) -> None:
    await client.set(configuration(generation.id), generation.canonical())
    await client.sadd(GENERATIONS, generation.id)
    await client.set(
        ACTIVE, b'{"seq":%d,"generation":"%s","partitions":%d}' % (seq, generation.id.encode(), partitions)
    )


async def write(
    client: Any,
    generation: Generation,
    partitions: int,
    views: Views,
    watermark_ms: int,
    metas: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Replaces the shards by these counts, each article at home; `metas` overrides the meta of single shards."""
    async with client.pipeline(transaction=False) as pipe:
        for shard in range(partitions):
            keys = ShardKeys(generation.id, shard)
            held = {site.decode() for site in await client.smembers(keys.sites)}
            totals = [
                keys.total(w.name, site, b) for w in generation.windows for site in held for b in generation.boards
            ]
            pipe.delete(keys.meta, keys.sites, keys.sums, keys.strays, *totals)
            pipe.hset(
                keys.meta, mapping=meta_of(generation, watermark_ms, partitions, **((metas or {}).get(shard) or {}))
            )
        for site, article, outcome, count in views:
            count_in(pipe, generation, home(f"{site}/{article}".encode(), partitions), site, article, outcome, count)
        await pipe.execute()


def count_in(pipe: Any, generation: Generation, shard: int, site: str, article: str, outcome: str, count: int) -> None:
    """One more count in one shard, at home there or not."""
    keys = ShardKeys(generation.id, shard)
    pipe.sadd(keys.sites, site)
    for window in generation.windows:
        pipe.hincrby(keys.sums, f"{site}:{window.name}:{outcome}", count)
        for board, weight in generation.boards_of.get(outcome, ()):
            pipe.zincrby(keys.total(window.name, site, board), weight * count, article)


async def publish(client: Any, generation: Generation, partitions: int, views: Views, watermark_ms: int) -> None:
    """Counts and the active generation: all that a reader needs."""
    await write(client, generation, partitions, views, watermark_ms)
    await activate(client, generation, partitions)
