"""`ranker dead`: what could not be counted, why, and sending it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click

from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.service.printable import printable
from ranker.service.progress import bar

if TYPE_CHECKING:
    from ranker.log.dead_letter_reader import DeadLetter, DeadLetterReader
    from ranker.log.value_schemas import ValueSchemas
    from ranker.operate.dead_letters import Choice, Outcome
    from ranker.settings import Settings

_SHOWN_CHARACTERS = 2000
_Result = TypeVar("_Result")
_reason_option = click.option("--reason", "reasons", multiple=True, help="Only letters with this reason. Repeatable.")


@click.group("dead")
def command() -> None:
    """Look at dead letters, and send them again.

    A dead letter is a record of the topic that could not be counted, kept in TOPIC.dead with its reason and its
    position: topic/partition/offset.

    \b
    Examples:
      ranker dead list
      ranker dead show --reason future
      ranker dead resend --reason future
    """


@command.command("list")
@_reason_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@config_option
def list_(reasons: tuple[str, ...], as_json: bool, config: str | None) -> None:
    """Count the dead letters by reason.

    Of each reason: letters, how many were resent, how many are cut because they were too large, when the first and the
    last record were appended to the topic, and the position of the last. A record that was read twice is one letter.

    \b
    Examples:
      ranker dead list
      ranker dead list --json --reason future --reason schema
    """
    from ranker.operate.dead_letters import overview

    with user_errors():
        settings = load_settings(config)
        choice = _choice(settings, reasons)
        counts = asyncio.run(_read(settings, lambda log: overview(log, choice)))
    topic = f"{settings.generation.topic}.dead"
    if as_json:
        found = {reason: asdict(count) for reason, count in counts.items()}
        click.echo(json.dumps({"topic": topic, "reasons": found}))
        return
    row = "{:13} {:>10} {:>10} {:>10}  {:24}  {:24}  {}"
    if counts:
        click.secho(row.format("reason", "letters", "resent", "cut", "first", "last", "for example"), bold=True)
    else:
        click.echo(f"{topic} has no letters{' with these reasons' if reasons else ''}")
    for reason, count in counts.items():
        numbers = (f"{number:,}" for number in (count.letters, count.resent, count.cut))
        first, last = _time(count.first_append_ms), _time(count.last_append_ms)
        click.echo(row.format(reason, *numbers, first, last, count.example))


@command.command("show")
@click.argument("positions", nargs=-1, metavar="[POSITION]…")
@_reason_option
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Letters, newest first.")
@click.option("--raw", is_flag=True, help="The bytes of the one letter at POSITION, as they were sent.")
@config_option
def show(positions: tuple[str, ...], reasons: tuple[str, ...], limit: int, raw: bool, config: str | None) -> None:
    """Show dead letters: why, when, and what was sent.

    Where the value cannot be read, by the settings as they are now, fault says why. Long values are cut, and what a
    terminal might obey is written as \\x1b; --raw changes nothing.

    \b
    Examples:
      ranker dead show --reason schema --limit 3
      ranker dead show page-views/2/1041
      ranker dead show page-views/2/1041 --raw > record.json
    """
    from ranker.core.decoder import Decoder
    from ranker.operate.dead_letters import newest

    if raw and len(positions) != 1:
        raise click.UsageError("--raw writes one letter; give its POSITION, as `ranker dead list` shows it")
    with user_errors():
        settings = load_settings(config)
        choice = _choice(settings, reasons, positions)
        most = max(limit, len(choice.positions))
        schemas = None if raw else _schemas(settings)
        letters, unread = asyncio.run(_read(settings, lambda log: _shown(newest(log, choice, most), schemas)))
    decoder = Decoder(settings.generation.source, None if schemas is None else schemas.known)
    for letter in letters:
        if raw:
            click.echo(letter.value, nl=False)
            if letter.cut is not None:
                click.echo(f"this is the beginning only: {printable(letter.cut)}", err=True)
        else:
            fault = None if unread or letter.cut is not None else decoder.fault(letter.value, letter)
            _print(letter, "; ".join(filter(None, fault or ())))
    if unread:
        click.echo(f"why they cannot be read is not shown: {unread}", err=True)
    _missing(choice.positions - {letter.position for letter in letters})
    if not letters:
        click.echo("no such letters")


def _schemas(settings: Settings) -> ValueSchemas | None:
    from ranker.log.value_schemas import format_of, needed

    return needed(format_of(settings.generation.source), settings.registry)


async def _shown(letters: Awaitable[list[DeadLetter]], schemas: ValueSchemas | None) -> tuple[list[DeadLetter], str]:
    """With the schemas that say what is wrong with them; or why there are none."""
    from ranker.connect.registry import RegistryAwayError

    found = await letters
    if schemas is not None:
        try:
            await schemas.fetch(schemas.lacking(found))
        except RegistryAwayError as error:
            return found, str(error)
    return found, ""


def _print(letter: DeadLetter, fault: str) -> None:
    """`fault` is what the decoder says of it, empty if it can be read."""
    click.secho(letter.position, bold=True)
    for name, text in (
        ("reason", letter.reason + (", resent" if letter.resent else "")),
        ("fault", printable(fault, _SHOWN_CHARACTERS)),
        ("cut", printable(letter.cut or "", _SHOWN_CHARACTERS)),
        ("append", _time(letter.append_ms)),
        ("key", "(none)" if letter.key is None else _readable(letter.key)),
        *((f"header {name}", "(null)" if value is None else _readable(value)) for name, value in letter.headers),
        ("value", _readable(letter.value)),
    ):
        if text or name == "value":
            click.echo(f"  {name:6} {text}")


def _readable(value: bytes) -> str:
    """The value's beginning; of one that is longer, how long it is."""
    text = value.decode("utf-8", "backslashreplace")
    shown = printable(text, _SHOWN_CHARACTERS)
    return shown if len(text) <= _SHOWN_CHARACTERS else f"{shown} ({len(value):,} bytes in all)"


