"""`ranker verify`: recounts the log and compares, all shards of a live system or the list of a receipt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ranker.commands import metrics_file
from ranker.commands.common import accept_unread_option, config_option, load_settings, user_errors
from ranker.commands.metrics_file import metrics_option
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.operate.verify import Checked, Selection
    from ranker.recount.definition import Definition
    from ranker.settings import Settings

_SHOWN = 40
"""Differences of a partition that are printed."""


@click.command("verify")
@click.argument("receipt", required=False, type=click.File("rb"))
@config_option
@click.option("--site", help="Only lists, sums and counts of this site.")
@click.option("--board", help="Only lists of this board.")
@click.option("--window", help="Only lists of this window.")
@click.option("--article", help="Only this article, as it is counted; shows its counts in every list.")
@click.option("--partition", type=click.IntRange(min=0), help="Only this partition: several runs can share the work.")
@click.option("--generation", help="Default: the active one.")
@click.option(
    "--definition",
    type=click.File("rb"),
    help="What `ranker generations definition` printed: a receipt is then verified without Redis.",
)
@metrics_option
@accept_unread_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    receipt: BinaryIO | None,
    config: str | None,
    site: str | None,
    board: str | None,
    window: str | None,
    article: str | None,
    partition: int | None,
    generation: str | None,
    definition: BinaryIO | None,
    metrics: str | None,
    accept_bad: dict[int, int],
    *,
    as_json: bool,
) -> None:
    """Recount the log and compare it with the counts in Redis, or with the list of RECEIPT.

    The log is read again by other code than counts it: json and dictionaries, by the published definitions. Every piece
    of a shard is compared at the very version it was read at, so a live system can be verified. What the log no longer
    reaches is unchecked, not equal. Exit code 1 if anything differs.

    RECEIPT is a file (- for standard input) with the answer of a list's address with ?receipt=true: that list is
    recounted as it was then, as far back as the log reaches. docs/verify.md explains it.

    \b
    Examples:
      ranker verify
      ranker verify --site demo --board read --window 24h
      ranker verify --site demo --article /idees/et-si-l-ennui-etait-un-service-public
      ranker verify --partition 3 --json
      ranker verify RECEIPT.json
      curl -s 'http://127.0.0.1:8080/v1/demo/popular/read/24h?receipt=true' | ranker verify -
    """
    if receipt is not None:
        from ranker.commands import verify_receipt

        if {site, board, window, article, partition, generation, metrics} != {None}:
            raise click.UsageError("a receipt names what is verified: leave out the options about it")
        verify_receipt.run(config, receipt, definition, accept_bad, as_json=as_json)
        return
    if definition is not None:
        raise click.UsageError("--definition belongs to a receipt: name its file")
    from ranker.operate.verify import Selection, SelectionError

    report = None
    try:
        with user_errors():
            settings = load_settings(config)
            chosen = Selection(site, board, window, article, partition)
            report = asyncio.run(_run(settings, generation, chosen, accept_bad, as_json=as_json))
    except SelectionError as error:
        raise click.UsageError(str(error)) from error
    finally:
        if as_json and report is not None:
            click.echo(json.dumps(report, ensure_ascii=False))
        if metrics is not None:
            _write_metrics(metrics, report)
    raise SystemExit(0 if report["equal"] else 1)


async def _run(
    settings: Settings, generation: str | None, chosen: Selection, accepted: dict[int, int], *, as_json: bool
) -> dict[str, Any]:
    from ranker.connect.redis import connect
    from ranker.log import stretch, value_schemas
    from ranker.operate.verify import Verification
    from ranker.recount import definition as definitions
    from ranker.service import progress
    from ranker.service.tuning import collect_seldom, keep_buffers
    from ranker.store import pieces
    from ranker.store.generations import GenerationError, read_active

    client = connect(settings.redis)
    try:
        active = await read_active(client)
        wanted = generation or (active.generation if active else None)
        if wanted is None:
            raise GenerationError("no generation is active in Redis; is `ranker consume` running?")
        definition = definitions.read(await pieces.canonical(client, wanted), wanted)
        schemas = value_schemas.needed(value_schemas.format_of(definition.source), settings.registry)
        async with stretch.reading(
            settings.kafka,
            definition.topic,
            unpack_bytes=settings.unpack_mb << 20,
            schemas=schemas,
            accepted=accepted,
        ) as reader:
            partitions = active.partitions if active and wanted == active.generation else reader.partitions
            verification = Verification(client, reader, definition, partitions, chosen)
            total = await verification.offsets()
            if not as_json:
                _print_begin(definition, partitions, total)
            collect_seldom()
            keep_buffers()
            began = time.perf_counter()
            done = []
            with progress.bar("recounting", total, unit="events") as advance:
                async for checked in verification.run(advance):
                    done.append(checked)
                    if not as_json:
                        _print(checked)
            outside = list(range(partitions, reader.partitions))
            report = _report(definition, done, outside, time.perf_counter() - began)
            if not as_json:
                _print_names(settings, definition, chosen, report)
                _print_end(report)
            return report
    finally:
        await client.aclose()


def _report(definition: Definition, done: list[Checked], outside: list[int], seconds: float) -> dict[str, Any]:
    """`outside` are partitions of the topic that are no part of the lists."""
    return {
        "equal": not any(checked.differences for checked in done),
        "generation": definition.generation,
        "topic": definition.topic,
        "rules": list(definition.rules),
        "records": sum(checked.records for checked in done),
        "compared": sum(checked.compared for checked in done),
        "differences": sum(checked.differences for checked in done),
        "seconds": round(seconds, 3),
        "outside": outside,
        "partitions": [
            {
                "partition": checked.partition,
                "start": checked.start,
                "end": checked.end,
                "records": checked.records,
                "skipped": checked.skipped,
                "compared": checked.compared,
                "unchecked": checked.unchecked,
                "differences": [difference._asdict() for difference in checked.named],
                "more": checked.more,
                "counts": [
                    {**count._asdict(), "redis": count.redis if math.isfinite(count.redis) else str(count.redis)}
                    for count in checked.counts
                ],
            }
            for checked in done
        ],
    }


def _write_metrics(path: str, report: dict[str, Any] | None) -> None:
    """None: the run has ended without a result."""
    from ranker.metrics import VerifyMetrics

    def fill(metrics: VerifyMetrics) -> None:
        metrics.last_run.set(time.time())
        metrics.failed.set(report is None)
        unknown = float("nan")
        metrics.differences.set(unknown if report is None else report["differences"])
        metrics.records.set(unknown if report is None else report["records"])
        metrics.unchecked.set(
            unknown if report is None else sum(len(partition["unchecked"]) for partition in report["partitions"])
        )

    metrics_file.write(path, VerifyMetrics, fill)


def _print_begin(definition: Definition, partitions: int, offsets: int) -> None:
    rules = ", ".join(definition.rules) or "none"
    click.echo(f"generation {definition.generation}: topic {definition.topic}, {partitions} partitions, rules: {rules}")
    click.echo(f"{offsets:,} offsets to recount")


def _print(checked: Checked) -> None:
    result = _differences(checked.differences) if checked.differences else "equal"
    click.echo(
        f"partition {checked.partition}: {checked.records:,} records of offsets {checked.start} to {checked.end}, "
        f"{checked.compared:,} counts and keys compared: {result}"
    )
    for count in checked.counts:
        name = f"list {count.board}/{count.window} of {count.site}"
        click.echo(f"  {printable(name)}: Redis {count.redis}, the log {count.log}")
    if checked.skipped:
        why = ", ".join(f"{reason} {records:,}" for reason, records in sorted(checked.skipped.items()))
        click.echo(f"  no page views, by [source]: {why}")
    for what in checked.unchecked:
        click.echo(f"  unchecked: {printable(what)}")
    for one in checked.named[:_SHOWN]:
        where = " ".join(filter(None, (one.site and f"of {one.site}", one.article)))
        click.echo(
            f"  {printable(f'{one.what} {where}'.strip())}: Redis {printable(one.redis)}, the log {printable(one.log)}"
        )
    if checked.differences > _SHOWN:
        click.echo(f"  and {checked.differences - _SHOWN:,} more; --json names the first 1,000")


def _print_names(settings: Settings, definition: Definition, chosen: Selection, report: dict[str, Any]) -> None:
    """If no list counts the chosen article: what it is called, in case it was given in another spelling."""
    from schemas.article_id import DEFAULT, NoArticleError, normalized

    article = chosen.article
    every = [count for partition in report["partitions"] for count in partition["counts"]]
    if article is None or not every or any(count["redis"] or count["log"] for count in every):
        return
    click.echo(f"no list counts {printable(article)}, neither in Redis nor by the log")
    if definition.source is not None and "ids" not in definition.source:
        return  # ids are taken as they are
    for site in [chosen.site] if chosen.site is not None else sorted({count["site"] for count in every}):
        found = settings.sites.get(site)
        with contextlib.suppress(NoArticleError):
            name = normalized(article, found.ids if found else DEFAULT)
            if name != article:
                click.echo(f"  site {site} counts that address as another spelling: --article {printable(name)}")


def _print_end(report: dict[str, Any]) -> None:
    rate = report["records"] / max(report["seconds"], 0.001)
    read = f"{report['records']:,} records in {report['seconds']:.1f} s ({rate:,.0f} a second)"
    unchecked = any(partition["unchecked"] for partition in report["partitions"])
    if report["outside"]:
        shown = ", ".join(map(str, report["outside"][:_SHOWN]))
        click.echo(f"unchecked: partitions of the topic that are no part of the lists (just added?): {shown}")
    if report["equal"]:
        click.echo(f"equal{', as far as the log reaches' if unchecked else ''}: {read}")
    else:
        click.echo(f"{_differences(report['differences'])}: {read}")


def _differences(number: int) -> str:
    return f"{number:,} difference{'' if number == 1 else 's'}"
