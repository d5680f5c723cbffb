"""Builds a partition's worker with all its parts: for `ranker consume`, and for the tests of its rules."""

from __future__ import annotations

from collections.abc import Callable

from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.gate import Gate
from ranker.consume.homes import Homes
from ranker.consume.memories import Memories
from ranker.consume.worker import Worker
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.route import Router
from ranker.log.consumer import PageViewLog
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.value_schemas import ValueSchemas
from ranker.metrics import ConsumerMetrics
from ranker.store.shard import ShardStore


def build_worker(
    partition: int,
    trouble: Callable[[str | None], None],
    *,
    generation: Generation,
    fold: Fold,
    router: Router,
    page_views: PageViewLog,
    store_of: Callable[[int], ShardStore],
    dead_letters: DeadLetters,
    dead_stretch_of: Callable[[int], DeadLetterLimit],
    clocks: Clocks,
    metrics: ConsumerMetrics,
    homes: Homes,
    memories: Memories,
    flush_s: float,
    schemas: ValueSchemas | None,
    accept_create_time: bool,
) -> Worker:
    """`trouble` is called with what hinders its steps, then None. All partitions share the arguments by keyword."""
    gate = Gate(page_views, store_of(partition), generation, partition, clocks, metrics, trouble, homes, memories)
    return Worker(
        generation,
        fold,
        router,
        partition,
        page_views,
        gate,
        dead_letters,
        clocks,
        metrics,
        dead_stretch_of(partition),
        flush_s,
        schemas,
        accept_create_time=accept_create_time,
    )
