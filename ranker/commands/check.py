"""`ranker check`: the settings in effect, and every reason why counting would not work, at once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.findings import Finding
    from ranker.settings import Settings

_COLOURS = {"ok": "green", "note": "yellow", "fault": "red"}


@click.command("check")
@config_option
def command(config: str | None) -> None:
    """Check that Kafka, Redis and the clocks are fit for exact counts.

    Prints the settings in effect (secrets masked), then every finding, each fault with its fix.
    Exit code 0: fit, perhaps with notes; 1: a fault.

    \b
    Examples:
      ranker check
      ranker check --config ranker.toml
      RANKER_REDIS_URL=redis+cluster://10.0.0.5:6379 ranker check
    """
    with user_errors():
        settings = load_settings(config)
        _print_settings(settings.masked())
        findings = asyncio.run(_findings(settings))
    for finding in findings:
        click.echo(
            f"{click.style(f'{finding.kind:5}', _COLOURS[finding.kind])}  {finding.subject}: {printable(finding.text)}"
        )
        if finding.fix:
            click.echo(f"       fix: {printable(finding.fix)}")
    faults = sum(finding.kind == "fault" for finding in findings)
    click.echo(f"\n{faults or 'no'} fault{'' if faults == 1 else 's'}")
    if faults:
        raise click.exceptions.Exit(1)


def _print_settings(masked: dict[str, Any]) -> None:
    width = max(map(len, masked))
    for name, value in masked.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name:{width}}  {printable(shown)}")
    click.echo()


async def _findings(settings: Settings) -> list[Finding]:
    from ranker.connect.redis import connect
    from ranker.log.value_schemas import format_of, needed
    from ranker.operate import check, check_rules
    from ranker.service import endpoints
    from ranker.settings import BEHIND

    generation = settings.generation
    behind_ms = BEHIND * settings.stale_after_s * 1000
    client = connect(settings.redis)
    try:
        kafka, redis, counting, paused = await asyncio.gather(
            check.kafka(
                settings.kafka,
                generation,
                now_ms,
                accept_create_time=settings.accept_create_time,
                calendars=settings.calendars,
                schemas=needed(format_of(generation.source), settings.registry),
            ),
            check.redis(client, endpoints.shown(settings.redis.url), generation.id, now_ms),
            check.counting(client, now_ms, behind_ms),
            check_rules.paused(client, now_ms),
        )
    finally:
        await client.aclose()
    return [*kafka, *redis, *counting, check_rules.in_force(generation), *paused, *check.versions()]
