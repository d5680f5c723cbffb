"""`python -m tests.bench [PART…]`: measures, prints tables, and keeps a complete run as a report."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from deploy.local.faults import LocalFault
from deploy.local.kafka_jars import CHECKOUT
from tests.bench import (
    backlog,
    collect,
    cost,
    folds,
    foreign,
    freeze,
    freshness,
    growth,
    machine,
    many_lists,
    memory,
    peers,
    produce,
    proof,
    reader,
    refresh,
    report,
    rising,
    rules,
    script,
    sizing,
    spool,
    stack,
    start,
    steady,
    strangers,
    streams,
)
from tests.bench.figures import Part, print_part
from tests.bench.progress import Progress

ALL_EVENTS = 4_000_000
QUICK_EVENTS = 200_000
PARTS = (
    "backlog",
    "folds",
    "growth",
    "foreign",
    "cost",
    "script",
    "memory",
    "rules",
    "rising",
    "proof",
    "freeze",
    "freshness",
    "reader",
    "streams",
    "start",
    "refresh",
    "collect",
    "spool",
    "strangers",
    "sizing",
    "steady",
    "lists",
)
ASKED = ("peers",)
"""Parts that are no part of a complete run: they need Maven and cargo."""


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS + ASKED))
@click.option("--events", default=ALL_EVENTS, show_default=True, help="Size of the backlog; fewer for a quick look.")
@click.option("--repeats", default=3, show_default=True, help="Runs of which the median is taken.")
@click.option("--quick", is_flag=True, help="Every part at a fraction of its size, once: to see that it works.")
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
    parts: tuple[str, ...],
    events: int,
    repeats: int,
    quick: bool,
    batches: tuple[str, ...],
    profiler: str,
    file: Path | None,
) -> None:
    """Measure the engine on this machine, with an Apache Kafka and a Redis of its own.

    Without PART all of them except peers; a complete run at full size is kept in docs/reports/, as JSON and as a table.
    """
    console = Console() if sys.stdout.isatty() else Console(width=150)
    progress = Progress(console)
    chosen = parts or PARTS
    if quick:
        events, repeats = min(events, QUICK_EVENTS), 1
    complete = not quick and set(chosen) == set(PARTS) and events >= ALL_EVENTS and set(batches) == set(produce.BATCHES)
    began, load_before = dt.datetime.now(dt.UTC), os.getloadavg()[0]
    try:
        with stack.started() as servers:
            runs: dict[str, Callable[[], Part]] = {
                "backlog": lambda: backlog.run(servers, events, repeats, batches, profiler, progress),
                "folds": lambda: folds.run(servers, events, repeats, progress),
                "growth": lambda: growth.run(servers, events // 8, 1 if quick else repeats, progress),
                "foreign": lambda: foreign.run(servers, events, repeats, progress),
                "cost": lambda: cost.run(servers, events, repeats, progress),
                "script": lambda: script.run(servers, quick, progress),
                "memory": lambda: memory.run(servers, quick, progress),
                "rules": lambda: rules.run(servers, events, quick, progress),
                "rising": lambda: rising.run(servers, events, repeats, quick, progress),
                "proof": lambda: proof.run(servers, events, repeats, progress),
                "freeze": lambda: freeze.run(servers, events, repeats, progress),
                "freshness": lambda: freshness.run(servers, repeats, quick, progress),
                "reader": lambda: reader.run(servers, repeats, quick, progress),
                "streams": lambda: streams.run(servers, quick, progress),
                "start": lambda: start.run(servers, quick, progress),
                "refresh": lambda: refresh.run(servers, repeats, quick, progress),
                "collect": lambda: collect.run(servers, repeats, quick, progress),
                "spool": lambda: spool.run(servers, quick, progress),
                "strangers": lambda: strangers.run(servers, quick, progress),
                "sizing": lambda: sizing.run(servers, quick, progress),
                "steady": lambda: steady.run(servers, quick, progress),
                "peers": lambda: peers.run(servers, events, repeats, progress),
                "lists": lambda: many_lists.run(servers, quick, progress),
            }
            measured = []
            for name in chosen:
                measured.append(runs[name]())
                print_part(console, measured[-1])
            described = machine.describe(servers, load_before)
    except LocalFault as fault:
        raise click.ClickException(str(fault)) from fault
    kept = [file] if file is not None else []
    if complete:
        kept += [CHECKOUT / "docs" / "reports" / f"bench-{began.date()}.{suffix}" for suffix in ("json", "md")]
    for path in kept:
        report.write(path, began, described, measured)
        console.print(f"kept in {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
