"""`ranker serve`: wires the reader together."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack

import click

from ranker.commands.common import config_option, load_settings, user_errors
from ranker.settings import Settings

log = logging.getLogger(__name__)


@click.command("serve")
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of --port; 0.0.0.0 for every one.")
@click.option("--port", default=8080, show_default=True, help="Lists and page; 0 for any free one.")
@click.option(
    "--admin-host", default="127.0.0.1", show_default=True, help="Address of --admin-port; never a public one."
)
@click.option("--admin-port", default=9102, show_default=True, help="healthz, readyz and metrics; 0 for any free one.")
@click.option(
    "--drain-s",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="How long it still serves after SIGTERM, not ready, so that a balancer can turn elsewhere.",
)
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
def command(
    config: str | None, host: str, port: int, admin_host: str, admin_port: int, drain_s: float, log_level: str
) -> None:
    """Serve the ranked lists over HTTP, and the page at /.

    Reads Redis once per interval, however many clients there are; any number of readers may run side by side.
    SIGTERM drains it first (--drain-s), Ctrl-C does not; a second signal ends it at once.

    \b
    Examples:
      ranker serve
      ranker serve --host 0.0.0.0 --port 80 --config ranker.toml
      curl 'http://127.0.0.1:8080/v1/demo/popular/read/24h?limit=5'
    """
    import uvloop

    from ranker.service import logs
    from ranker.service.tuning import collect_seldom, many_connections

    logs.configure(log_level, program="ranker serve")
    collect_seldom()
    many_connections()
    with user_errors():
        uvloop.run(_run(load_settings(config), host, port, admin_host, admin_port, drain_s))


async def _run(settings: Settings, host: str, port: int, admin_host: str, admin_port: int, drain_s: float) -> None:
    from ranker.connect.redis import connect
    from ranker.metrics import ReaderMetrics, new_registry
    from ranker.serve.api.clients import Clients
    from ranker.serve.app import Web
    from ranker.serve.http.reader_port import reader_port
    from ranker.serve.live.build_live import build_live
    from ranker.serve.live.hourly import Hourly
    from ranker.serve.live.published import Ages
    from ranker.serve.pages.front import Page
    from ranker.service import admin, http_server, signals
    from ranker.service.address import Addresses
    from ranker.service.connections import Connections

    registry = new_registry()
    metrics = ReaderMetrics(registry)
    client = connect(settings.redis, answer_s=2.0)
    live = build_live(
        client,
        sites=settings.sites,
        refresh_ms=settings.refresh_ms,
        ages=Ages(settings.stale_after_s * 1000, settings.gone_after_s * 1000),
        metrics=metrics,
        rising=settings.rising,
    )
    addresses = Addresses(settings.proxies)
    clients = Clients(addresses, settings.client_streams, settings.client_lists_s)
    hourly = Hourly(client, live.board.now_ms)
    web = Web(live, hourly, Page(settings.sites, settings.rising_windows), settings.caching, clients, metrics)
    places = Connections(addresses.is_proxy)
    metrics.connections.set_function(lambda: places.open)

    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())

        def not_ready() -> list[str]:
            reasons = live.board.not_ready()
            return [signals.DRAINING, *reasons] if stop.is_set() else reasons

        stack.push_async_callback(client.aclose)
        await stack.enter_async_context(admin.serving(admin_host, admin_port, registry, not_ready))
        refreshing = asyncio.create_task(live.refresh.run(), name="refresh")
        stack.push_async_callback(_cancelled, refreshing)  # after the server: an answer under way may wait for a list
        beside = asyncio.create_task(web.run(), name="streams and hits")
        stack.push_async_callback(_cancelled, beside)
        bound = await stack.enter_async_context(
            http_server.serving(
                web.app,
                host,
                port,
                reader_port(web.app.at_once, places, stop, metrics.refused_connections.inc),
            )
        )
        stack.callback(web.streams.close)
        log.info("serving", extra={"page": f"http://{host}:{bound}/"})
        ending = asyncio.create_task(stop.drained(drain_s), name="end")
        stack.push_async_callback(_cancelled, ending)
        done, _ = await asyncio.wait([refreshing, beside, ending], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
