"""`producers replay`."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import click

from producers import lines
from producers.client.producer import Producer
from producers.commands import common, replay_follow, replay_report
from producers.replay import replaying, sources
from producers.replay.formats import FORMATS, UnknownFormatError
from producers.replay.log_readers import LogReaders
from producers.replay.rows import UnfitHeaderError
from producers.replay.sources import Source
from producers.replay.summary import FileTally, Summary
from producers.times import LocalClock
from ranker.connect.kafka import KafkaSettings
from ranker.service import progress, signals, tuning
from ranker.service.address import networks
from ranker.service.printable import printable
from schemas import configuration

LONGEST_REASON = 600


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option(
    "--site", default="demo", show_default=True, callback=common.check_site, help="Site of lines that name none."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="auto finds it by the first thousand lines of each file, and says which.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Only lines of this host, if the log has hosts (vhost, JSON, CloudFront, IIS, load balancers); may be given "
    "several times. Others count as pattern.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Go on with what is written to FILEs, like tail -F, until a signal. Needs --state.",
)
@click.option(
    "--state",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where --follow keeps how far it has sent, for its next start.",
)
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
    hosts: tuple[str, ...],
    follow: bool,
    state: Path | None,
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
    """Send FILEs as page views: access logs of web servers and clouds, JSON lines of events, or CSV; also .gz.

    \b
    Formats:
      combined   Apache, nginx; also inside the JSON of Docker or journald
      common     the same without the browser, so that crawlers cannot be told
      vhost      combined behind the host, as Apache's vhost_combined
      nginx-json nginx' log_format … escape=json, with the usual names
      caddy, traefik (JSON, or its common format), alb (Amazon's load balancers)
      cloudfront its standard logs, also as JSON
      w3c        IIS and others with a line #Fields:
      jsonl, csv events of yours

    A line counts when it is a GET answered with 200 or 304 and its address has an article's id. Other lines are counted
    as malformed, method, status, pattern, bot or future, by the first of these that applies. An address without an id,
    or with one of more than 512 bytes, counts as pattern; a time more than 5 minutes ahead as future. The first
    reasons of malformed and future lines are shown. Of a line longer than 1 MiB the rest is not read. Several files are
    sent in the order of their times, standard input last. Replaying a file twice counts twice. FILE may be - for
    standard input, but not with --rebase-to, which reads everything twice.

    The exit code is 1 if half or more of a file's lines were malformed or in the future: a file in another format, or
    with times of another unit or zone. What was understood is sent all the same. It is 1, too, if nothing was sent and
    half or more of all lines have no article's id. Empty lines and connections without a request do not matter for
    that. A file whose format cannot be found is refused before anything is sent.

    \b
    JSON lines and CSV (first line: names of columns) have the fields of a page view: occurred_at, article_id or path or
    url, and if need be event_type, site_id, event_id, repeat_key, method, status, user_agent, … occurred_at is
    milliseconds since 1970, or like 2026-11-22T10:05:03+01:00. A day alone is malformed; so is a time without its
    offset, unless --zone gives the zone; of an hour that comes twice, the first is taken, and the summary says of how
    many lines.

    --follow sends what FILEs hold and what is written to them later. A file that is renamed, copied and emptied, or
    packed is read to its end, and then the new one. While Kafka is away it waits. How far it has come is in --state:
    the next start goes on there. If it was killed, the last batch (256 KiB of each file) may be sent again, with the
    same event ids. The rule duplicate (rules.preset = "press") drops these, if the start comes within rules.grace_s.

    \b
    Examples:
      producers replay access.log --site demo
      producers replay access.log.*.gz access.log --article-pattern '^/blog/([^/]+)' --bots drop --rebase-to now
      producers replay access.log --repeat-key --rebase-to now
      producers replay access.log --follow --state /var/lib/ranker-replay/state.json
      producers replay events.jsonl --speed 60
      producers replay export.csv --zone Europe/Paris --article-pattern query:p
      docker logs web 2>/dev/null | producers replay - --article-pattern '^/articles/([0-9]+)'
    """
    if follow:
        state = replay_follow.check_followed(files, kind, state, rebase_to=rebase_to, speed=speed)
    elif state is not None:
        raise click.UsageError("--state is where --follow keeps its position; give both or none.")
    if rebase_to and lines.STDIN in files:
        raise click.UsageError(
            "--rebase-to reads the input twice, which standard input cannot; save it to a file first."
        )
    table = common.table(config)
    internal, faults = networks(table["rules"]["internal_networks"], "rules.internal_networks")
    if faults:
        raise click.UsageError(str(configuration.SettingsError(faults)))
    proxies, faults = networks(table["collect"]["proxies"], "collect.proxies")
    if faults:
        raise click.UsageError(str(configuration.SettingsError(faults)))
    readers = LogReaders(internal, keys=keys, proxies=proxies)
    chosen = frozenset(host.lower() for host in hosts)
    rules = replaying.Rules(site, pattern, bots, configuration.id_rules(table), clock, readers, chosen)
    longest_ms = configuration.longest_window_ms(table)
    summary = Summary(since_ms=time.time_ns() // 1_000_000 - longest_ms, keyless=0 if keys else None)
    if state is not None:
        replay_follow.follow(files, kind, rules, summary, state=state, kafka=kafka, topic=topic)
    else:
        opened = _opened(files, kind, clock)
        summary.files = [FileTally(one.name, kind=one.kind) for one in opened]
        try:
            common.run(_replay(opened, rules, summary, rebase=bool(rebase_to), speed=speed, kafka=kafka, topic=topic))
        except UnfitHeaderError as error:
            raise _unfit_header(error) from error
        except lines.DamagedInputError as error:
            again = "; a new run counts them again" if summary.sent else ": run it again"
            raise click.ClickException(f"{error}. {summary.sent} events were sent before that{again}.") from error
        replay_report.print_faults(summary)
    replay_report.warn_of_keys(summary, readers)
    replay_report.warn_of_log(summary, rules)
    replay_report.print_summary(summary, topic, clock, longest_ms, as_json=as_json)
    if not follow and (summary.not_understood() or summary.no_article):
        raise click.exceptions.Exit(1)


def _unfit_header(error: UnfitHeaderError) -> click.UsageError:
    return click.UsageError(f"A CSV file does not fit: {printable(str(error), LONGEST_REASON)}.")


def _opened(files: tuple[str, ...], kind: str, clock: LocalClock | None) -> list[Source]:
    """The files with their formats, which it says if they were found."""
    opened = []
    tuning.many_connections()  # files that overlap in time are open together
    for name in files:
        try:
            opened.append(sources.source(name, kind, clock))
        except (OSError, lines.UnfitInputError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise click.UsageError(f"{name} cannot be read: {reason}. Nothing was sent.") from error
        except UnknownFormatError as error:
            raise click.UsageError(printable(f"{name}: {error}. Nothing was sent.")) from error
        except UnfitHeaderError as error:
            raise _unfit_header(error) from error
    replay_report.print_formats(opened)
    return opened


async def _replay(
    opened: list[Source],
    rules: replaying.Rules,
    summary: Summary,
    *,
    rebase: bool,
    speed: float | None,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event(common.soon()))
        producer = await stack.enter_async_context(Producer(kafka, topic, name="replay"))
        size_bytes = sum(one.size_bytes for one in opened)
        if rebase:
            with progress.bar("Looking for the latest time", size_bytes) as advance:
                latest = await replaying.latest_ms(
                    opened, stop, _summing(advance), None if rules.clock is None else rules.clock.zone
                )
            summary.shift_ms = 0 if latest is None else time.time_ns() // 1_000_000 - latest
        with progress.bar(f"Sending to {topic}", size_bytes or None) as advance:
            outcomes = replaying.in_time_order(opened, summary.files, rules, summary.shift_ms, _summing(advance))
            await replaying.send(outcomes, producer, summary, stop=stop, speed=speed)
        if stop.is_set():
            raise click.ClickException(f"Interrupted: {summary.sent} events of {summary.lines} lines were sent.")


def _summing(advance: progress.Advance) -> sources.OnBytes:
    positions: dict[str, int] = {}
    total = 0

    def on_bytes(name: str, position: int) -> None:
        nonlocal total
        total += position - positions.get(name, 0)
        positions[name] = position
        advance(total)

    return on_bytes
