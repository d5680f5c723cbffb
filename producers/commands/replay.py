"""`producers replay`."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
import time

import click
import orjson

from producers import lines, times
from producers.client.producer import Producer
from producers.commands import common
from producers.replay import replaying
from producers.replay.rows import FORMATS, UnfitHeaderError
from ranker.service import progress, signals
from schemas import configuration


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--site", default="demo", show_default=True, callback=common.check_site, help="Site of lines that name none."
)
@click.option("--format", "kind", type=click.Choice(["auto", *FORMATS]), default="auto", show_default=True)
@click.option(
    "--article-pattern",
    "pattern",
    metavar="REGEX",
    callback=common.check_pattern,
    help="Searched in the path without its query string; group 1 is the article's id. Default: the whole path.",
)
@click.option(
    "--bots",
    type=click.Choice(["keep", "drop", "mark"]),
    default="mark",
    show_default=True,
    help="Known crawlers: send like any other, skip, or send with agent_class bot.",
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
    pattern: re.Pattern[str] | None,
    bots: str,
    rebase_to: str | None,
    speed: float | None,
    as_json: bool,
    bootstrap: str,
    topic: str,
) -> None:
    """Send FILEs as page views: access logs in the combined format, JSON lines of events, or CSV; also .gz.

    A line counts when it is a GET answered with 200 or 304 and its path has an article's id. Other lines are counted
    as malformed, method, status, pattern or bot, by the first of these that applies. An id that the contract does not
    allow (spaces, more than 512 bytes) counts as pattern. Of a line longer than 1 MiB the rest is not read. Replaying a
    file twice counts twice. FILE may be - for standard input, but not with --rebase-to, which reads everything twice.

    \b
    JSON lines and CSV (first line: names of columns) have the fields of a page view: occurred_at (milliseconds or
    RFC 3339), article_id or path or url, and if need be event_type, site_id, event_id, method, status, user_agent, …

    \b
    Examples:
      producers replay access.log --site demo
      producers replay access.log.*.gz --article-pattern '^/blog/([^/]+)' --bots drop --rebase-to now
      producers replay events.jsonl --speed 60
      zcat old.gz | producers replay - --article-pattern '^/articles/([0-9]+)'
    """
    if rebase_to and lines.STDIN in files:
        raise click.UsageError(
            "--rebase-to reads the input twice, which standard input cannot; save it to a file first."
        )
    rules = replaying.Rules(site, pattern, bots)
    sources = []
    for name in files:
        try:
            sources.append(replaying.source(name, kind))
        except (OSError, lines.DamagedInputError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise click.UsageError(f"{name} cannot be read: {reason}. Nothing was sent.") from error
    summary = replaying.Summary()
    try:
        common.run(
            _replay(sources, rules, summary, rebase=bool(rebase_to), speed=speed, bootstrap=bootstrap, topic=topic)
        )
    except UnfitHeaderError as error:
        raise click.UsageError(f"A CSV file does not fit: {error}.") from error
    except lines.DamagedInputError as error:
        raise click.ClickException(f"{error}. {summary.sent} events were sent before that.") from error
    _print(summary, topic, as_json=as_json)


async def _replay(
    sources: list[replaying.Source],
    rules: replaying.Rules,
    summary: replaying.Summary,
    *,
    rebase: bool,
    speed: float | None,
    bootstrap: str,
    topic: str,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())
        producer = await stack.enter_async_context(Producer(bootstrap, topic, name="replay"))
        positions = dict.fromkeys((one.name for one in sources), 0)
        if rebase:
            with progress.bar("Looking for the latest time", sum(one.size_bytes for one in sources)) as advance:
                latest = await replaying.latest_ms(sources, stop, _summing(positions, advance))
            summary.shift_ms = 0 if latest is None else time.time_ns() // 1_000_000 - latest
        positions = dict.fromkeys((one.name for one in sources), 0)
        with progress.bar(f"Sending to {topic}", sum(one.size_bytes for one in sources) or None) as advance:
            watch = _summing(positions, advance)
            outcomes = itertools.chain.from_iterable(
                replaying.outcomes(one, rules, summary.shift_ms, watch) for one in sources
            )
            await replaying.send(outcomes, producer, summary, stop=stop, speed=speed)
        if stop.is_set():
            raise click.ClickException(f"Interrupted: {summary.sent} events of {summary.lines} lines were sent.")


def _summing(positions: dict[str, int], advance: progress.Advance) -> replaying.OnBytes:
    def on_bytes(name: str, position: int) -> None:
        positions[name] = position
        advance(sum(positions.values()))

    return on_bytes


def _print(summary: replaying.Summary, topic: str, *, as_json: bool) -> None:
    longest_ms = configuration.longest_window_ms(configuration.filled({}))
    old = summary.last_occurred_at is not None and summary.last_occurred_at < time.time_ns() // 1_000_000 - longest_ms
    if old:
        click.echo(
            f"Warning: everything sent is older than {longest_ms // 86_400_000} days, the longest window, "
            "so no list will show it. --rebase-to now moves it to the present.",
            err=True,
        )
    if as_json:
        click.echo(orjson.dumps(dataclasses.asdict(summary)))
        return
    click.echo(f"{summary.sent:,} of {summary.lines:,} lines sent to {topic}")
    click.echo("skipped: " + ", ".join(f"{reason} {count:,}" for reason, count in summary.skipped.items()))
    if summary.first_occurred_at is not None and summary.last_occurred_at is not None:
        click.echo(f"from {times.shown(summary.first_occurred_at)} to {times.shown(summary.last_occurred_at)}")
    if summary.shift_ms:
        click.echo(f"times shifted by {summary.shift_ms:,} ms")
