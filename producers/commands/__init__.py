"""The command line `producers`. No error shows a traceback: wrong use ends with 2, what failed with 1."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

_COMMANDS = {"replay": "replay", "simulate": "simulate", "articles": "articles", "collect": "collect"}


class _Lazy(click.Group):
    """Loads a command's module when it is asked for: --help and --version stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        module: Any = importlib.import_module(f"producers.commands.{_COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


def _version() -> str:
    try:
        return version("popularity-ranker")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="producers")
def main() -> None:
    """Write page views and articles to Kafka, for the ranker to count.

    \b
    Examples:
      producers replay access.log --article-pattern '^/articles/([^/]+)' --rebase-to now
      producers simulate --demo --history 7d --rate 50
      producers articles import feed.xml --site demo
      producers collect --config ranker.toml
    """
