"""How far a generation has counted, and whether what it has counted is right; read straight from Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import redis

from ranker.core.generation import Generation
from ranker.store.keys import ShardKeys
from tests.bench.traffic import SITE, TYPES

BOARD_OF = {"view": "read", "comment": "commented", "share": "shared"}


def next_offsets(client: redis.Redis, generation: Generation, partitions: int) -> list[int | None]:
    """n of every shard; None for one that has not begun."""
    pipe = client.pipeline(transaction=False)
    for partition in range(partitions):
        pipe.hget(ShardKeys(generation.id, partition).meta, "n")
    return [None if n is None else int(n) for n in pipe.execute()]


def faults(
    client: redis.Redis, generation: Generation, partitions: int, known: Mapping[str, Counter[str]]
) -> list[str]:
    """Where sums or totals of any article differ from what was sent, and where the first 100 places do; as sentences."""
    found = []
    shards = [ShardKeys(generation.id, partition) for partition in range(partitions)]
    sums: Counter[str] = Counter()
    for shard in shards:
        held: Any = client.hgetall(shard.sums)
        for name, count in held.items():
            sums[name.decode()] += int(count)
    for window in generation.windows:
        for kind in TYPES:
            expected = known[kind]
            sent, counted = expected.total(), sums[f"{SITE}:{window.name}:{kind}"]
            if sent != counted:
                found.append(f"{window.name}: {counted} of {sent} events of type {kind} are in the sums")
            totals: Counter[str] = Counter()  # over all shards: strays stand in several
            for shard in shards:
                held = client.zrange(shard.total(window.name, SITE, BOARD_OF[kind]), 0, -1, withscores=True)
                for article, score in held:
                    totals[article.decode()] += int(score)
            if totals != expected:
                found.append(f"{window.name}, {kind}: the total of some article is not what was sent")
            ranked = sorted(totals.items(), key=lambda total: (total[1], total[0].encode()), reverse=True)
            right = sorted(expected.items(), key=lambda total: (total[1], total[0].encode()), reverse=True)
            if ranked[:100] != right[:100]:
                found.append(f"{window.name}, {kind}: the first 100 places are not the right ones")
    return found
