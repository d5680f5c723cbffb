"""`producers replay`."""

from __future__ import annotations

import contextlib
import itertools
import time

import click
import orjson

from producers import agents, lines, times
from producers.client.producer import Producer
from producers.commands import common
from producers.replay import replaying
from producers.replay.log_readers import LogReaders
from producers.replay.rows import FORMATS, UnfitHeaderError
from producers.replay.summary import FileTally, Summary
from producers.times import LocalClock
from ranker.connect.kafka import KafkaSettings
from ranker.service import progress, signals
from ranker.service.address import networks
from ranker.service.printable import printable
from schemas import configuration

LONGEST_REASON = 600


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--site", default="demo", show_default=True, callback=common.check_site, help="Site of lines that name none."
)
@click.option("--format", "kind", type=click.Choice(["auto", *FORMATS]), default="auto", show_default=True)
@common.config_option
@click.option(
    "--article-pattern",
    "pattern",
    metavar="PATTERN",
    callback=common.check_source,
    help="What an address's id is: path, query:NAME, or group 1 of a regular expression, searched in the path and then "
    "in path and query. Default: ids.from of the site in ranker.toml, else path.",
)
@click.option(
    "--zone",
    "clock",
    metavar="NAME",
    callback=common.check_zone,
    help="Zone of times without an offset, such as Europe/Paris. Default: such lines are malformed.",
)
@click.option(
    "--bots",
    type=click.Choice(["keep", "drop", "mark"]),
    default="mark",
    show_default=True,
    help="Known crawlers: send like any other, skip, or send with agent_class bot.",
)
@click.option(
    "--repeat-key",
    "keys",
    is_flag=True,
    help="Give events a repeat_key, by which a rule counts a reader once: made of the address and browser in an access "
    "log and a random salt, new in each run and for each day; nothing else of them is kept.",
)
@click.option("--rebase-to", type=click.Choice(["now"]), help="Shift all times alike, so that the latest one is now.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="N times as fast as it happened. Default: as fast as Kafka takes it.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@common.bootstrap_option
@common.topic_option("page-views")
def command(
    *,
    files: tuple[str, ...],
    site: str,
    kind: str,
    config: str | None,
    pattern: str | None,
    clock: LocalClock | None,
    bots: str,
    keys: bool,
    rebase_to: str | None,
    speed: float | None,
    as_json: bool,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    """Send FILEs as page views: access logs in the combined format, JSON lines of events, or CSV; also .gz.

    A line counts when it is a GET answered with 200 or 304 and its address has an article's id. Other lines are counted
    as malformed, method, status, pattern, bot or future, by the first of these that applies. An address without an id,
    or with one of more than 512 bytes, counts as pattern; a time more than 5 minutes ahead as future. The first
    reasons of malformed and future lines are shown. Of a line longer than 1 MiB the rest is not read. Replaying a file
    twice counts twice. FILE may be - for standard input, but not with --rebase-to, which reads everything twice.

    The exit code is 1 if half or more of a file's lines were malformed or in the future: a file in another format, or
    with times of another unit or zone. What was understood is sent all the same. It is 1, too, if nothing was sent and
    half or more of all lines have no article's id. Empty lines and connections without a request do not matter for
    that.

    \b
    JSON lines and CSV (first line: names of columns) have the fields of a page view: occurred_at, article_id or path or
    url, and if need be event_type, site_id, event_id, repeat_key, method, status, user_agent, … occurred_at is
    milliseconds since 1970, or like 2026-11-22T10:05:03+01:00. A day alone is malformed; so is a time without its
    offset, unless --zone gives the zone; of an hour that comes twice, the first is taken, and the summary says of how
    many lines.

    \b
    Examples:
      producers replay access.log --site demo
      producers replay access.log.*.gz --article-pattern '^/blog/([^/]+)' --bots drop --rebase-to now
      producers replay access.log --repeat-key --rebase-to now
      producers replay events.jsonl --speed 60
      producers replay export.csv --zone Europe/Paris --article-pattern query:p
      zcat old.gz | producers replay - --article-pattern '^/articles/([0-9]+)'
    """
    if rebase_to and lines.STDIN in files:
        raise click.UsageError(
            "--rebase-to reads the input twice, which standard input cannot; save it to a file first."
        )
    table = common.table(config)
    internal, faults = networks(table["rules"]["internal_networks"], "rules.internal_networks")
    if faults:
        raise click.UsageError(str(configuration.SettingsError(faults)))
    readers = LogReaders(internal, keys=keys)
    rules = replaying.Rules(site, pattern, bots, configuration.id_rules(table), clock, readers)
    sources = []
    for name in files:
        try:
            sources.append(replaying.source(name, kind))
        except (OSError, lines.UnfitInputError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise click.UsageError(f"{name} cannot be read: {reason}. Nothing was sent.") from error
        except UnfitHeaderError as error:
            raise _unfit_header(error) from error
    longest_ms = configuration.longest_window_ms(table)
    summary = Summary(
        files=[FileTally(one.name) for one in sources],
        since_ms=time.time_ns() // 1_000_000 - longest_ms,
        keyless=0 if keys else None,
    )
    try:
        common.run(_replay(sources, rules, summary, rebase=bool(rebase_to), speed=speed, kafka=kafka, topic=topic))
    except UnfitHeaderError as error:
        raise _unfit_header(error) from error
    except lines.DamagedInputError as error:
        raise click.ClickException(f"{error}. {summary.sent} events were sent before that.") from error
    _warn_of_keys(summary, readers)
    _print(summary, topic, clock, longest_ms, as_json=as_json)
    if summary.not_understood() or summary.no_article:
        raise click.exceptions.Exit(1)


def _unfit_header(error: UnfitHeaderError) -> click.UsageError:
    return click.UsageError(f"A CSV file does not fit: {printable(str(error), LONGEST_REASON)}.")


async def _replay(
    sources: list[replaying.Source],
    rules: replaying.Rules,
    summary: Summary,
    *,
    rebase: bool,
    speed: float | None,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())
        producer = await stack.enter_async_context(Producer(kafka, topic, name="replay"))
        positions = dict.fromkeys((one.name for one in sources), 0)
        if rebase:
            with progress.bar("Looking for the latest time", sum(one.size_bytes for one in sources)) as advance:
                latest = await replaying.latest_ms(
                    sources, stop, _summing(positions, advance), None if rules.clock is None else rules.clock.zone
                )
            summary.shift_ms = 0 if latest is None else time.time_ns() // 1_000_000 - latest
        positions = dict.fromkeys((one.name for one in sources), 0)
        with progress.bar(f"Sending to {topic}", sum(one.size_bytes for one in sources) or None) as advance:
            watch = _summing(positions, advance)
            outcomes = itertools.chain.from_iterable(
                replaying.outcomes(one, rules, summary.shift_ms, watch, tally)
                for one, tally in zip(sources, summary.files, strict=True)
            )
            await replaying.send(outcomes, producer, summary, stop=stop, speed=speed)
        if stop.is_set():
            raise click.ClickException(f"Interrupted: {summary.sent} events of {summary.lines} lines were sent.")


def _summing(positions: dict[str, int], advance: progress.Advance) -> replaying.OnBytes:
    def on_bytes(name: str, position: int) -> None:
        positions[name] = position
        advance(sum(positions.values()))

    return on_bytes


def _warn_of_keys(summary: Summary, readers: LogReaders) -> None:
    if summary.keyless:
        click.echo(
            f"Warning: {summary.keyless:,} of the events sent have no repeat_key, since their lines have no address: "
            "the rule repeat counts each of them.",
            err=True,
        )
    if readers.private * 2 > summary.sent:
        click.echo(
            f"Warning: {readers.private:,} of the events sent are from private addresses. If those are a proxy's, who "
            "reads the same article through it with the same browser is one reader; let the log have the client's.",
            err=True,
        )


def _print(summary: Summary, topic: str, clock: LocalClock | None, longest_ms: int, *, as_json: bool) -> None:
    for fault in summary.faults:
        click.echo("{file}, line {line}: {kind}: {reason}".format(kind=fault.reason, **fault.printable()), err=True)
    more = summary.skipped["malformed"] + summary.skipped["future"] - len(summary.faults)
    if more:
        click.echo(f"… and {more:,} more", err=True)
    for tally in summary.not_understood():
        click.echo(printable(tally.sentence()), err=True)
    twice = 0 if clock is None else clock.twice
    if clock is not None and twice:
        click.echo(
            f"Times of an hour that comes twice in {clock.zone}, each taken as the first: {twice:,}",
            err=True,
        )
    if summary.old:
        which = "everything sent is" if summary.old == summary.sent else f"{summary.old:,} of the events sent are"
        click.echo(
            f"Warning: {which} older than {longest_ms // 86_400_000} days, the longest window, "
            "so no list will show it. --rebase-to now moves the latest time to the present.",
            err=True,
        )
    if summary.no_article:
        click.echo(
            f"No address of {summary.skipped['pattern']:,} has an article's id; see --article-pattern and "
            "[sites.NAME.ids].",
            err=True,
        )
    if as_json:
        click.echo(orjson.dumps(summary.as_json(twice)))
        return
    click.echo(f"{summary.sent:,} of {summary.lines:,} lines sent to {topic}")
    click.echo("skipped: " + ", ".join(f"{reason} {count:,}" for reason, count in summary.skipped.items()))
    if summary.first_occurred_at is not None and summary.last_occurred_at is not None:
        click.echo(f"from {times.shown(summary.first_occurred_at)} to {times.shown(summary.last_occurred_at)}")
    click.echo("crawlers by " + ", ".join(f"{name} {version}" for name, version in agents.LISTS.items()))
    if summary.shift_ms:
        click.echo(f"times shifted by {summary.shift_ms:,} ms")
