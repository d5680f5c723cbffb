"""A progress bar on standard error if that is a terminal; elsewhere nothing, or a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol


class Advance(Protocol):
    """Called with the position reached, in the bar's unit, and with the end if that has moved."""

    def __call__(self, position: int, total: int | None = None) -> None: ...


@contextlib.contextmanager
def bar(
    label: str, total: int | None = None, *, unit: str = "bytes", shown: bool = True, line_s: float | None = None
) -> Iterator[Advance]:
    """A bar up to `total` bytes or events, events with their rate; None if the end is not known.

    With `line_s` what is no terminal gets a line so often.
    """
    if not shown or not sys.stderr.isatty():
        lines = None if line_s is None else Lines(label, unit, line_s, time.monotonic)
        yield lines or (lambda _position, _total=None: None)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:,.0f} {unit}/s")

    amount = (DownloadColumn(),) if unit == "bytes" else (MofNCompleteColumn(), Rate())
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    # What is printed meanwhile goes above the bar, unless it goes to a file.
    above = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as progress:
        task = progress.add_task(label, total=total)
        yield lambda position, total=None: progress.update(task, completed=position, total=total)


class Lines:
    """Progress as lines: position, rate since the last line, time left at that rate."""

    def __init__(self, label: str, unit: str, every_s: float, now_s: Callable[[], float]) -> None:
        self._label, self._unit, self._every_s, self._now_s = label, unit, every_s, now_s
        self._total: int | None = None
        self._last: tuple[float, int] | None = None

    def __call__(self, position: int, total: int | None = None) -> None:
        self._total = self._total if total is None else total
        now_s = self._now_s()
        if self._last is None:
            self._last = now_s, position
        since_s, since = self._last
        if now_s - since_s < self._every_s:
            return
        self._last = now_s, position
        rate = max(0.0, (position - since) / (now_s - since_s))
        words = [f"{position:,}{'' if self._total is None else f' of {self._total:,}'} {self._unit}"]
        words.append(f"{rate:,.0f}/s")
        if rate and self._total is not None:
            words.append(f"{max(0, self._total - position) / rate:,.0f} s left")
        print(f"{self._label}: {', '.join(words)}", file=sys.stderr, flush=True)  # noqa: T201  # for people
