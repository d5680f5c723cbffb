"""`ranker consume`: wires the consumer of page views together."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import lru_cache, partial

import click

from ranker import kernel
from ranker.commands.common import accept_bad_option, config_option, load_settings, now_ms, user_errors
from ranker.service import ending, signals
from ranker.settings import Settings


@click.command("consume")
@config_option
@click.option(
    "--admin-host",
    "--host",  # its name before
    default="127.0.0.1",
    show_default=True,
    help="Address of --admin-port; never a public one.",
)
@click.option("--admin-port", default=9101, show_default=True, help="healthz, readyz and metrics; 0 for any free one.")
@accept_bad_option
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
def command(config: str | None, admin_host: str, admin_port: int, accept_bad: dict[int, int], log_level: str) -> None:
    """Count page views from Kafka into Redis.

    Start up to one per partition: they share the partitions as a group, and any of them may die at any time.

    \b
    Examples:
      ranker consume
      ranker consume --config ranker.toml --admin-port 9102
      ranker consume --accept-bad 3:120000      after a look at the dead letters
    """
    import uvloop

    from ranker.kernel.shape import shape_of
    from ranker.service import logs
    from ranker.service.tuning import collect_seldom, keep_buffers

    with user_errors():
        settings = load_settings(config)
        folds = kernel.named(can_read=shape_of(settings.generation) is not None)
        logs.configure(log_level, program="ranker consume", more={"fold": folds})
        collect_seldom()
        keep_buffers()
        uvloop.run(_run(settings, admin_host, admin_port, accept_bad))


async def _run(settings: Settings, admin_host: str, admin_port: int, accepted: dict[int, int]) -> None:
    from ranker.connect.redis import connect
    from ranker.consume.build_consumer import build_consumer
    from ranker.consume.jobs.copied_topics import THE_CATALOGUE, THE_DOCUMENTS
    from ranker.consume.jobs.copy_topic import copy_topic
    from ranker.consume.jobs.measure_store import StoreMeter
    from ranker.consume.jobs.watch_producers import ProducerWatch
    from ranker.consume.jobs.write_history import HistoryWriter
    from ranker.core import best_of
    from ranker.log.copied_topic import CopiedTopic
    from ranker.metrics import ConsumerMetrics, new_registry
    from ranker.metrics.generation_shown import show_generation
    from ranker.operate import check_redis
    from ranker.service import admin

    generation = settings.generation
    registry = new_registry()
    metrics = ConsumerMetrics(registry, generation.boards_of)
    show_generation(metrics.generation, generation.id)
    client = connect(settings.redis)
    noted = lru_cache(maxsize=100)(logging.getLogger(__name__).warning)  # once each, not every minute
    parts = build_consumer(
        settings,
        client,
        metrics,
        partial(check_redis.unfit, client, now_ms, noted),
        client_id="ranker-consume",
        may_be_first=True,
        accepted=accepted,
    )
    consumer, keeper, page_views, clocks = parts.consumer, parts.keeper, parts.page_views, parts.clocks
    historian = HistoryWriter(
        client,
        generation,
        {name: site.ids for name, site in settings.sites.items()},
        page_views.partitions,
        clocks.wall_ms,
        metrics,
        [name for name, site in settings.sites.items() if site.hide_unknown],
    )
    watch = ProducerWatch(client, generation, page_views.partitions, lambda: consumer.has(0), clocks.wall_ms, metrics)
    meter = StoreMeter(client, generation, consumer.open_partitions, clocks.wall_ms, metrics)
    copied = [(THE_CATALOGUE, "articles")]
    if settings.calendars:
        copied.append((THE_DOCUMENTS, best_of.TOPIC))

    async def count() -> None:
        await consumer.until_kafka(parts.dead_letters.start)
        await consumer.run()

    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())

        def not_ready() -> list[str]:
            return [*(["asked to end: giving the partitions back"] if stop.is_set() else ()), *consumer.not_ready()]

        stack.push_async_callback(client.aclose)
        await stack.enter_async_context(admin.serving(admin_host, admin_port, registry, not_ready))
        stack.push_async_callback(parts.dead_letters.stop)
        stack.push_async_callback(page_views.stop)  # if it has not begun
        tasks = [
            asyncio.create_task(count(), name="consumer"),
            asyncio.create_task(keeper.run(consumer.trouble), name="active"),
            asyncio.create_task(historian.run(), name="history"),
            asyncio.create_task(watch.run(), name="producers"),
            asyncio.create_task(meter.run_servers(), name="memory of servers"),
            asyncio.create_task(meter.run_shards(), name="memory of shards"),
            *(
                asyncio.create_task(
                    copy_topic(kind, partial(CopiedTopic, settings.kafka, topic), client, consumer.trouble),
                    name=kind.copy.name,
                )
                for kind, topic in copied
            ),
        ]
        await _run_until_signal(tasks, stop)


async def _run_until_signal(tasks: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    """Until `stop`, which ends all of them. One that ends before that is an error."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        unexpected = [] if stop.is_set() else [task.get_name() for task in tasks if task.done()]
    finally:
        stopping.cancel()
        await ending.end(tasks)
    if unexpected:
        raise click.ClickException(
            f"{', '.join(unexpected)} ended without a signal; this is a fault of the software: please report it"
        )
