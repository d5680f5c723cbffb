"""A consumer process of a history: the product's own loop and workers, with a clock and a place in the group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ranker.consume.batch import chunk_records
from ranker.consume.build_consumer import folding
from ranker.consume.build_worker import build_worker
from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.homes import Homes
from ranker.consume.loop import Consumer
from ranker.consume.memories import Memories
from ranker.consume.worker import Worker
from ranker.core.fold import Fold
from ranker.core.memory import Memory
from ranker.core.route import Router
from ranker.core.rules import Rules, memory_rules
from ranker.log.consumer import PageViewLog
from ranker.log.dead_letter_writer import DeadLetters
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.shard import ShardState, ShardStore
from tests.property.log import DeadLetterBox, LogClient

if TYPE_CHECKING:
    from tests.property.machine import World


class KeptMemories(Memories):
    """What is held at the stored version must be loaded from nowhere."""

    def __init__(self, rules: Rules | None, new: type[Memory], happened: Callable[[str], None]) -> None:
        super().__init__(rules, new)
        self._happened = happened

    async def load(self, partition: int, store: ShardStore, state: ShardState) -> Memory | None:
        held = self._of.get(partition)
        kept = held is not None and held.is_at((state.version.lineage, state.version.n))
        if self._rules is not None and (kept or state.buckets):
            self._happened("memory_kept" if kept else "memory_loaded")
        return await super().load(partition, cast("ShardStore", None) if kept else store, state)


class Process:
    """A consumer process: its clock, its place in the group, its task."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self.number = number
        fixed = world.drawn.profile.ahead_ms
        drawn = world.rng.choice((0, 0, 0, 300, -700, 1_500, -1_900, 5_000, -4_000))
        self.ahead_ms = fixed[number % len(fixed)] if fixed else drawn
        self.reads_slowly, self.steps_slowly = world.drawn.profile.slow[number % len(world.drawn.profile.slow)]
        self.metrics = ConsumerMetrics(new_registry(), world.drawn.generation.boards_of)
        self.task: asyncio.Task[None] | None = None
        self.workers: list[Worker] = []

    def start(self) -> None:
        world, generation = self._world, self._world.drawn.generation
        self.log = LogClient(world.broker, chunk_records(generation))
        self.log.slow = self.reads_slowly
        clocks = Clocks(
            world.asked_store_time_ms,
            lambda: (world.true_ms + world.jump_ms + self.ahead_ms) / 1000,
            asyncio.get_running_loop().time,
        )
        self.workers = []

        def store_of(partition: int) -> ShardStore:
            return cast("ShardStore", world.network.link(partition, world.ports[partition].assemble, self.steps_slowly))

        page_views, homes = cast("PageViewLog", self.log), Homes()
        fold, router, new_memory = Fold(generation), Router(generation), Memory
        if self.number % 2:  # by the kernel, if it is built
            fold, router, new_memory, _ = folding(generation, None, self.metrics)
        memories = KeptMemories(memory_rules(generation), new_memory, world.happened)

        def worker_for(partition: int, trouble: Callable[[str | None], None]) -> Worker:
            worker = build_worker(
                partition,
                trouble,
                generation=generation,
                fold=fold,
                router=router,
                page_views=page_views,
                store_of=store_of,
                dead_letters=cast("DeadLetters", DeadLetterBox(world.broker)),
                dead_stretch_of=lambda partition: DeadLetterLimit(partition, 1.0, 1_000),
                clocks=clocks,
                metrics=self.metrics,
                homes=homes,
                memories=memories,
                flush_s=world.drawn.flush_s,
                schemas=None,
                accept_create_time=False,
            )
            self.workers.append(worker)
            return worker

        async def run() -> None:
            consumer = Consumer(
                page_views, clocks, self.metrics, worker_for, memories.keep, world.raise_active_partitions
            )
            await consumer.run()

        self.task = asyncio.create_task(run())
        self.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._world.fail(f"a consumer ended: {type(error).__name__}: {error}")

    def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
