"""`ranker check`: the settings in effect, and every reason why counting would not work, at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ranker import __version__
from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.core.times import rfc3339
from ranker.service.printable import printable
from ranker.service.runbook import link

if TYPE_CHECKING:
    from ranker.operate.findings import Finding

_COLOURS = {"ok": "green", "note": "yellow", "fault": "red"}


def _ports(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, int, bool]]:
    from ranker.connect.admin_ports import parsed

    del context, parameter  # click's signature
    try:
        return [parsed(address.strip()) for value in values for address in value.split(",") if address.strip()]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("check")
@click.option(
    "--admin",
    "admin_ports",
    metavar="HOST:PORT",
    multiple=True,
    callback=_ports,
    help="Request the reports of the process with this admin port, too. Repeatable, or several with commas; of a name "
    "with several addresses, those of each. With https:// in front for TLS.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document (schemas/check.schema.json).")
@config_option
def command(admin_ports: list[tuple[str, int, bool]], as_json: bool, config: str | None) -> None:
    """Find out what is wrong here: Kafka, Redis, the clocks, what is counted, and by whom.

    Prints the settings in effect (secrets masked), then every finding, each fault with its fix and with the section of
    the runbook. Writes nothing. Exit code 0: fit, perhaps with notes; 1: a fault.

    \b
    Examples:
      ranker check
      ranker check --config ranker.toml
      ranker check --admin 10.0.0.7:9100,10.0.0.8:9100 --admin ranker-serve:9200
      ranker check --json | jq '.findings[] | select(.kind == "fault")'
      RANKER_REDIS_URL=redis+cluster://10.0.0.5:6379 ranker check
    """
    with user_errors():
        settings = load_settings(config)
        from ranker.operate import check

        masked = settings.masked()
        if not as_json:
            _print_settings(masked)
        findings = asyncio.run(check.everything(settings, now_ms, admin_ports))
    faults = sum(finding.kind == "fault" for finding in findings)
    if as_json:
        shown = list(map(_shown, findings))
        document = {"checked_at": rfc3339(now_ms()), "version": __version__, "settings": masked, "findings": shown}
        click.echo(json.dumps(document | {"faults": faults}, ensure_ascii=False))
    else:
        _print_findings(findings)
        click.echo(f"\n{faults or 'no'} fault{'' if faults == 1 else 's'}")
    if faults:
        raise click.exceptions.Exit(1)


def _shown(finding: Finding) -> dict[str, str | None]:
    runbook = None if finding.runbook is None else link(finding.runbook)
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "text": printable(finding.text),
        "fix": printable(finding.fix) or None,
        "runbook": runbook,
    }


def _print_settings(masked: dict[str, Any]) -> None:
    width = max(map(len, masked))
    for name, value in masked.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name:{width}}  {printable(shown)}")
    click.echo()


def _print_findings(findings: Sequence[Finding]) -> None:
    """Faults last: there they are seen."""
    for finding in sorted(findings, key=lambda one: list(_COLOURS).index(one.kind)):
        kind = click.style(f"{finding.kind:5}", _COLOURS[finding.kind])
        click.echo(f"{kind}  {finding.subject}: {printable(finding.text)}")
        if finding.fix:
            click.echo(f"       fix: {printable(finding.fix)}")
        if finding.runbook is not None:
            click.echo(f"       runbook: {link(finding.runbook)}")
