"""Builds the consumer with all its parts: for `ranker consume`, and for `ranker rebuild`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ranker import kernel
from ranker.connect.redis import Client
from ranker.consume.batch import chunk_records
from ranker.consume.build_worker import build_worker
from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.homes import Homes
from ranker.consume.jobs.keep_active import ActiveKeeper
from ranker.consume.loop import Consumer
from ranker.consume.memories import Memories
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.memory import Memory
from ranker.core.route import Router
from ranker.core.rules import memory_rules
from ranker.kernel.shape import shape_of
from ranker.log import value_schemas
from ranker.log.consumer import PageViewLog
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.groups import group_of
from ranker.log.value_schemas import ValueSchemas
from ranker.metrics import ConsumerMetrics
from ranker.settings import Settings
from ranker.store.redis_info import store_time_ms
from ranker.store.shard import ShardStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs: `dead_letters` is to be started before `consumer`, and stopped behind it."""

    consumer: Consumer
    keeper: ActiveKeeper
    dead_letters: DeadLetters
    page_views: PageViewLog
    clocks: Clocks


def build_consumer(
    settings: Settings,
    client: Client,
    metrics: ConsumerMetrics,
    unfit: Callable[[], Awaitable[Sequence[str]]],
    *,
    client_id: str,
    may_be_first: bool,
    accepted: Mapping[int, int],
) -> Parts:
    """One member of the generation's group, which Kafka shows as `client_id`.

    `unfit` returns why Redis would lose counts. `may_be_first`: the generation becomes the active one if no other is
    registered. `accepted`: by partition, the offset below which bad records need no operator's decision any more.
    """
    generation = settings.generation
    clocks = Clocks(lambda: store_time_ms(client))
    schemas = value_schemas.needed(value_schemas.format_of(generation.source), settings.registry)
    fold, router, new_memory, takes_raw = folding(generation, schemas, metrics)
    page_views = PageViewLog(
        settings.kafka,
        generation.topic,
        group_of(generation),
        chunk_records(generation),
        client_id=client_id,
        unpack_bytes=settings.unpack_mb << 20,
        raw=takes_raw,
        session_ms=settings.session_timeout_ms,
        metadata_max_age_ms=settings.metadata_max_age_ms,
    )
    metrics.fold_kernel.labels(kernel.VERSION if page_views.raw else "").set(page_views.raw)
    dead_letters = DeadLetters(settings.kafka, generation.topic)
    memories = Memories(memory_rules(generation), new_memory)
    worker_for = partial(
        build_worker,
        generation=generation,
        fold=fold,
        router=router,
        schemas=schemas,
        page_views=page_views,
        store_of=partial(ShardStore, client, generation),
        dead_letters=dead_letters,
        dead_stretch_of=lambda partition: DeadLetterLimit(
            partition, settings.dead_share, settings.dead_stretch, accepted.get(partition, 0)
        ),
        clocks=clocks,
        metrics=metrics,
        homes=Homes(),
        memories=memories,
        flush_s=settings.flush_ms / 1000,
        accept_create_time=settings.accept_create_time,
    )
    keeper = ActiveKeeper(client, generation, unfit, may_be_first=may_be_first)
    consumer = Consumer(page_views, clocks, metrics, worker_for, memories.keep, keeper.before_opening)
    return Parts(consumer, keeper, dead_letters, page_views, clocks)


def folding(
    generation: Generation, schemas: ValueSchemas | None, metrics: ConsumerMetrics
) -> tuple[Fold, Router, type[Memory], bool]:
    """The fold, its router and kind of memory, whether it takes raw batches: the kernel's, if it is there and can."""
    if kernel.ON and shape_of(generation) is not None:
        from ranker.kernel.fold import KernelFold
        from ranker.kernel.memory import KernelMemory
        from ranker.kernel.route import KernelRouter

        return KernelFold(generation, metrics.declined_records.inc), KernelRouter(generation), KernelMemory, True
    fold = Fold(generation, schemas=None if schemas is None else schemas.known)
    return fold, Router(generation), Memory, False
