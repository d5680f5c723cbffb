"""What `producers replay` prints of its input and of what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import click
import orjson

from producers import agents, times
from producers.replay.log_readers import LogReaders
from producers.replay.replaying import Rules
from producers.replay.sources import Source
from producers.replay.summary import Summary
from ranker.service.printable import printable

_SHOWN_HOSTS = 5


def print_formats(opened: Iterable[Source]) -> None:
    """The formats that were found."""
    found: defaultdict[str, list[Source]] = defaultdict(list)
    for one in opened:
        if one.found is not None and one.found.lines:
            found[one.kind].append(one)
    for kind, alike in found.items():
        fit = sum(one.found.fit for one in alike if one.found is not None)
        lines = sum(one.found.lines for one in alike if one.found is not None)
        which = alike[0].name if len(alike) == 1 else f"{len(alike):,} files"
        click.echo(printable(f"{which}: {kind}, {fit:,} of the first {lines:,} lines"), err=True)


def warn_of_keys(summary: Summary, readers: LogReaders) -> None:
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


def warn_of_log(summary: Summary, rules: Rules) -> None:
    if summary.without_agent:
        click.echo(
            f"Warning: {summary.without_agent:,} of the events sent are from lines without a browser, so that crawlers "
            "among them count like people. Let the server log the browser, too (the combined format has it).",
            err=True,
        )
    if len(summary.hosts) > 1 and not rules.hosts:
        click.echo(
            printable(
                f"Warning: the lines are of {len(summary.hosts)} hosts, counted as one site: "
                f"{', '.join(summary.hosts[:_SHOWN_HOSTS])}{', …' if len(summary.hosts) > _SHOWN_HOSTS else ''}. "
                "--host takes those of one."
            ),
            err=True,
        )


def print_faults(summary: Summary) -> None:
    for fault in summary.faults:
        click.echo("{file}, line {line}: {kind}: {reason}".format(kind=fault.reason, **fault.printable()), err=True)
    more = summary.skipped["malformed"] + summary.skipped["future"] - len(summary.faults)
    if more:
        click.echo(f"… and {more:,} more", err=True)


def print_summary(
    summary: Summary, topic: str, clock: times.LocalClock | None, longest_ms: int, *, as_json: bool
) -> None:
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
