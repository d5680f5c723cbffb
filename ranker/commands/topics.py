"""`ranker topics`: the topics that page views, dead letters and articles need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from ranker.commands.common import config_option, load_settings, user_errors
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.topics import Outcome
    from ranker.settings import Settings


@click.group("topics")
def command() -> None:
    """Create or check the Kafka topics.

    \b
    Example:
      ranker topics apply
    """


@command.command("apply")
@config_option
@click.option("--replicas", type=click.IntRange(1), help="Copies of new topics; else 3, or as many as brokers.")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
def apply(config: str | None, replicas: int | None, dry_run: bool) -> None:
    """Create missing topics, add missing partitions, set what counts need.

    May be repeated: nothing is ever removed or shrunk, and settings that counts do not need are left as they are. Exit
    code 1 if a topic stays unfit for counts; what to do is printed. A topic with a [source] in ranker.toml is not ours:
    it is only checked.

    \b
    Examples:
      ranker topics apply
      ranker topics apply --dry-run
      ranker topics apply --replicas 3 --config ranker.toml
    """
    with user_errors():
        outcomes = asyncio.run(_apply(load_settings(config), replicas, dry=dry_run))
    for outcome in outcomes:
        there = "is there" if outcome.was_there else "is missing"
        would = "would be " if dry_run and outcome.done else ""
        click.echo(f"{outcome.topic}: {would}{printable(', '.join(outcome.done)) or there}")
        for fault in outcome.faults:
            click.echo(f"  fault: {printable(fault)}")
    if any(outcome.faults or (dry_run and outcome.done) for outcome in outcomes):
        raise click.exceptions.Exit(1)


async def _apply(settings: Settings, replicas: int | None, *, dry: bool) -> list[Outcome]:
    from ranker.log import admin
    from ranker.operate import topics

    async with admin.connected(settings.kafka) as log:
        generation = settings.generation
        return [
            *await topics.check_foreign(log, generation, accept_create_time=settings.accept_create_time),
            *await topics.apply(log, topics.wanted(generation, settings.calendars), replicas, dry=dry),
        ]
