"""`producers replay --follow`."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import click

from producers import lines
from producers.client.producer import Producer
from producers.commands import common
from producers.replay import rotated_names, tails
from producers.replay.following import Follower, NoFormatError
from producers.replay.position import Position, StateError
from producers.replay.replaying import Rules
from producers.replay.summary import Summary
from ranker.connect.kafka import KafkaSettings
from ranker.service import signals
from ranker.service.printable import printable
from ranker.service.version import VERSION


def check_followed(
    files: tuple[str, ...], kind: str, state: Path | None, *, rebase_to: str | None, speed: float | None
) -> Path:
    """The file of the position. Raises UsageError for what cannot be followed."""
    if state is None:
        raise click.UsageError("--follow needs --state PATH, where it keeps how far it has sent.")
    if rebase_to is not None or speed is not None:
        raise click.UsageError("--follow sends lines with their times as they come; leave --rebase-to and --speed out.")
    if lines.STDIN in files:
        raise click.UsageError("Standard input has no position to go on from; --follow takes files.")
    if kind == "csv":
        raise click.UsageError("A row of CSV may span lines: --follow takes the other formats.")
    _check_logs(list(dict.fromkeys(Path(name).absolute() for name in files)))
    for name in files:
        try:
            lines.check_regular(name)
            packed = tails.is_packed(Path(name))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise click.UsageError(f"{name} cannot be read: {error.strerror}. Nothing was sent.") from error
        except lines.UnfitInputError as error:
            raise click.UsageError(f"{name} cannot be followed: {error}. Nothing was sent.") from error
        if packed:
            raise click.UsageError(f"{name} is packed: it does not grow. Replay it without --follow.")
    return state


def _check_logs(paths: list[Path]) -> None:
    """Raises UsageError if lines would be sent twice."""
    for one, other in itertools.permutations(paths, 2):
        if one.parent.resolve() == other.parent.resolve() and rotated_names.is_rotated(one.name, other.name):
            raise click.UsageError(
                f"{one.name} is a rotated file of {other.name}: name the log itself, its rotated files are found. "
                "Nothing was sent."
            )
        with contextlib.suppress(OSError):
            if one.samefile(other):
                raise click.UsageError(f"{one} and {other} are one file: name it once. Nothing was sent.")


def follow(
    files: tuple[str, ...],
    kind: str,
    rules: Rules,
    summary: Summary,
    *,
    state: Path,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    """Sends until a signal; raises ClickException."""

    def say(sentence: str) -> None:
        click.echo(printable(sentence), err=True)

    paths = list(dict.fromkeys(Path(name).absolute() for name in files))

    async def run() -> None:
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(signals.stop_event())
            position = stack.enter_context(contextlib.closing(Position(state, topic)))
            say(f"producers replay, version {VERSION}")
            follower = Follower(paths, kind, rules, position, summary, say)
            await follower.run(lambda: Producer(kafka, topic, name="replay"), stop)

    try:
        common.run(run())
    except (StateError, NoFormatError) as error:
        raise click.ClickException(printable(str(error))) from error
    except OSError as error:
        raise click.ClickException(
            f"The position cannot be kept in {state}: {error.strerror or error}. {summary.sent:,} events were sent; "
            "the next start sends those again that are behind the position, with the same ids."
        ) from error
