"""`ranker freeze`: makes the documents of days and weeks that are over."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.core.periods import KINDS
from ranker.service.printable import printable
from ranker.service.progress import bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.core.best_of import Key
    from ranker.core.generation import Generation
    from ranker.operate.period_counts import SitePeriod
    from ranker.settings import Settings, Site


def _day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write the period's first day, such as 2026-11-21") from None


@click.command("freeze")
@config_option
@click.option("--site", "only", multiple=True, help="Only this site. Repeatable; default: all that have a calendar.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these periods. Repeatable.")
@click.option("--period", callback=_day, metavar="DATE", help="Only the period that begins on this day.")
@click.option("--revise", callback=_day, metavar="DATE", help="Correct the documents of the period of this day.")
@click.option("--why", help="With --revise: the reason, which readers see.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as one JSON document.")
def command(
    config: str | None,
    only: tuple[str, ...],
    kinds: tuple[str, ...],
    period: date | None,
    revise: date | None,
    why: str | None,
    as_json: bool,
) -> None:
    """Make the documents of days and weeks that are over: once, and for ever.

    Sites with [sites.NAME.calendar] have them, one for each board. What is over, closed, and not there yet is counted
    from the log by the rules of the active generation, as far as the log reaches back; the shards in Redis are not
    touched. May be repeated, killed, and started in two places at once: a document that is there is never made again.
    A period of which Kafka has deleted the beginning is made only if it is named by --period, and is not complete.

    --revise makes the next revision, of what the log, the rules and the catalogue say now; the earlier one stays.
    Exit code 1 if it failed, or if a period can never be made whole although earlier ones are there.

    \b
    Examples:
      ranker freeze
      ranker freeze --site demo --kind week --period 2026-11-21
      ranker freeze --revise 2026-11-21 --why "The collector delivered 3,000 views a day late."
    """
    if (revise is None) != (why is None):
        raise click.UsageError("--revise and --why belong together: a correction says why")
    if revise and period:
        raise click.UsageError("--revise names the period itself; leave out --period")
    if why is not None and not 0 < len(why.strip()) <= 500:
        raise click.UsageError("--why: write 1 to 500 characters")
    with user_errors():
        settings = load_settings(config)
        sites = _sites(settings, only)
        made, holes = asyncio.run(_freeze(settings, sites, kinds or KINDS, period, revise, why and why.strip()))
    if as_json:
        click.echo(json.dumps({"made": made, "holes": holes}, ensure_ascii=False, indent=2))
    else:
        for one in made:
            click.echo(_sentence(one))
        if not made:
            click.echo("Nothing to correct." if revise else "Nothing to make: all that is over is there.")
    if holes:
        raise click.ClickException(
            f"Kafka has deleted records of {', '.join(holes)}: run `ranker freeze` in time, and have the topic keep "
            "its records for longer (`ranker check`); --period DATE makes what is left of one, not complete"
        )


def _sites(settings: Settings, only: Sequence[str]) -> dict[str, Site]:
    for name in only:
        if name not in settings.sites:
            raise click.UsageError(f"--site {name}: there is no [sites.{name}] in ranker.toml")
    sites = {name: site for name, site in settings.sites.items() if site.calendar and (not only or name in only)}
    if not sites:
        raise click.UsageError("no site has a calendar; add [sites.NAME.calendar] with its zone to ranker.toml")
    return sites


async def _freeze(
    settings: Settings,
    sites: dict[str, Site],
    kinds: Sequence[str],
    period: date | None,
    revise: date | None,
    why: str | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    from ranker.log.documents import read_documents, writing
    from ranker.log.stretch import reading
    from ranker.operate import freeze, period_counts, periods_due
    from ranker.service.tuning import collect_seldom, keep_buffers

    generation, begun_ms = await _active(settings)
    for name, site in sites.items():
        assert site.calendar is not None
        if lacking := [board for board in site.calendar.boards if board not in generation.boards]:
            raise click.UsageError(f"site {name}: the active generation has no board {', '.join(lacking)}")
    kafka = settings.kafka_bootstrap
    there = await read_documents(kafka, lambda _, __: None)
    holes: list[SitePeriod] = []
    async with reading(kafka, generation.topic, unpack_bytes=settings.unpack_mb << 20) as log:
        day, begins = revise or period, await periods_due.beginning(log)
        if day is None:
            due = periods_due.due(sites, kinds, generation, there, begins, begun_ms)
            wanted, holes = due.periods, periods_due.holes(due.cut, there)
            for one in due.cut:
                click.echo(f"Not made, since Kafka has deleted its records: {_named(one)}", err=True)
        else:
            wanted, reasons = periods_due.named(sites, kinds, day, there, begins, begun_ms, revise=revise is not None)
            for reason in reasons:
                click.echo(f"Not made: {reason}", err=True)
        if not wanted:
            return [], list(map(_named, holes))
        collect_seldom()
        keep_buffers()
        with bar(f"Reading {generation.topic}", unit="events") as advance:
            counts = await period_counts.count(log, generation, wanted, begins.first_ms, begun_ms, advance)
    if revise and any(one.is_cut for one in counts):
        raise click.ClickException(f"Kafka has deleted the beginning of {revise}: the document stays as it is")
    articles, end = await freeze.read_articles(kafka, sites)
    async with writing(kafka) as writer:
        maker = freeze.Maker(generation, sites, articles, end, await read_documents(kafka, freeze.kept_of))
        made = await freeze.write(writer, maker, zip(wanted, counts, strict=True), why)
    return [_summary(key, document) for key, document in made], list(map(_named, holes))


async def _active(settings: Settings) -> tuple[Generation, int]:
    """The active generation, and the time: the earlier of our clock and Redis', noted before the log's end is read.

    By a clock that is fast a period would be made before it has closed.
    """
    from ranker.store import generations
    from ranker.store.connection import connect
    from ranker.store.redis_info import store_time_ms

    client = connect(settings.redis_url)
    try:
        active = await generations.read_active(client)
        found = None if active is None else await generations.configuration(client, active.generation)
        store_ms = await store_time_ms(client)
    finally:
        await client.aclose()
    if found is None:
        raise click.ClickException("no generation is active in Redis: start `ranker consume`, which begins one")
    own_ms = now_ms()
    return found, own_ms if store_ms is None else min(own_ms, store_ms)


def _named(one: SitePeriod) -> str:
    return f"{one.site} {one.period.kind} {one.period.first}"


def _summary(key: Key, document: bytes) -> dict[str, Any]:
    found = json.loads(document)
    about = {name: found[name] for name in ("complete", "lost", "late", "total", "sha256")}
    return {"key": str(key), "bytes": len(document), "places": len(found["items"]), **about}


def _sentence(made: dict[str, Any]) -> str:
    words = [f"{made['places']} places of {made['total']:,}"]
    if not made["complete"]:
        words.append("NOT complete")
    if made["late"]:
        words.append(f"{made['late']:,} late")
    return printable(f"{made['key']}: {', '.join(words)}")
