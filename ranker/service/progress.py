"""A progress bar on standard error if that is a terminal; nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Protocol


class Advance(Protocol):
    """Called with the position reached, in the bar's unit, and with the end if that has moved."""

    def __call__(self, position: int, total: int | None = None) -> None: ...


@contextlib.contextmanager
def bar(label: str, total: int | None = None, *, unit: str = "bytes", shown: bool = True) -> Iterator[Advance]:
    """A bar up to `total` bytes or events; None if the end is not known."""
    if not shown or not sys.stderr.isatty():
        yield lambda _position, _total=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    # What is printed meanwhile goes above the bar, unless it goes to a file.
    above = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as progress:
        task = progress.add_task(label, total=total)
        yield lambda position, total=None: progress.update(task, completed=position, total=total)
