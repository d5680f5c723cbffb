"""A shard as the engine makes it of a log: fold, rules, route and step, without a consumer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from ranker.consume.batch import Batch
from ranker.consume.build_step import build_step
from ranker.core import delta
from ranker.core.floors import Floors
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.memory import Memory
from ranker.core.route import Router
from ranker.core.rules import memory_rules
from ranker.core.step import Version
from ranker.store.keys import ShardKeys
from tests.property.memory import MemoryServer
from tests.support.recount import Raw
from tests.support.sessions import open_session

LINEAGE = "00aa"


async def dump(
    generation: Generation,
    log: Sequence[Raw],
    n0: int,
    n: int,
    floors: Floors,
    *,
    partitions: int = 1,
    rng: random.Random | None = None,
) -> dict[str, Any]:
    """What partition 0 among so many holds of the records [n0, n) at these floors; steps are cut by `rng`."""
    rng, rules = rng or random.Random(n), memory_rules(generation)
    server = MemoryServer()
    port = server.port(generation, 0)
    await port.init(Version(LINEAGE, n0, floors), 0, partitions, None)
    session = await open_session(port, generation, partitions)
    session.memory = None if rules is None else Memory(rules)
    fold, router, reached = Fold(generation), Router(generation), n0
    while reached < n:
        batch = Batch(reached, 0.0, None)
        reached = min(n, reached + rng.choice((1, 3, 20)))
        batch.add(reached, fold(log[batch.end : reached], session.memory))
        changes = router.route(batch.partial.counts, floors)
        await session.advance(await build_step(session, batch, changes, lineage=None, watermark_ms=0, gap_ms=None))
    found = await server.dump(ShardKeys(generation.id, 0).meta.removesuffix("meta"))
    for name, deltas in found.items():
        if name.startswith("slice:") and rng.random() < 0.5:
            found[name] = [delta.seal(delta.total(deltas))]
    return found
