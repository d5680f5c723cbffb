"""Shared by the commands: options, and how a run ends."""

from __future__ import annotations

import asyncio
import logging
import os
import zoneinfo
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import click

from producers import event
from producers.errors import ProducerError
from producers.times import LocalClock
from ranker.connect.kafka import DEFAULT, KafkaSettings
from schemas import article_id, configuration
from schemas.article_id import IdRule


def _kafka(_: click.Context, __: click.Parameter, value: str) -> KafkaSettings:
    found = replace(KafkaSettings.from_environ(), bootstrap=value)
    if faults := list(found.faults()):
        raise click.UsageError("\n".join(faults))
    return found


bootstrap_option = click.option(
    "--bootstrap",
    "kafka",
    envvar="RANKER_KAFKA_BOOTSTRAP",
    default=DEFAULT,
    callback=_kafka,
    show_default=True,
    show_envvar=True,
    metavar="HOST:PORT[,…]",
    help="Kafka's address. TLS and logins are set by RANKER_KAFKA_… (docs/ways-in/kafka.md).",
)


def topic_option(default: str) -> Callable[[Any], Any]:
    return click.option("--topic", default=default, show_default=True, help="Topic to write to.")


def check_site(_: click.Context, __: click.Parameter, value: str) -> str:
    if not event.is_site_id(value):
        raise click.BadParameter(f"{value!r} is no site id; it has 1 to 64 of a-z 0-9 . _ -")
    return value


config_option = click.option(
    "--config", metavar="FILE", help="ranker.toml, for its sites' ids; else RANKER_CONFIG, else the defaults."
)


def table(config: str | None) -> dict[str, Any]:
    """The table of this file, else of RANKER_CONFIG, with its defaults. Raises UsageError."""
    found, faults = configuration.table(config or os.environ.get("RANKER_CONFIG") or None)
    if faults:
        raise click.UsageError(str(configuration.SettingsError(faults)))
    return found


def id_rules(config: str | None) -> dict[str, IdRule]:
    """Site to its rule for article ids, by `table`."""
    return configuration.id_rules(table(config))


def check_source(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """What an address's id is taken from, as in `ids.from` of ranker.toml."""
    if value is not None and (fault := article_id.source_fault(value)):
        raise click.BadParameter(fault)
    return value


def check_zone(_: click.Context, __: click.Parameter, value: str | None) -> LocalClock | None:
    if value is None:
        return None
    try:
        return LocalClock(zoneinfo.ZoneInfo(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not zoneinfo.available_timezones():
            raise click.BadParameter(
                "this machine has no database of time zones; install the system's tzdata, or: pip install tzdata"
            ) from error
        raise click.BadParameter(f"{value!r} is no time zone; write it as Europe/Paris or America/Montreal") from error


END_S = 3.0
"""How long Kafka has, after a signal, to acknowledge what was sent; closing the connection takes 5 s more at most."""


def soon() -> Callable[[], object]:
    """For signals.stop_event: ends the task that calls this END_S after the signal, if it has not ended by itself."""
    task = asyncio.current_task()
    assert task is not None  # every coroutine of ours runs in one
    return partial(asyncio.get_running_loop().call_later, END_S, task.cancel)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs a command's work to its end; a ProducerError becomes one sentence and exit code 1."""
    # The client logs every failed attempt; the sentence has all that matters.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        asyncio.run(work)
    except ProducerError as error:
        raise click.ClickException(str(error)) from error
    except asyncio.CancelledError:
        raise click.ClickException(
            "Interrupted, and Kafka has not acknowledged everything: the last events may be missing in the log."
        ) from None
