"""`ranker dead`: what could not be counted, why, and sending it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ranker.commands.common import config_option, load_settings, now_ms, user_errors
from ranker.commands.progress import bar
from ranker.service.printable import printable

if TYPE_CHECKING:
    from ranker.log.letters import Letter, LetterLog
    from ranker.operate.dead import Choice, Count, Outcome
    from ranker.settings import Settings

_SHOWN_CHARACTERS = 2000
_VERDICTS = {
    "resent": "resent before",
    "cut": "too large to be kept whole: only their first bytes are here, so they cannot be sent, not even with --force",
    "log": "which these rules count where they stand in the log: sent again, they would count twice",
    "late": "too old for the longest window: sent again, they would not be listed",
    "future": "whose time has not come: sent now, they come back as new dead letters",
    "old": "older than dead letters are kept, and written again by a rebuild: whether they were resent is not known",
}
"""What operate.dead.Judge says, in the words of an operator; anything else is a reason."""


def _known(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[str]:
    from ranker.core.fold import REASONS

    del context, parameter  # click's signature
    for value in values:
        if value not in REASONS:
            raise click.BadParameter(f"{value!r} is unknown; there are {', '.join(REASONS)}")
    return frozenset(values)


_reason_option = click.option(
    "--reason", "reasons", multiple=True, callback=_known, help="Only letters with this reason. Repeatable."
)


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
def list_(reasons: frozenset[str], as_json: bool, config: str | None) -> None:
    """Count the dead letters by reason.

    Of each reason: letters, how many were resent, how many are cut because they were too large, when the first and the
    last record were appended to the topic, and the position of the last. A record that was read twice is one letter.

    \b
    Examples:
      ranker dead list
      ranker dead list --json --reason future --reason schema
    """
    with user_errors():
        asyncio.run(_list(load_settings(config), reasons, as_json=as_json))


async def _list(settings: Settings, reasons: frozenset[str], *, as_json: bool) -> None:
    from ranker.operate import dead

    async with _letters(settings) as log:
        with bar(f"Reading {log.topic}") as advance:
            counts = await dead.overview(log, dead.Choice(reasons), advance)
    if as_json:
        found = {reason: asdict(count) for reason, count in counts.items()}
        click.echo(json.dumps({"topic": log.topic, "reasons": found, "strange": log.strange}))
        return
    if counts:
        _table(counts)
    else:
        click.echo(f"{log.topic} has no letters{' with these reasons' if reasons else ''}")
    if log.strange:
        click.echo(f"left alone, because no dead letters of this version: records of {log.topic}: {log.strange:,}")


def _table(counts: dict[str, Count]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    numbers = ("letters", "resent", "cut")
    for name in ("reason", *numbers, "first", "last", "for example"):
        table.add_column(name, justify="right" if name in numbers else "left", no_wrap=True)
    for reason, count in counts.items():
        first, last = _time(count.first_append_ms), _time(count.last_append_ms)
        shown = (f"{number:,}" for number in (count.letters, count.resent, count.cut))
        table.add_row(reason, *shown, first, last, count.example)
    Console(width=400).print(table)  # never narrower than its text: positions are there to be copied


@command.command("show")
@click.argument("positions", nargs=-1, metavar="[POSITION]…")
@_reason_option
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Letters, newest first.")
@click.option("--raw", is_flag=True, help="The bytes of the one letter at POSITION, as they were sent.")
@config_option
def show(positions: tuple[str, ...], reasons: frozenset[str], limit: int, raw: bool, config: str | None) -> None:
    """Show dead letters: why, when, and what was sent.

    Where the value cannot be read, by the settings as they are now, fault says why. Long values are cut, and what a
    terminal might obey is written as \\x1b; --raw changes nothing.

    \b
    Examples:
      ranker dead show --reason schema --limit 3
      ranker dead show page-views/2/1041
      ranker dead show page-views/2/1041 --raw > record.json
    """
    from ranker.core.source import Decoder

    if raw and len(positions) != 1:
        raise click.UsageError("--raw writes one letter; give its POSITION, as `ranker dead list` shows it")
    with user_errors():
        settings = load_settings(config)
        choice = _choice(settings, reasons, positions)
        letters = asyncio.run(_show(settings, choice, max(limit, len(choice.positions))))
    decoder = Decoder(settings.generation.source)
    for letter in letters:
        if raw:
            click.echo(letter.value, nl=False)
            if letter.cut is not None:
                click.echo(f"this is the beginning only: {letter.cut}", err=True)
        else:
            _print(letter, "" if letter.cut is not None else decoder.fault(letter.value))
    _missing(choice.positions - {letter.position for letter in letters})
    if not letters:
        click.echo("no such letters")


async def _show(settings: Settings, choice: Choice, limit: int) -> list[Letter]:
    from ranker.operate import dead

    async with _letters(settings) as log:
        with bar(f"Reading {log.topic}") as advance:
            return await dead.newest(log, choice, limit, advance)


def _print(letter: Letter, fault: str) -> None:
    """`fault` is what the decoder says of it, empty where it reads it."""
    click.secho(letter.position, bold=True)
    key = "(none)" if letter.key is None else _readable(letter.key)
    for name, text in (
        ("reason", letter.reason + (", resent" if letter.resent else "")),
        *([("fault", printable(fault, _SHOWN_CHARACTERS))] if fault else ()),
        *([("cut", letter.cut)] if letter.cut is not None else ()),
        ("append", _time(letter.append_ms)),
        ("key", key),
        ("value", _readable(letter.value)),
    ):
        click.echo(f"  {name:6} {text}")


def _readable(value: bytes) -> str:
    """The value's beginning; of one that is cut, how long it is."""
    most_bytes = 4 * _SHOWN_CHARACTERS
    text = value[:most_bytes].decode("utf-8", "backslashreplace")
    shown = printable(text, _SHOWN_CHARACTERS)
    cut = len(value) > most_bytes or len(text) > _SHOWN_CHARACTERS
    return f"{shown.removesuffix('…')}… ({len(value):,} bytes in all)" if cut else shown


