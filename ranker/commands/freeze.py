"""`ranker freeze`: makes the documents of days and weeks that are over."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ranker.commands import metrics_file
from ranker.commands.common import accept_unread_option, config_option, load_settings, now_ms, user_errors
from ranker.commands.metrics_file import metrics_option
from ranker.core.periods import KINDS
from ranker.service.printable import printable
from ranker.service.progress import bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranker.core.best_of import Key
    from ranker.core.generation import Generation
    from ranker.log.stretch import LogReader
    from ranker.operate.period_counts import SitePeriod
    from ranker.settings import Settings, Site


AT_ONCE = 60
"""Periods of one reading of the log: the counts of all their articles are in memory together."""


def _day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        found = date.fromisoformat(value)
        if 1970 <= found.year < 3000:
            return found
    except ValueError:
        pass
    raise click.BadParameter(f"{value!r} is no date; write the period's first day, such as 2026-11-21")


@click.command("freeze")
@config_option
@click.option("--site", "only", multiple=True, help="Only this site. Repeatable; default: all that have a calendar.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these periods. Repeatable.")
@click.option("--period", callback=_day, metavar="DATE", help="Only the period that begins on this day.")
@click.option("--revise", callback=_day, metavar="DATE", help="Correct the documents of the period of this day.")
@click.option("--why", help="With --revise: the reason, which readers see.")
@metrics_option
@accept_unread_option
@click.option("--json", "as_json", is_flag=True, help="Print what was made as one JSON document.")
def command(
    config: str | None,
    only: tuple[str, ...],
    kinds: tuple[str, ...],
    period: date | None,
    revise: date | None,
    why: str | None,
    metrics: str | None,
    accept_bad: dict[int, int],
    as_json: bool,
) -> None:
    """Make the documents of days and weeks that are over: once, and for ever.

    Sites with [sites.NAME.calendar] have them, one for each board; without any there is nothing to do. What is over,
    closed, and not there yet is counted from the log by the rules of the active generation, as far as the log reaches
    back; the shards in Redis are not touched. May be repeated, killed, and started in two places at once: a document
    that is there is never made again.
    A period of which Kafka has deleted the beginning is made only if it is named by --period, and is not complete.

    --revise makes the next revision, of what the log, the rules and the catalogue say now; the earlier one stays.
    Exit code 1 if it failed, or if a period can never be made whole although earlier ones are there.

    \b
    Examples:
      ranker freeze
      ranker freeze --metrics /var/lib/prometheus/node-exporter/ranker_freeze.prom
      ranker freeze --site demo --kind week --period 2026-11-21
      ranker freeze --revise 2026-11-21 --why "The collector delivered 3,000 views a day late."
    """
    if (revise is None) != (why is None):
        raise click.UsageError("--revise and --why belong together: a correction says why")
    if revise and period:
        raise click.UsageError("--revise names the period itself; leave out --period")
    if why is not None and not 0 < len(why.strip()) <= 500:
        raise click.UsageError("--why: write 1 to 500 characters")
    result = None
    try:
        with user_errors():
            settings = load_settings(config)
            sites = _sites(settings, only)
            result = asyncio.run(
                _freeze(settings, accept_bad, sites, kinds or KINDS, period, revise, why and why.strip())
            )
    finally:
        if metrics is not None:
            _write_metrics(metrics, result)
    made, wrong = result
    if as_json:
        click.echo(json.dumps({"made": made, "wrong": wrong}, ensure_ascii=False, indent=2))
    else:
        for one in made:
            click.echo(_sentence(one))
        if not sites:
            click.echo(
                "Nothing to make: no site has a calendar; add [sites.NAME.calendar] with its zone to ranker.toml."
            )
        elif not made:
            click.echo("Nothing to correct." if revise else "Nothing to make: all that is over is there.")
    if wrong:
        raise click.ClickException("; ".join(wrong))


def _write_metrics(path: str, result: tuple[list[dict[str, Any]], list[str]] | None) -> None:
    """None: the run has ended without a result."""
    from ranker.metrics import FreezeMetrics

    def fill(metrics: FreezeMetrics) -> None:
        metrics.last_run.set(now_ms() / 1000)
        metrics.failed.set(result is None)
        metrics.made.set(float("nan") if result is None else len(result[0]))
        metrics.missing.set(float("nan") if result is None else bool(result[1]))

    metrics_file.write(path, FreezeMetrics, fill)


def _sites(settings: Settings, only: Sequence[str]) -> dict[str, Site]:
    for name in only:
        if name not in settings.sites:
            raise click.UsageError(f"--site {name}: there is no [sites.{name}] in ranker.toml")
    sites = {name: site for name, site in settings.sites.items() if site.calendar and (not only or name in only)}
    if only and not sites:
        raise click.UsageError(f"--site {only[0]} has no calendar; add [sites.{only[0]}.calendar] to ranker.toml")
    return sites


async def _freeze(
    settings: Settings,
    accepted: dict[int, int],
    sites: dict[str, Site],
    kinds: Sequence[str],
    period: date | None,
    revise: date | None,
    why: str | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """What was made, and what is wrong beside that. Without sites Redis and Kafka are left alone."""
    from ranker.log.documents import read_documents
    from ranker.log.stretch import reading
    from ranker.log.value_schemas import format_of, needed
    from ranker.operate import periods_due
    from ranker.service.tuning import collect_seldom, keep_buffers

    if not sites:
        return [], []
    generation, begun_ms = await _active(settings)
    sites, wrong = _countable(sites, generation)
    if not sites:
        return [], wrong
    there = await read_documents(settings.kafka, lambda _, __: None)
    unpack_bytes = settings.unpack_mb << 20
    made: list[dict[str, Any]] = []
    schemas = needed(format_of(generation.source), settings.registry)
    async with reading(
        settings.kafka, generation.topic, unpack_bytes=unpack_bytes, schemas=schemas, accepted=accepted
    ) as log:
        day, begins = revise or period, await periods_due.beginning(log)
        if day is None:
            due = periods_due.due(sites, kinds, generation, there, begins, begun_ms)
            for one in due.cut:
                click.echo(f"Not made, since Kafka has deleted its records: {_named(one)}", err=True)
            if holes := periods_due.holes(due.cut, there):
                wrong.append(
                    f"Kafka has deleted records of {', '.join(map(_named, holes))}: run `ranker freeze` in time, and "
                    "have the topic keep its records for longer (`ranker check`); --period DATE makes what is left of "
                    "one, not complete"
                )
            wanted = due.periods
        else:
            wanted, reasons = periods_due.named(sites, kinds, day, there, begins, begun_ms, revise=revise is not None)
            for reason in reasons:
                click.echo(f"Not made: {reason}", err=True)
        collect_seldom()
        keep_buffers()
        run = Run(settings, sites, generation, log, begins.first_ms, begun_ms)
        for at in range(0, len(wanted), AT_ONCE):
            made += await run.make(wanted[at : at + AT_ONCE], revise, why)
    return made, wrong


def _countable(sites: dict[str, Site], generation: Generation) -> tuple[dict[str, Site], list[str]]:
    """The sites whose boards the generation has, and what is wrong with the others."""
    found, wrong = {}, []
    for name, site in sites.items():
        lacking = [board for board in site.calendar.boards if board not in generation.boards] if site.calendar else []
        if lacking:
            wrong.append(f"site {name}: the active generation has no board {', '.join(lacking)}")
        else:
            found[name] = site
    return found, wrong


class Run(NamedTuple):
    """What all periods of a run have in common: `first_ms` is when the log begins, `begun_ms` when the run did."""

    settings: Settings
    sites: dict[str, Site]
    generation: Generation
    log: LogReader
    first_ms: int | None
    begun_ms: int

    async def make(self, wanted: Sequence[SitePeriod], revise: date | None, why: str | None) -> list[dict[str, Any]]:
        """Counts, makes and writes the documents of these periods."""
        from ranker.log.documents import read_documents, writing
        from ranker.operate import freeze, period_counts

        kafka = self.settings.kafka
        with bar(f"Reading {self.generation.topic}", unit="events") as advance:
            counts = await period_counts.count(self.log, self.generation, wanted, self.first_ms, self.begun_ms, advance)
        if revise and any(one.is_cut for one in counts):
            raise click.ClickException(f"Kafka has deleted the beginning of {revise}: the document stays as it is")
        articles, end = await freeze.read_articles(kafka, self.sites)
        async with writing(kafka, may_lack_transactions=self.settings.environment == "development") as writer:
            there = await read_documents(kafka, freeze.keeper(self.sites, revise))
            maker = freeze.Maker(self.generation, self.sites, articles, end, there)
            made = await freeze.write(writer, maker, zip(wanted, counts, strict=True), why)
        return [_summary(key, document) for key, document in made]


async def _active(settings: Settings) -> tuple[Generation, int]:
    """The active generation, and the time: the earlier of our clock and Redis', noted before the log's end is read.

    By a clock that is fast a period would be made before it has closed.
    """
    from ranker.connect.redis import connect
    from ranker.store import generations
    from ranker.store.redis_info import store_time_ms

    client = connect(settings.redis)
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
