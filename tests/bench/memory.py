"""Bytes of Redis memory: per (article, slice) sealed, per article in a sorted set, and in all after a week."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import redis

from deploy.local import waiting
from ranker.connect.redis import connect
from ranker.core import delta
from ranker.core.delta import Counts
from ranker.core.generation import Generation
from ranker.core.step import MAX_COST, Changes
from tests.bench import ids
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.shards import Shard, begin, homes, pieces
from tests.bench.stack import Stack
from tests.bench.traffic import ARTICLES, SITE
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at

PARTITIONS = 4
EVENTS_PER_S = 1_000
SEALS_AT_ONCE = 32
TARGETS = {"7": "<= 6", "80": "<= 36", "80 hex": ""}

Drawn = dict[str, dict[int, int]]
"""Outcome to rank to count."""


@dataclass
class Tier:
    """Slices of one tier: how many are live, and the few different contents that they take in turn."""

    live: int
    contents: list[Drawn]


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Ids of each kind, each on an empty Redis."""
    part = Part("memory")
    generation = Generation("bench-memory", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    different = (2, 1) if quick else (24, 6)
    with progress.task(f"a week at {EVENTS_PER_S:,} events/s, by the length of ids", len(ids.KINDS) + 1) as done:
        tiers = _drawn(generation, different)
        done(1)
        for kind in ids.KINDS:
            stack.empty_redis()
            with stack.redis.client() as client:
                _one_kind(client, stack.redis.url, generation, tiers, kind, part)
            done(1)
    stack.empty_redis()
    part.notes.append(
        f"The week: {EVENTS_PER_S:,} events/s (2 % shares, 1 % comments) by Zipf's law over the same {ARTICLES:,} articles "
        f"all the time, {PARTITIONS} partitions. Every slice is in Redis, sealed, by the real script; their contents are "
        f"{different[0]} drawn minutes and {different[1]} drawn hours in turn. Slices still open come on top: some minutes "
        "of deltas that are not compressed yet."
    )
    return part


def _drawn(generation: Generation, different: tuple[int, ...]) -> list[Tier]:
    rng = random.Random(ids.SEED)
    tiers = []
    finer_ms = 0
    for window, few in zip(generation.windows, different, strict=True):
        events = EVENTS_PER_S * window.grain_ms // 1000
        contents: list[Drawn] = [dict(ids.drawn(rng, ARTICLES, events)) for _ in range(few)]
        tiers.append(Tier((window.length_ms - finer_ms) // window.grain_ms, contents))
        finer_ms = window.length_ms
    return tiers


def _one_kind(client: redis.Redis, url: str, generation: Generation, tiers: list[Tier], kind: str, part: Part) -> None:
    articles = ids.article_ids(ARTICLES, kind)
    before = _used(client)
    filled, pairs = asyncio.run(_fill(url, generation, tiers, articles))
    in_all = _used(client) - before
    label = f"{kind}: "
    taken = [
        sum(
            _weight(client, shard.store.keys.slice(tier, slice_))
            for shard in filled
            for slice_ in range(*_live(shard, tier, tiers[tier].live))
        )
        for tier in range(len(tiers))
    ]
    whole = sum(taken) / sum(pairs)
    part.add(label + "per (article, slice) sealed", whole, "bytes", TARGETS[kind], ids.KINDS[kind])
    for tier, (window, bytes_) in enumerate(zip(generation.windows, taken, strict=True)):
        part.add(
            label + f"of these, slices of {window.grain_ms // 1000} s",
            bytes_ / pairs[tier],
            "bytes",
            beside=f"{pairs[tier]:,} (article, slice) in {tiers[tier].live:,} slices of {PARTITIONS} shards",
        )
    hashed = _in_a_hash(client, tiers[0].contents[0], articles)
    part.add(label + "the same minute as a hash", hashed, "bytes")
    part.add(label + "sealed / hash", whole / hashed, "times")
    zset = filled[0].store.keys.total(generation.windows[0].name, SITE, "read")
    part.add(label + "per article in a sorted set", _weight(client, zset) / client.zcard(zset), "bytes")
    part.add(label + "in all after a week", in_all / 1e6, "MB", beside="used_memory, less that of an empty Redis")


def _live(shard: Shard, tier: int, live: int) -> tuple[int, int]:
    first = shard.version.floors[tier] // shard.generation.lanes
    return first, first + live


async def _fill(
    url: str, generation: Generation, tiers: list[Tier], articles: list[str]
) -> tuple[list[Shard], list[int]]:
    """Every live slice sealed, and the totals of both windows; returns (article, slice) pairs of each tier too."""
    async with connect(redis_at(url)) as client:
        filled = await begin(client, generation, PARTITIONS, int(time.time() * 1000))
        at = homes(articles, PARTITIONS)
        pairs = [0] * len(tiers)
        for shard in filled:
            here = [rank for rank, article in enumerate(articles) if at[article] == filled.index(shard)]
            for tier, about in enumerate(tiers):
                contents = [_of_ranks(drawn, articles, here) for drawn in about.contents]
                sealed = [delta.seal(delta.total([delta.pack(counts)])) for counts in contents]
                sizes = [len(set().union(*counts[SITE].values())) for counts in contents]
                first, end = _live(shard, tier, about.live)
                for slices in pieces(range(first, end), SEALS_AT_ONCE):
                    step = shard.step(Changes(appends={(tier, slice_): {} for slice_ in slices}))
                    seals = {(tier, slice_): sealed[slice_ % len(sealed)] for slice_ in slices}
                    await shard.advance(replace(step, seals=seals))
                    pairs[tier] += sum(sizes[slice_ % len(sizes)] for slice_ in slices)
            await _total(shard, articles, here)
    return filled, pairs


async def _total(shard: Shard, articles: list[str], here: Iterable[int]) -> None:
    ranks = list(here)
    for index, window in enumerate(shard.generation.windows):
        expected = ids.expected(len(articles), EVENTS_PER_S * window.length_ms // 1000)
        for board, weights in shard.generation.boards.items():
            counts = {articles[rank]: sum(w * expected[o][rank] for o, w in weights.items()) for rank in ranks}
            for some in pieces(counts.items(), MAX_COST):
                await shard.advance(shard.step(Changes(increments={(index, SITE, board): dict(some)})))


def _of_ranks(drawn: Drawn, articles: list[str], ranks: list[int]) -> Counts:
    return {SITE: {kind: {articles[r]: seen[r] for r in ranks if r in seen} for kind, seen in drawn.items()}}


def _in_a_hash(client: redis.Redis, drawn: Drawn, articles: list[str]) -> float:
    """Bytes per (article, slice) if a slice is a hash of article to count, its views alone."""
    views = drawn["view"]
    client.hset("bench-hash", mapping={articles[rank]: count for rank, count in views.items()})
    return _weight(client, "bench-hash") / len(views)


def _weight(client: redis.Redis, key: str) -> int:
    weight = client.memory_usage(key, samples=0)
    if weight is None:
        raise RuntimeError(f"{key} is not in Redis: the bench did not fill what it measures")
    return int(weight)


def _used(client: redis.Redis) -> int:
    """Bytes that Redis' data take, with no rewriting of its log under way."""
    waiting.until(
        "the end of Redis' rewriting of its log",
        lambda: not client.info("persistence")["aof_rewrite_in_progress"],
        120.0,
    )
    memory = client.info("memory")
    return int(memory["used_memory"]) - int(memory["mem_aof_buffer"])
