"""--metrics FILE: the metrics of one run of a command, for node_exporter's textfile collector."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_M = TypeVar("_M")


def _writable(context: click.Context, parameter: click.Parameter, path: str | None) -> str | None:
    """Checked before the run. What exists and is no plain file, such as a device, would be replaced by one."""
    del context, parameter  # click's signature
    if path is not None:
        file = Path(path)
        if file.exists() and not file.is_file():
            raise click.BadParameter(f"{path} is no plain file; name one, in a folder that is writable")
        if not os.access(file.parent, os.W_OK):
            raise click.BadParameter(f"{path} cannot be written; name a file in a folder that exists and is writable")
    return path


metrics_option = click.option(
    "--metrics",
    metavar="FILE",
    callback=_writable,
    help="Write metrics of this run to FILE (node_exporter's textfile collector).",
)


def write(path: str, declared: Callable[[CollectorRegistry], _M], fill: Callable[[_M], None]) -> None:
    """Replace the file by the metrics that `declared` makes and `fill` sets, at once. Raises ClickException."""
    from prometheus_client import CollectorRegistry, write_to_textfile

    # Without this process' own: node_exporter refuses names that it has itself.
    registry = CollectorRegistry()
    fill(declared(registry))
    try:
        write_to_textfile(path, registry)
    except OSError as error:
        raise click.ClickException(
            f"--metrics {path}: {error.strerror}; name a file in a folder that exists and is writable"
        ) from error