@command.command("resend")
@_reason_option
@click.option("--position", "positions", multiple=True, help="Only the letter at this position. Repeatable.")
@click.option("--all", "every", is_flag=True, help="Whatever the reason.")
@click.option("--limit", type=click.IntRange(1), help="Send so many letters at most.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be sent and what not, and send nothing.")
@click.option("--force", is_flag=True, help="Send also what would count twice, be late, or be rejected again.")
@click.option("--foreign", is_flag=True, help="Write to a topic that is not the ranker's own ([source]).")
@config_option
def resend(
    reasons: tuple[str, ...],
    positions: tuple[str, ...],
    every: bool,
    limit: int | None,
    dry: bool,
    force: bool,
    foreign: bool,
    config: str | None,
) -> None:
    """Send dead letters back to their topic, and mark them, so that none is sent twice.

    Each is first judged by the rules of ranker.toml. A record that these rules accept where it stands in the log is
    skipped: a new generation counts it from there, say after a site was added. So is one whose time has not come, one
    that would be rejected again, and one that is too old for the longest window. The command reports how many were
    skipped, and why; --force sends them all the same, but for those that are cut.

    \b
    Examples:
      ranker dead resend --all --dry-run
      ranker dead resend --reason future
      ranker dead resend --position page-views/2/1041
    """
    from ranker.operate.dead_letters import COUNTED, Outcome
    from ranker.operate.topics import is_foreign

    if every == bool(reasons or positions):
        raise click.UsageError("say which letters: --reason, --position, or --all for every letter")
    outcome = Outcome()
    with user_errors():
        settings = load_settings(config)
        choice = _choice(settings, reasons, positions)
        source = settings.generation.topic
        if is_foreign(settings.generation) and not (dry or foreign):
            raise click.ClickException(
                f"topic {source} is not the ranker's own ([source] in ranker.toml): its other readers would see "
                "these records twice; --foreign sends them all the same"
            )
        try:
            asyncio.run(_resend(settings, choice, outcome, limit, dry=dry, force=force))
        finally:
            count = outcome.sent.total()
            done = "would be sent" if dry else "sent and marked"
            click.echo(f"{count:,} letter{'' if count == 1 else 's'} {done} to {source}")
            del outcome.sent[COUNTED]
            for which, objections in (("of them", outcome.sent), ("left", outcome.left)):
                for why, letters in objections.most_common():
                    click.echo(f"  {which}: {letters:,} {why}")
    _missing(outcome.missing)


async def _resend(
    settings: Settings, choice: Choice, outcome: Outcome, limit: int | None, *, dry: bool, force: bool
) -> None:
    from ranker.log.dead_letter_reader import PORTION
    from ranker.log.dead_letter_resender import opened
    from ranker.operate.dead_letters import resend

    rules, send, schemas = settings.generation, _nothing, _schemas(settings)
    async with contextlib.AsyncExitStack() as stack:
        if not dry:
            # Before any letter is read: from here on no other resend can mark one.
            resender = await stack.enter_async_context(opened(settings.kafka, rules.topic))
            send = resender.send
            if not resender.transactional:
                twice = f"if this is killed, or runs twice at once, up to {PORTION} letters may be sent once more"
                click.echo(f"this broker has no transactions: {twice}", err=True)
        await _read(
            settings, lambda log: resend(log, choice, rules, schemas, now_ms(), send, outcome, limit=limit, force=force)
        )


async def _nothing(letters: Sequence[DeadLetter]) -> None:
    del letters


async def _read(settings: Settings, work: Callable[[DeadLetterReader], Awaitable[_Result]]) -> _Result:
    from ranker.log.dead_letter_reader import reading

    source = settings.generation.topic
    with bar(f"Reading {source}.dead", unit="records") as advance:
        async with reading(settings.kafka, source, advance) as log:
            return await work(log)


def _choice(settings: Settings, reasons: Iterable[str], positions: Iterable[str] = ()) -> Choice:
    """Raises UsageError for a reason or a position that no letter can have."""
    from ranker.core.fold import REASONS
    from ranker.operate.dead_letters import Choice

    source = settings.generation.topic
    for reason in reasons:
        if reason not in REASONS:
            raise click.UsageError(f"--reason {reason!r} is unknown; there are {', '.join(REASONS)}")
    for position in positions:
        if not re.fullmatch(rf"{re.escape(source)}/[0-9]+/[0-9]+", position):
            raise click.UsageError(f"{position!r} is no position of {source}; write {source}/PARTITION/OFFSET")
    return Choice(frozenset(reasons), frozenset(positions))


def _missing(positions: Iterable[str]) -> None:
    if positions:
        raise click.ClickException(f"there is no such letter: {', '.join(sorted(positions))}")


def _time(ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a foreign producer's own time, say in microseconds
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
