"""`ranker consume`: wires the consumer of page views together."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import click

from ranker.commands.common import config_option, effective, now_ms, said
from ranker.settings import Settings

_AGAIN_S = 5.0
"""Longer than leaving the group in order takes."""


def _accepted(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[int, int]:
    del context, parameter  # click's signature
    accepted = {}
    for value in values:
        partition, _, offset = value.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise click.BadParameter(f"{value!r} is not PARTITION:OFFSET, two numbers, for example 0:1200")
        accepted[int(partition)] = int(offset)
    return accepted


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
@click.option(
    "--accept-bad",
    metavar="PARTITION:OFFSET",
    multiple=True,
    callback=_accepted,
    help="Send what is bad below this offset to the dead letters, however much it is. Repeatable.",
)
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
def command(config: str | None, admin_host: str, admin_port: int, accept_bad: dict[int, int], log_level: str) -> None:
    """Count page views from Kafka into Redis.

    Start as many as there are partitions: they share them as a group, and one may die at any moment.

    \b
    Examples:
      ranker consume
      ranker consume --config ranker.toml --admin-port 9102
      ranker consume --accept-bad 3:120000      after a look at the dead letters
    """
    import uvloop

    from ranker import logs
    from ranker.tuning import collect_seldom, keep_buffers

    with said():
        settings = effective(config)
        logs.configure(log_level)
        collect_seldom()
        keep_buffers()
        uvloop.run(_run(settings, admin_host, admin_port, accept_bad))


async def _run(settings: Settings, admin_host: str, admin_port: int, accepted: dict[int, int]) -> None:
    from ranker.consume.active import ActiveKeeper
    from ranker.consume.batch import chunk_records
    from ranker.consume.catalogue import run_catalogue
    from ranker.consume.clocks import Clocks
    from ranker.consume.dead_letter_limit import DeadLetterLimit
    from ranker.consume.gate import Gate
    from ranker.consume.history import Historian
    from ranker.consume.homes import Homes
    from ranker.consume.loop import Consumer
    from ranker.consume.producers import ProducerWatch
    from ranker.consume.session import Session
    from ranker.consume.worker import Worker
    from ranker.core.fold import Fold
    from ranker.log.articles import ArticleLog
    from ranker.log.consumer import PageViewLog
    from ranker.log.dead_letter_writer import DeadLetters
    from ranker.metrics import ConsumerMetrics, new_registry
    from ranker.operate import check
    from ranker.service import admin
    from ranker.store.connection import connect
    from ranker.store.shard import ShardState, ShardStore
    from ranker.store.time import store_time_ms

    generation = settings.generation
    registry = new_registry()
    metrics = ConsumerMetrics(registry, generation.boards_of)
    client = connect(settings.redis_url)
    clocks = Clocks(lambda: store_time_ms(client))
    page_views = PageViewLog(
        settings.kafka_bootstrap,
        generation.topic,
        f"ranker-{generation.id}",
        Fold(generation),
        chunk_records(generation),
        unpack_bytes=settings.unpack_mb << 20,
        session_ms=settings.session_timeout_ms,
        metadata_max_age_ms=settings.metadata_max_age_ms,
    )
    dead_letters = DeadLetters(settings.kafka_bootstrap, generation.topic)

    homes = Homes()

    def trouble(where: str, what: str | None) -> None:
        consumer.trouble(where, what)

    def worker_for(partition: int) -> Worker:
        store = ShardStore(client, generation, partition)

        def session_of(state: ShardState) -> Session:
            return Session(
                store,
                generation,
                partition,
                page_views.partitions(),
                state,
                metrics,
                lambda what: trouble(f"partition {partition}", what),
                homes,
            )

        return Worker(
            generation,
            partition,
            page_views,
            Gate(page_views, store, generation, partition, clocks, metrics, session_of),
            dead_letters,
            clocks,
            metrics,
            DeadLetterLimit(partition, settings.dead_share, settings.dead_stretch, accepted.get(partition, 0)),
            settings.flush_ms / 1000,
            accept_create_time=settings.accept_create_time,
        )

    keeper = ActiveKeeper(client, generation, lambda: check.unfit(client, now_ms), trouble)
    consumer = Consumer(page_views, clocks, metrics, worker_for, keeper.before_opening)
    historian = Historian(
        client,
        generation,
        settings.sites,
        page_views.partitions,
        clocks.wall_ms,
        metrics,
        [name for name, site in settings.sites.items() if site.hide_unknown],
    )
    watch = ProducerWatch(client, generation, page_views.partitions, lambda: consumer.has(0), clocks.wall_ms, metrics)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.aclose)
        await stack.enter_async_context(admin.serving(admin_host, admin_port, registry, consumer.not_ready))
        await dead_letters.start()
        stack.push_async_callback(dead_letters.stop)
        tasks = [
            asyncio.create_task(consumer.run(), name="consumer"),
            asyncio.create_task(keeper.run(), name="active"),
            asyncio.create_task(historian.run(), name="history"),
            asyncio.create_task(watch.run(), name="producers"),
            asyncio.create_task(
                run_catalogue(lambda: ArticleLog(settings.kafka_bootstrap), client, trouble), name="catalogue"
            ),
        ]
        await _together(tasks)


async def _together(tasks: list[asyncio.Task[None]]) -> None:
    """Until SIGINT or SIGTERM, which end the first task and then the others. One that ends before that is an error."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def ask() -> None:
        asked.set()
        tasks[0].cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        unasked = [] if asked.is_set() else [task.get_name() for task in tasks if task.done()]
    finally:
        while left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            # again: wait_for, which the clients use, swallows a cancellation now and then before Python 3.12
            await asyncio.wait(left, timeout=_AGAIN_S)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
    if unasked:
        raise click.ClickException(
            f"{', '.join(unasked)} ended although nobody asked for it; this is a fault of the software: "
            "please report it"
        )
