"""A command line whose subcommands are imported when they are called: --help and usage errors come at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from ranker.service.printable import printable_lines


class LazyGroup(click.Group):
    """The commands of a package: the name of each module, which has a click command called `command`, to its help.

    `renamed` maps the commands that are not called as their modules are to these.

    Its error messages may repeat arguments and replies of servers, so they are printed as printable text.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        modules: Mapping[str, str],
        renamed: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self._package = package
        self._modules = modules
        self._renamed = renamed or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._modules:
            return None
        command = importlib.import_module(f"{self._package}.{self._renamed.get(cmd_name, cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(self._modules.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.message = printable_lines(error.message)  # type: ignore[misc]  # final to subclasses alone
            raise
