"""`ranker compare`: what several definitions would count of one stretch of the log, side by side."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ranker.commands.common import accept_unread_option, load_settings, now_ms, user_errors
from ranker.service.printable import printable
from ranker.service.progress import bar
from schemas.configuration import PRESETS

if TYPE_CHECKING:
    from ranker.operate.compare import Definition, Period
    from ranker.settings import Settings

MOST = 8
"""Definitions at once: each folds every record, and has counts of its own."""
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST_MS = 366 * 86_400_000
SIDE_BY_SIDE = 34
"""Columns of the terminal that a list needs beside others."""
_WIDE = 10_000
"""Columns if the output is no terminal, or too narrow a one: nothing is cut."""


def duration_ms(text: str) -> int:
    """Minutes, hours or days, such as 90m, 24h or 7d, in milliseconds; at most as long as a window may be."""
    found = re.fullmatch("([1-9][0-9]{0,6})([mhd])", text)
    since_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < since_ms <= _LONGEST_MS:
        raise click.BadParameter(f"{text!r}; write minutes, hours or days, such as 90m, 24h or 7d, up to 366d")
    return since_ms


@click.command("compare")
@click.option(
    "--rules",
    "presets",
    multiple=True,
    type=click.Choice(list(PRESETS)),
    help="The ranker.toml in effect (RANKER_CONFIG, else the defaults) with the rules of this preset. Repeatable.",
)
@click.option("--config", "configs", multiple=True, metavar="FILE", help="A ranker.toml as it is. Repeatable.")
@click.option(
    "--since",
    type=duration_ms,
    metavar="DURATION",
    default="24h",
    show_default=True,
    help="How far back, such as 90m, 24h or 7d.",
)
@click.option("--site", help="Only this site. Default: every site that the stretch has.")
@click.option("--board", "boards", multiple=True, help="Only this board. Repeatable; default: every one.")
@click.option("--places", default=10, show_default=True, type=click.IntRange(1, 1000), help="First places to show.")
@accept_unread_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; see docs/reference.md.")
def command(
    presets: tuple[str, ...],
    configs: tuple[str, ...],
    since: int,
    site: str | None,
    boards: tuple[str, ...],
    places: int,
    accept_bad: dict[int, int],
    *,
    as_json: bool,
) -> None:
    """Show what several definitions would count of the same stretch of the log.

    Reads the log once, without Redis, and changes nothing. A definition is a preset of rules (the rest as in the
    ranker.toml in effect: windows, boards, grace_s, …) or a whole ranker.toml; two to eight of them, of one topic.
    Counted are the events that occurred in the last --since, in full minutes, whenever they were appended. For each
    site: what each rule drops, as a share of all that was counted. For each board: totals, the first places, and
    Kendall's tau-b of each two definitions, over the articles among the first places of either, by their counts in
    both: 1 is the same order, -1 the reverse. Ids are as the log has them, without aliases and takedowns.

    It needs some 250 bytes of memory for each article of the stretch and definition, and what the rules of each
    definition remember of one partition. Exit code 0, whatever differs; 1 if it failed.

    \b
    Examples:
      ranker compare --rules press --rules none
      ranker compare --rules press --config new.toml --since 7d --site demo
      ranker compare --rules press --rules none --json > compared.json
    """
    from ranker.operate.compare import stretch_of

    names = (*presets, *configs)
    if not 2 <= len(names) <= MOST:
        raise click.UsageError(f"name two to {MOST} definitions, such as --rules press --rules none")
    if len(set(names)) < len(names):
        raise click.UsageError("the same definition is named twice")
    with user_errors():
        settings = [load_settings(None, preset) for preset in presets] + [load_settings(path) for path in configs]
        definitions = _definitions(names, settings)
        generations = [definition.generation for definition in definitions]
        known = list(dict.fromkeys(board for generation in generations for board in generation.boards))
        for board in boards:
            if board not in known:
                raise click.UsageError(f"--board {board}: unknown; there are {', '.join(known)}")
        requested = stretch_of(generations, now_ms(), since)
        if requested.from_ms >= requested.to_ms:
            raise click.UsageError("--since: shorter than the definitions' shortest slices; look further back")
        found = asyncio.run(_compared(settings, accept_bad, definitions, requested, site, boards or known, places))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    if site is not None and not any(one["counted"] for one in found["sites"][0]["dropped"]):
        raise click.ClickException(f"no event of site {site!r} is in this stretch of the log")
    if as_json:
        return
    console = Console(highlight=False)
    fits = console.is_terminal and console.width >= SIDE_BY_SIDE * len(names)
    (console if fits else Console(highlight=False, width=_WIDE)).print(tables(found, fits=fits))


def _definitions(names: Sequence[str], settings: Sequence[Settings]) -> list[Definition]:
    from ranker.operate.compare import Definition

    topics = dict.fromkeys(one.generation.topic for one in settings)
    if len(topics) > 1:
        raise click.UsageError(f"the definitions are of several topics ({', '.join(topics)}): compare those of one")
    return [Definition(name, one.generation) for name, one in zip(names, settings, strict=True)]


async def _compared(
    settings: Sequence[Settings],
    accepted: dict[int, int],
    definitions: Sequence[Definition],
    requested: Period,
    site: str | None,
    boards: Sequence[str],
    places: int,
) -> dict[str, Any]:
    from ranker.log.stretch import reading
    from ranker.log.value_schemas import format_of, needed
    from ranker.operate.compare import compare
    from ranker.operate.compare_document import document
    from ranker.service.tuning import collect_seldom, keep_buffers

    topic, unpack_bytes = definitions[0].generation.topic, max(one.unpack_mb for one in settings) << 20
    formats = {format_of(one.generation.source) for one in definitions}
    schemas = needed("avro", settings[0].registry) if "avro" in formats else None
    async with reading(settings[0].kafka, topic, unpack_bytes=unpack_bytes, schemas=schemas, accepted=accepted) as log:
        collect_seldom()
        keep_buffers()
        with bar(f"Reading {topic}", unit="events") as advance:
            found = await compare(log, definitions, requested, advance, site)
    return document(found, boards, places, site)


def tables(found: Mapping[str, Any], *, fits: bool) -> RenderableType:
    """The document for people: boards that count nothing anywhere are left out. Lists that `fits` the width fill it."""
    shown: list[RenderableType] = [_head(found), Text(), _definition_table(found)]
    for site in found["sites"]:
        shown += [Text(), Text(printable(site["site"]), style="bold"), _dropped_table(site)]
        for board in site["boards"]:
            if any(one["articles"] for one in board["lists"]):
                shown += [
                    Text(),
                    _board_table(board, fits=fits),
                    *(_agreement(one, found["places"]) for one in board["agreement"]),
                ]
    if not found["sites"]:
        shown += [Text(), Text("No event of this stretch is in the log.")]
    return Group(*shown)


def _head(found: Mapping[str, Any]) -> Text:
    head = Text(f"{found['topic']}: events from {found['from']} to {found['to']}, {found['records']:,} records read")
    if found["from"] != found["requested_from"]:
        head.append(f"\nNot from {found['requested_from']} on: Kafka has deleted what is older", style="yellow")
    for part in found["partitions"]:
        if part["cut"] and part["first_append"] is None:
            head.append(
                f"\npartition {part['partition']} begins at offset {part['from_offset']}: whether deleted records are "
                "missing here cannot be known",
                style="yellow",
            )
    if found["create_time"]:
        head.append(
            "\nTimes are the producers' own (CreateTime): late and future are as right as their clocks", style="yellow"
        )
    return head


def _table(title: str, headings: Sequence[str], right: int) -> Table:
    """With the columns from `right` on justified right."""
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", box=None, header_style="dim", pad_edge=False
    )
    for number, heading in enumerate(headings):
        table.add_column(Text(printable(heading)), justify="right" if number >= right else "left")
    return table


def _definition_table(found: Mapping[str, Any]) -> Table:
    """With columns for what is rare only if it has happened."""
    of = [one | {name: sum(one[name].values()) for name in ("dead_letters", "skipped")} for one in found["definitions"]]
    rare = [name for name in ("skipped", "lost", "settled", "given_up") if any(one[name] for one in of)]
    names = ("late", "dead_letters", *rare)
    table = _table("", ("definition", "generation", "rules", *(name.replace("_", " ") for name in names)), 3)
    for one in of:
        rules = ", ".join(one["rules"]) or "none"
        table.add_row(
            Text(printable(one["definition"])), one["generation"], rules, *(f"{one[name]:,}" for name in names)
        )
    return table


def _dropped_table(site: Mapping[str, Any]) -> Table:
    """One row for each rule of any definition, one column for each definition."""
    columns = site["dropped"]
    table = _table("", ("dropped by", *(column["definition"] for column in columns)), 1)
    of = [{one["rule"]: one for one in column["rules"]} for column in columns]
    for rule in dict.fromkeys(name for rules in of for name in rules):
        table.add_row(rule, *(_share(rules.get(rule)) for rules in of))
    table.add_row("of", *(f"{column['counted']:,}" for column in columns), style="dim")
    return table


def _share(dropped: Mapping[str, Any] | None) -> str:
    if dropped is None:
        return "–"
    share = "" if dropped["share"] is None else f" ({dropped['share']:.1%})"
    return f"{dropped['count']:,}{share}"


def _board_table(board: Mapping[str, Any], *, fits: bool) -> Table:
    """The lists side by side; behind the counts of all but the first, the place that the article has in the first."""
    lists = board["lists"]
    table = _table(board["board"], (), 0)
    table.expand = fits
    table.add_column(justify="right", no_wrap=True)
    for number, one in enumerate(lists):
        table.add_column(
            Text(printable(one["definition"])), overflow="ellipsis", no_wrap=True, ratio=1 if fits else None
        )
        table.add_column(justify="right", no_wrap=True)
        if number:
            table.add_column(justify="right", style="dim", no_wrap=True)
    row: list[Text] = [Text()]
    for number, one in enumerate(lists):
        row += [Text(f"total, {one['articles']:,} articles"), Text(f"{one['total']:,}"), *([Text()] if number else [])]
    table.add_row(*row, style="bold")
    for place in range(max(len(one["items"]) for one in lists)):
        row = [Text(f"{place + 1}.")]
        for number, one in enumerate(lists):
            item = one["items"][place] if place < len(one["items"]) else None
            row += [Text(printable(item["article_id"])), Text(f"{item['count']:,}")] if item else [Text(), Text()]
            if number:
                row.append(Text(_was(item["ranks"][lists[0]["definition"]], place + 1) if item else ""))
        table.add_row(*row)
    return table


def _was(first: int | None, rank: int) -> str:
    return "(–)" if first is None else "=" if first == rank else f"({first}.)"


def _agreement(one: Mapping[str, Any], places: int) -> Text:
    tau = "–" if one["tau_b"] is None else f"{one['tau_b']:.2f}"
    names = printable(" and ".join(one["definitions"]))
    return Text(
        f"{names}: Kendall's tau-b {tau} over {one['articles']} articles, {one['common']} of them among the first "
        f"{places} of both"
    )
