"""Command lines and settings of our programs as deploy/ has them, read as the programs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Any
from unittest.mock import patch

import click

from producers.collector import settings as collector_settings
from producers.commands import main as producers
from ranker import settings
from ranker.commands import main as ranker
from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.registry import RegistrySettings

PROGRAMS: dict[str, click.Group] = {"ranker": ranker, "producers": producers}
VARIABLES = frozenset(
    f"{kind.PREFIX}_{field.name.upper()}"
    for kind in (KafkaSettings, RedisSettings, RegistrySettings)
    for field in fields(kind)
) | {"RANKER_CONFIG", "RANKER_ENV", "RANKER_READ_TOKENS", "RANKER_WRITE_KEYS"}
"""What the programs read of the environment."""


def options(program: str, words: Sequence[str]) -> dict[str, Any]:
    """The options of a command line by their names. Raises click.UsageError as the program would.

    Whether the folder of --metrics is on this machine does not matter.
    """
    command: click.Command = PROGRAMS[program]
    left = list(words)
    while isinstance(command, click.Group):
        name = left.pop(0)
        child = command.get_command(click.Context(command), name)
        if child is None:
            raise click.UsageError(f"{program} has no command {name}")
        command = child
    with ExitStack() as stack:
        for param in command.params:
            if param.name == "metrics":
                stack.enter_context(patch.object(param, "callback", None))
        return command.make_context(program, left).params


def check_settings(program: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Raise SettingsError if this command would refuse its settings."""
    load = collector_settings.load if (program, words[0]) == ("producers", "collect") else settings.load
    load(None, environ)