@command.command("resend")
@_reason_option
@click.option("--position", "positions", multiple=True, help="Only the letter at this position. Repeatable.")
@click.option("--all", "every", is_flag=True, help="Whatever the reason.")
@click.option("--limit", type=click.IntRange(1), help="Send so many letters at most.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent and what not, and send nothing.")
@click.option("--force", is_flag=True, help="Send also what would count twice, be late, or be rejected again.")
@click.option("--foreign", is_flag=True, help="Write to a topic that is not the ranker's own ([source]).")
@config_option
def resend(
    reasons: frozenset[str],
    positions: tuple[str, ...],
    every: bool,
    limit: int | None,
    dry_run: bool,
    force: bool,
    foreign: bool,
    config: str | None,
) -> None:
    """Send dead letters back to their topic, and mark them, so that none is sent twice.

    Each is first judged by the rules of ranker.toml. A record that these rules accept where it stands in the log is
    left: a new generation counts it from there, say after a site was added; and so is one whose time has not come. One
    that would be rejected again or be too late is sent where its reason or position is named, and left by --all. How
    many were left, and why, is said; --force sends them all the same, but for those that are cut.

    \b
    Examples:
      ranker dead resend --all --dry-run
      ranker dead resend --reason future
      ranker dead resend --position page-views/2/1041
    """
    from ranker.operate.topics import is_foreign

    if every and (reasons or positions):
        raise click.UsageError("--all is every letter: leave --reason and --position away, or --all")
    if not (every or reasons or positions):
        raise click.UsageError("say which letters: --reason, --position, or --all")
    with user_errors():
        settings = load_settings(config)
        choice = _choice(settings, reasons, positions)
        if is_foreign(settings.generation) and not (dry_run or foreign):
            source = settings.generation.topic
            raise click.ClickException(
                f"topic {source} is not the ranker's own ([source] in ranker.toml): whoever else reads it would see "
                "these records twice; --foreign sends them all the same"
            )
        asyncio.run(_resend(settings, choice, limit, dry=dry_run, force=force))


