"""Shared by the operators' commands: options that several have, and errors as sentences instead of tracebacks."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ranker.settings import Settings

config_option = click.option(
    "--config", metavar="FILE", help="ranker.toml; else RANKER_CONFIG, else the defaults. See docs/reference.md."
)


def _accepted(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[int, int]:
    del context, parameter  # click's signature
    accepted = {}
    for value in values:
        partition, _, offset = value.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise click.BadParameter(f"{value!r} is not PARTITION:OFFSET, two numbers, for example 0:1200")
        accepted[int(partition)] = int(offset)
    return accepted


accept_bad_option = click.option(
    "--accept-bad",
    metavar="PARTITION:OFFSET",
    multiple=True,
    callback=_accepted,
    help="Send bad records below this offset to the dead letters, however many there are. Repeatable.",
)


accept_unread_option = click.option(
    "--accept-bad",
    metavar="PARTITION:OFFSET",
    multiple=True,
    callback=_accepted,
    help="Take records below this offset for dead letters if the schema registry lacks their schema. Repeatable.",
)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Errors that an operator can mend end the command with one message and exit code 1."""
    from ranker.connect.kafka import KafkaRefusedError
    from ranker.consume.errors import UnfitStoreError
    from ranker.log.errors import LogRefusedError, LogUnavailableError
    from ranker.operate.periods_due import FreezeError
    from ranker.operate.recounting import RecountError
    from ranker.recount.definition import NotTheDefinitionError
    from ranker.service.listener import PortTakenError
    from ranker.store.errors import StoreFullError, StoreUnavailableError
    from ranker.store.generations import GenerationError
    from schemas.configuration import SettingsError

    # The client logs what its exceptions contain as well.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        yield
    except (LogUnavailableError, StoreUnavailableError) as error:
        raise click.ClickException(f"{error}; `ranker check` shows what is wrong") from error
    except (
        SettingsError,
        PortTakenError,
        KafkaRefusedError,
        LogRefusedError,
        StoreFullError,
        GenerationError,
        UnfitStoreError,
        NotTheDefinitionError,
        RecountError,
        FreezeError,
    ) as error:
        raise click.ClickException(str(error)) from error


def load_settings(config: str | None, preset: str | None = None) -> Settings:
    """The settings in effect, with the rules of a `preset` if one is given; raises SettingsError."""
    from ranker import settings

    return settings.load(config, os.environ, preset)


def now_ms() -> int:
    """The wall clock of this process, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
