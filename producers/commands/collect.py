"""`producers collect`: wires the collector together."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from producers.commands import common
from ranker.connect.kafka import KafkaSettings

if TYPE_CHECKING:
    from producers.collector.settings import Settings

log = logging.getLogger(__name__)


class _UnfitSettings(click.ClickException):
    """Ends with the exit code of a usage error: a supervisor sees that a restart would not help."""

    exit_code = 2


def _state_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "popularity-ranker" / "spool"


def _own_name() -> str:
    return "collect-" + re.sub(r"[^a-z0-9.-]", "", socket.gethostname().lower())[:48]


def _check_name(_: click.Context, __: click.Parameter, value: str | None) -> str:
    name = value or _own_name()
    if not re.fullmatch(r"[a-z0-9.-]{1,64}", name):
        raise click.BadParameter(f"{name!r} is no name; it has 1 to 64 of a-z 0-9 . -")
    return name


@click.command("collect")
@click.option(
    "--config", metavar="FILE", help="ranker.toml; else RANKER_CONFIG. It defines which pages may send events."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of --port; 0.0.0.0 for every one.")
@click.option("--port", default=8081, show_default=True, help="Where events come in; 0 for any free one.")
@click.option(
    "--admin-host", default="127.0.0.1", show_default=True, help="Address of --admin-port; never a public one."
)
@click.option("--admin-port", default=9103, show_default=True, help="healthz, readyz and metrics; 0 for any free one.")
@common.bootstrap_option
@click.option("--topic", help="Topic to write to. Default: the topic of ranker.toml, page-views.")
@click.option(
    "--spool",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where events wait on disk while Kafka is away; each collector has its own. "
    "Default: $XDG_STATE_HOME or ~/.local/state, popularity-ranker/spool.",
)
@click.option(
    "--name",
    callback=_check_name,
    help="Begins the producer_id of its events, the same at every start. Default: collect-HOSTNAME.",
)
@click.option(
    "--drain-s",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 300),
    help="How long it still serves after SIGTERM, not ready, so that a balancer can turn elsewhere.",
)
@click.option("--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning"]))
def command(
    *,
    config: str | None,
    host: str,
    port: int,
    admin_host: str,
    admin_port: int,
    kafka: KafkaSettings,
    topic: str | None,
    spool: Path | None,
    name: str,
    drain_s: float,
    log_level: str,
) -> None:
    """Take events over HTTP and put them into Kafka: POST /v1/events, GET /v1/view.gif, and the script /tracker.js.

    Events answered with 202 are in Kafka or on the disk. ranker.toml defines which pages may send what
    ([sites.NAME] origins, hosts, public_types; [collect] limits); RANKER_WRITE_KEYS (site=key,…) has the keys for
    servers. With [sites.NAME.beacons] it takes page views of Matomo, Plausible, Umami and GoatCounter too.
    SIGTERM drains it first (--drain-s), Ctrl-C does not; then responses under way are finished. A second signal ends it
    at once.

    \b
    Examples:
      producers collect --config ranker.toml
      producers collect --host 0.0.0.0 --port 80 --config ranker.toml --spool /var/lib/popularity-ranker
      curl -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
        -d '{"article_id": "/a"}' http://127.0.0.1:8081/v1/events
    """
    import uvloop

    from producers.collector.delivery.spool_file import SpoolError
    from producers.collector.settings import load
    from ranker.service import logs
    from ranker.service.listener import PortTakenError
    from schemas.configuration import SettingsError

    # Of Kafka the outbox logs what there is to say.
    logs.configure(log_level, kafka=logging.CRITICAL, program="producers collect")
    try:
        settings = load(config, os.environ)
        uvloop.run(
            _run(
                settings,
                host,
                port,
                (admin_host, admin_port),
                kafka,
                topic or settings.topic,
                spool or _state_directory(),
                name,
                drain_s,
            )
        )
    except SettingsError as error:
        raise _UnfitSettings(str(error)) from error
    except (PortTakenError, SpoolError) as error:
        raise click.ClickException(str(error)) from error


async def _run(
    settings: Settings,
    host: str,
    port: int,
    admin_at: tuple[str, int],
    kafka: KafkaSettings,
    topic: str,
    directory: Path,
    name: str,
    drain_s: float,
) -> None:
    from producers.collector.admission import Bounds
    from producers.collector.app import Web
    from producers.collector.authorize import Sites
    from producers.collector.catalogue import Catalogue
    from producers.collector.client_hour import ClientHour
    from producers.collector.delivery.outbox import Outbox
    from producers.collector.delivery.spool import Spool
    from producers.collector.http.collector_port import collector_port
    from producers.collector.known_articles import Known
    from producers.collector.metrics import CollectorMetrics, new_registry
    from producers.collector.new_articles import NewArticles
    from producers.collector.salt import open_salts
    from ranker.service import admin, http_server, signals
    from ranker.service.address import Addresses
    from ranker.service.buckets import Buckets
    from ranker.service.connections import Connections
    from ranker.service.tuning import many_connections

    many_connections()
    registry = new_registry()
    metrics = CollectorMetrics(registry)
    addresses = Addresses(settings.proxies)
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())
        spool = await stack.enter_async_context(Spool.open(directory, settings.spool_mb << 20))
        metrics.watch(spool)
        outbox = await stack.enter_async_context(Outbox(kafka, topic, spool, metrics, name=name))
        known = await stack.enter_async_context(Known.open(directory, settings.sites))
        salts = await stack.enter_async_context(open_salts(settings.redis)) if settings.redis else None
        rules = {site_id: site.ids for site_id, site in settings.sites.items()}
        catalogue = await stack.enter_async_context(Catalogue.open(kafka, rules))
        articles = NewArticles(
            catalogue,
            known,
            settings.new_articles_per_minute,
            settings.new_articles_burst,
            settings.repeats_kb_per_minute,
        )
        metrics.watch_articles(catalogue, lambda: min(articles.left(site, time.time()) for site in settings.sites))
        bounds = Bounds(
            Buckets(settings.client_events_s, settings.client_burst),
            Buckets(settings.key_events_s, max(settings.key_events_s, 500)),
            articles,
            ClientHour(settings.client_article_hour),
            settings.longest_window_ms,
        )
        web = Web(Sites(settings.sites), addresses, bounds, outbox, salts, metrics, settings.needs)
        connections = Connections(addresses.is_proxy)
        metrics.connections.set_function(lambda: connections.open)

        def not_ready() -> list[str]:
            full = spool.full and not outbox.kafka_up
            reasons = ["neither Kafka nor the spool takes events: Kafka is away, the spool full"] if full else []
            return [signals.DRAINING, *reasons] if stop.is_set() else reasons

        await stack.enter_async_context(admin.serving(*admin_at, registry, not_ready))
        bound = await stack.enter_async_context(
            http_server.serving(web.app, host, port, collector_port(web.refused, connections, stop))
        )
        log.info(
            "collecting", extra={"address": f"http://{host}:{bound}/", "sites": len(settings.sites), "producer": name}
        )
        await stop.drained(drain_s)
        log.info("ending: answers under way are finished")
