"""Shards filled through the real router, store and script, without a log: what a part needs to have counted already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ranker.core.floors import floors_at
from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.core.partial_counts import Articles
from ranker.core.route import Router
from ranker.core.step import MAX_COST, Changes, Reply, Step, Version
from ranker.store import generations
from ranker.store.shard import ShardStore
from tests.bench.traffic import SITE


@dataclass
class Shard:
    """One shard and the version that the last step left it in."""

    store: ShardStore
    generation: Generation
    version: Version
    watermark_ms: int

    def step(self, changes: Changes, records: int = 0) -> Step:
        """A step from here, as a batch of so many records makes it."""
        after = Version(self.version.lineage, self.version.n + records, self.version.floors)
        return Step(self.version, after, self.watermark_ms, changes, new_sites={SITE})

    async def advance(self, step: Step) -> None:
        """Carry a step out. Raises RuntimeError if it is refused."""
        reply, _ = await self.store.advance(self.store.assemble(step))
        if reply is not Reply.APPLIED:
            raise RuntimeError(f"a step of the bench was refused: {reply.value}")
        self.version = step.after

    async def count(self, slice_: int, counts: Mapping[str, Articles]) -> None:
        """Count outcome to article to count in one slice of the finest tier, in steps of the usual size."""
        router = Router(self.generation)
        at_once = (MAX_COST - 3) // len(self.generation.windows)
        for outcome, articles in counts.items():
            for some in pieces(articles.items(), at_once):
                changes = router.route({(slice_, SITE, outcome): dict(some)}, self.version.floors)
                await self.advance(self.step(changes, len(some)))


async def begin(client: Any, generation: Generation, partitions: int, watermark_ms: int) -> list[Shard]:
    """Begin every shard of a generation at this clock, and make it the active one."""
    await generations.ensure_first(client, generation, partitions, None)
    shards = []
    for partition in range(partitions):
        shard = Shard(
            ShardStore(client, generation, partition),
            generation,
            Version("00000000000000aa", 0, floors_at(generation, watermark_ms)),
            watermark_ms,
        )
        await shard.store.init(shard.version, watermark_ms, partitions, None)
        shards.append(shard)
    return shards


def homes(articles: Iterable[str], partitions: int) -> dict[str, int]:
    """The partition that each article belongs to."""
    return {article: home(f"{SITE}/{article}".encode(), partitions) for article in articles}


def pieces(things: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size`, the last one shorter."""
    iterator = iter(things)
    while some := list(islice(iterator, size)):
        yield some
