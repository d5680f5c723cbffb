"""`ranker serve`: wires the reader together."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

import click

from ranker.commands.common import config_option, effective, said
from ranker.settings import Settings

log = logging.getLogger(__name__)


@click.command("serve")
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of both ports; 0.0.0.0 for every one.")
@click.option("--port", default=8080, show_default=True, help="Lists and page; 0 for any free one.")
@click.option("--admin-port", default=9102, show_default=True, help="healthz, readyz and metrics; 0 for any free one.")
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
def command(config: str | None, host: str, port: int, admin_port: int, log_level: str) -> None:
    """Serve the ranked lists over HTTP, and the page at /.

    Reads Redis once per interval, however many ask; as many readers as you like may run side by side.

    \b
    Examples:
      ranker serve
      ranker serve --host 0.0.0.0 --port 80 --config ranker.toml
      curl 'http://127.0.0.1:8080/v1/demo/popular/read/24h?limit=5'
    """
    import uvloop

    from ranker import logs
    from ranker.admin import PortTakenError

    logs.configure(log_level)
    with said():
        try:
            uvloop.run(_run(effective(config), host, port, admin_port))
        except PortTakenError as error:
            raise click.ClickException(str(error)) from error


async def _run(settings: Settings, host: str, port: int, admin_port: int) -> None:
    from ranker import admin
    from ranker.metrics import ReaderMetrics, new_registry
    from ranker.serve import server
    from ranker.serve.frontpage import Page
    from ranker.serve.lists import Lists
    from ranker.serve.published import Ages
    from ranker.serve.refresh import Refresher
    from ranker.serve.web import Web
    from ranker.store.connection import connect

    registry = new_registry()
    metrics = ReaderMetrics(registry)
    client = connect(settings.redis_url, answer_s=2.0)
    refresher = Refresher(
        client,
        sites=settings.sites,
        refresh_ms=settings.refresh_ms,
        ages=Ages(settings.stale_after_s * 1000, settings.gone_after_s * 1000),
        metrics=metrics,
    )
    web = Web(Lists(refresher, settings.sites), Page(settings.sites), settings.caching, metrics)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.aclose)
        await stack.enter_async_context(admin.serving(host, admin_port, registry, refresher.not_ready))
        bound = await stack.enter_async_context(server.serving(web.app, host, port, at_once=web.app.at_once))
        stack.callback(web.streams.close)  # first of all: the server waits for answers under way
        log.info("serving", extra={"page": f"http://{host}:{bound}/"})
        refreshing = asyncio.create_task(refresher.run(), name="refresh")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, refreshing.cancel)
        await asyncio.wait([refreshing])
        if not refreshing.cancelled():
            refreshing.result()
