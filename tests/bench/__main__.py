"""`python -m tests.bench [PART…]`: measures, prints tables, and keeps a complete run as JSON."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from deploy.local.faults import LocalFault
from deploy.local.kafka_jars import CHECKOUT
from tests.bench import backlog, machine, produce, stack
from tests.bench.figures import Part, print_part
from tests.bench.progress import Progress

ALL_EVENTS = 4_000_000
PARTS = ("backlog",)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--events", default=ALL_EVENTS, show_default=True, help="Size of the backlog; fewer for a quick look.")
@click.option("--repeats", default=3, show_default=True, help="Runs of which the median is taken.")
@click.option(
    "--batches",
    multiple=True,
    default=tuple(produce.BATCHES),
    show_default=True,
    type=click.Choice(tuple(produce.BATCHES)),
    help="Sizes of the producers' batches in the backlog. Repeatable.",
)
@click.option("--profiler", default="", metavar="COMMAND", help="Run on the backlog's consumer, with its {pid}.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here as well.")
def main(
    parts: tuple[str, ...], events: int, repeats: int, batches: tuple[str, ...], profiler: str, file: Path | None
) -> None:
    """Measure the engine on this machine, with an Apache Kafka and a Redis of its own.

    Without PART all of them; a complete run is kept in docs/reports/.
    """
    console = Console() if sys.stdout.isatty() else Console(width=132)
    progress = Progress(console)
    chosen = parts or PARTS
    if file is None and set(chosen) == set(PARTS) and events >= ALL_EVENTS and set(batches) == set(produce.BATCHES):
        file = CHECKOUT / "docs" / "reports" / f"bench-{dt.datetime.now(dt.UTC).date()}.json"
    try:
        with stack.started() as servers:
            runs: dict[str, Callable[[], Part]] = {
                "backlog": lambda: backlog.run(servers, events, repeats, batches, profiler, progress),
            }
            measured = []
            for name in chosen:
                measured.append(runs[name]())
                print_part(console, measured[-1])
            described = machine.describe(servers)
    except LocalFault as fault:
        raise click.ClickException(str(fault)) from fault
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        report = {
            "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "machine": described,
            "parts": {part.name: part.as_json() for part in measured},
        }
        file.write_text(json.dumps(report, indent=2) + "\n")
        console.print(f"kept in {os.path.relpath(file)}")


if __name__ == "__main__":
    main()
