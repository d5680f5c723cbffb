"""A progress bar for each thing under way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich import progress as bars
from rich.console import Console


class Progress:
    """Bars on a terminal; one line per task elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextlib.contextmanager
    def task(self, what: str, total: float) -> Iterator[Callable[[float], None]]:
        """Yield what to call with each bit of progress."""
        if not self._console.is_terminal:
            self._console.print(what)
            yield lambda _: None
            return
        columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TimeElapsedColumn())
        with bars.Progress(*columns, console=self._console, transient=True) as shown:
            task = shown.add_task(what, total=total)
            yield lambda advance: shown.update(task, advance=advance)