async def _resend(settings: Settings, choice: Choice, limit: int | None, *, dry: bool, force: bool) -> None:
    from ranker.log import admin, resender
    from ranker.operate import dead

    source = settings.generation.topic
    outcome = dead.Outcome()
    async with contextlib.AsyncExitStack() as stack:
        kafka = await stack.enter_async_context(admin.connected(settings.kafka_bootstrap))
        log = await stack.enter_async_context(_letters(settings))
        judge = await dead.judging(kafka, log, settings.generation, now_ms())
        if dry:
            send = _nothing
        else:
            # Before any letter is read: from here on no other resend can mark one.
            sender = await stack.enter_async_context(resender.opened(settings.kafka_bootstrap, source))
            send = sender.send
            if not sender.transactional:
                click.echo(
                    "this broker has no transactions: if this is killed, or runs twice at once, the next resend may "
                    f"send up to {dead.PORTION} letters once more",
                    err=True,
                )
        stop = stack.enter_context(_asked_to_end())
        try:
            with bar(f"Sending to {source}") as advance:
                await dead.resend(log, choice, judge, send, limit, outcome, stop.is_set, advance, force=force)
        except dead.InterruptedResendError:
            raise click.ClickException(
                f"interrupted: {_number(outcome.sent.total())} {_done(dry)}; run it again for the rest"
            ) from None
        finally:
            _tell(outcome, source, dry=dry)
    _missing(outcome.missing)


async def _nothing(letters: list[Letter]) -> None:
    del letters


def _tell(outcome: Outcome, source: str, *, dry: bool) -> None:
    click.echo(f"{_number(outcome.sent.total())} {_done(dry)} to {source}")
    _tell_verdicts(outcome.sent - Counter(sent=outcome.sent["sent"]), "of them")
    _tell_verdicts(outcome.left, "left")


def _done(dry: bool) -> str:
    return "would be sent" if dry else "sent and marked"


def _number(letters: int) -> str:
    return f"{letters:,} letter{'' if letters == 1 else 's'}"


def _tell_verdicts(verdicts: Counter[str], which: str) -> None:
    for verdict, count in verdicts.most_common():
        why = _VERDICTS.get(verdict) or f"still rejected ({verdict}): sent again, they come back as new dead letters"
        click.echo(f"  {which}: {count:,} {why}")


def _choice(settings: Settings, reasons: frozenset[str], positions: tuple[str, ...]) -> Choice:
    from ranker.operate import dead

    source = settings.generation.topic
    for position in positions:
        topic, _, place = position.partition("/")
        partition, _, offset = place.partition("/")
        if not (topic == source and partition.isdecimal() and offset.isdecimal()):
            raise click.UsageError(f"{position!r} is no position of {source}; write {source}/PARTITION/OFFSET")
    return dead.Choice(reasons, frozenset(positions))


def _missing(positions: set[str] | frozenset[str]) -> None:
    if positions:
        raise click.ClickException(f"there is no such letter: {', '.join(sorted(positions))}")


@contextlib.asynccontextmanager
async def _letters(settings: Settings) -> AsyncIterator[LetterLog]:
    from ranker.log.letters import LetterLog

    log = LetterLog(settings.kafka_bootstrap, settings.generation.topic)
    try:
        await log.start()
        yield log
    finally:
        await log.stop()


@contextlib.contextmanager
def _asked_to_end() -> Iterator[asyncio.Event]:
    """Set by the first Ctrl-C or SIGTERM; the second one ends the process at once."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def first() -> None:
        asked.set()
        forget()

    for number in numbers:
        loop.add_signal_handler(number, first)
    try:
        yield asked
    finally:
        forget()


def _time(ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # a foreign producer's own time, say in microseconds
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
