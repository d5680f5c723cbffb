"""Sends the lines of files as they are written, from the saved position on.

The position is written after Kafka has acknowledged the events. A process that dies between the two sends a batch
again; its events have the ids and the numbers that they had, so that the rule `duplicate` drops them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from producers import event
from producers.client.producer import Producer
from producers.errors import ProducerError
from producers.replay import formats, replaying
from producers.replay.field_logs import W3cParser
from producers.replay.formats import Parse, UnknownFormatError
from producers.replay.malformed import Malformed, without_values
from producers.replay.position import Position
from producers.replay.replaying import Outcome, Rules
from producers.replay.rotation import Followed, Say
from producers.replay.summary import SHOWN_FAULTS, Fault, FileTally, Summary
from producers.replay.tails import CHUNK_BYTES, Tail
from ranker.connect.kafka import KafkaRefusedError
from ranker.service.printable import printable

POLL_S = 0.25
RETRY_S = 5.0
"""Pause before a new connection to a Kafka that took nothing."""
END_S = 3.0
"""How long an acknowledgement is waited for after a signal; closing takes 5 s more at most. Lines without one are sent
at the next start."""
NOTE_S = 60.0
"""How often lines that were refused are told of."""


class NoFormatError(Exception):
    """The lines of a file are in no format; the message says what to do."""


@dataclass
class _Batch:
    """What was taken of the files at one time: `taken` has each with its format and header at the end of it.

    `sequence` is the number of the next event.
    """

    sequence: int
    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    taken: list[tuple[Tail, str, str]] = field(default_factory=list)


class Follower:
    """Follows `paths` by `position`. `kind` is one of formats.FORMATS, or "auto"; `say` gets sentences for people."""

    def __init__(
        self, paths: Sequence[Path], kind: str, rules: Rules, position: Position, summary: Summary, say: Say
    ) -> None:
        self._kind = kind
        self._rules = rules
        self._position = position
        self._summary = summary
        self._say = say
        self._followed = [Followed(one, position.marks.setdefault(str(one), []), say, time.monotonic) for one in paths]
        self._tallies = {one.path: FileTally(str(one.path)) for one in self._followed}
        summary.files = list(self._tallies.values())
        self._parsers: dict[str, tuple[str, Parse]] = {}
        self._untold: set[str] = set()
        self._batch: _Batch | None = None
        self._connected = False
        self._away = ""
        self._noted_s = time.monotonic()
        self._noted: dict[str, tuple[int, int]] = {}
        self._noted_sent = (0, 0, 0)
        self._began = any(mark.offset for marks in position.marks.values() for mark in marks)

    async def run(self, connect: Callable[[], Producer], stop: asyncio.Event) -> None:
        """Sends until `stop` is set; waits for Kafka and its topic.

        Raises ProducerError if Kafka refuses us from the start, NoFormatError, and OSError if the position cannot be
        written.
        """
        work, ended = asyncio.create_task(self._work(connect, stop)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((work,), timeout=END_S)
        finally:
            ended.cancel()
            work.cancel()
            await asyncio.wait((work, ended))
            for one in self._followed:
                one.close()
        if not work.cancelled():
            work.result()

    async def _work(self, connect: Callable[[], Producer], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with connect() as producer:
                    self._connected = True
                    await self._carry(producer, stop)
            except ProducerError as error:
                if not self._connected and isinstance(error.__cause__, KafkaRefusedError):
                    raise  # the same would be refused again
                if self._away != str(error):
                    self._away = str(error)
                    self._say(f"{error} Trying again every {RETRY_S:.0f} s; nothing is lost while the files are there.")
                await replaying.pause(stop, RETRY_S)

    async def _carry(self, producer: Producer, stop: asyncio.Event) -> None:
        """Sends with one connection; what it did not send is kept for the next one."""
        while not stop.is_set():
            if self._batch is None:
                self._batch = await asyncio.to_thread(self._collect)
            batch = self._batch
            if any(one.changed for one in self._followed):
                # The keys of new files must be known before any event has an id made of them.
                self._position.save()
                for one in self._followed:
                    one.changed = False
            if batch.records:
                await (await producer.send_records(batch.records))
                if self._away:
                    self._away = ""
                    self._say("Kafka takes events again.")
            self._commit(batch)
            self._batch = None
            if not batch.taken:
                await replaying.pause(stop, POLL_S)

    def _collect(self) -> _Batch:
        """The next lines of each path, as events."""
        batch = _Batch(self._position.sequence)
        for one in self._followed:
            if (found := one.poll()) is None:
                continue
            tail, numbered = found
            outcomes = self._outcomes(one, tail, numbered)
            if outcomes is None:
                tail.rewind()
                continue
            for outcome in outcomes:
                if isinstance(outcome, dict):
                    if outcome.get("producer_id") is None:
                        outcome["producer_id"], outcome["sequence"] = self._position.producer_id, batch.sequence
                        batch.sequence += 1
                    batch.records.append(event.encode(outcome))
            batch.outcomes += outcomes
            kind, parse = self._parsers[tail.mark.key]
            batch.taken.append((tail, kind, parse.header if isinstance(parse, W3cParser) else ""))
        alive = {mark.key for one in self._followed for mark in one.marks}
        self._parsers = {key: value for key, value in self._parsers.items() if key in alive}
        return batch

    def _outcomes(self, one: Followed, tail: Tail, numbered: list[tuple[int, str]]) -> list[Outcome] | None:
        """What becomes of a file's lines; None if their format cannot be told yet."""
        path, mark = one.path, tail.mark
        if mark.key not in self._parsers:
            chosen = self._kind if self._kind != "auto" else mark.kind if mark.offset else ""
            kind = chosen or self._tell_format(one, tail, [line for _, line in numbered])
            if kind is None:
                return None
            self._parsers[mark.key] = kind, formats.parser(kind, mark.header)
        kind, parse = self._parsers[mark.key]
        clock = self._rules.clock
        rows = [(number, parse(line, clock)) for number, line in numbered]
        known = max(
            (at for at, (_, row) in enumerate(rows, 1) if not (isinstance(row, Malformed) and row.line)), default=0
        )
        if known < len(rows) and self._kind == "auto":
            # The end of what was taken is in no format of this kind: the server may have been told to log another.
            with contextlib.suppress(UnknownFormatError):
                other = formats.find([line for _, line in numbered[known:]])
                if other.fit and other.kind not in {kind, "csv"}:
                    self._say(f"{path}: {other.kind} from byte {numbered[known][0]:,} on")
                    kind, parse = self._parsers[mark.key] = other.kind, formats.parser(other.kind)
                    rows[known:] = [(number, parse(line, clock)) for number, line in numbered[known:]]
        self._tallies[path].kind = kind
        outcome_of = replaying.outcome_maker(str(path), kind, mark.key.encode(), self._rules, self._tallies[path])
        return [outcome_of(number, row) for number, row in rows if row is not None]

    def _tell_format(self, one: Followed, tail: Tail, lines: list[str]) -> str | None:
        """Finds the format of a file; None if more lines are needed. Raises NoFormatError before anything was sent."""
        path, mark = one.path, tail.mark
        try:
            found = formats.find(lines[: formats.LOOKED_AT])
        except UnknownFormatError as error:
            if mark.kind:  # of the file before it
                return mark.kind
            why = f"{tail.path}: {error.without_line}"
            if not one.grows(tail):
                return self._pass_over(why)
            if len(lines) < formats.LOOKED_AT and tail.position - mark.offset < CHUNK_BYTES // 2:
                if mark.key not in self._untold:
                    self._untold.add(mark.key)
                    self._say(f"{why}. Waiting for more lines")
                return None
            return self._pass_over(why)
        if found.kind == "csv":
            return self._pass_over(f"{path} is CSV, whose rows may span lines: it cannot be followed")
        if not found.lines and one.grows(tail):
            return None
        without = "; it has no browser, so that crawlers count like people" if found.kind == "common" else ""
        self._say(f"{path}: {found.kind}, {found.fit:,} of the first {found.lines:,} lines{without}")
        return found.kind

    def _pass_over(self, why: str) -> str:
        """A format whose lines these are not. Raises NoFormatError if nothing was ever sent: other files must go on."""
        if not self._began:
            raise NoFormatError(f"{why}.")
        self._say(f"{why}. Its lines are passed over")
        return "combined"

    def _commit(self, batch: _Batch) -> None:
        """Notes that a batch is in Kafka."""
        for outcome in batch.outcomes:
            if isinstance(outcome, Fault):
                # These sentences are in the log of a service for long: no reader's address, agent or URL.
                told = outcome._replace(text=without_values(outcome.text)) if outcome.reason == "malformed" else outcome
                if not told.usual and len(self._summary.faults) < SHOWN_FAULTS:
                    self._say(f"{told.file}, byte {told.line:,}: {told.reason}: {printable(told.text, 600)}")
                self._summary.add(told)
            else:
                self._summary.add(outcome)
        for tail, kind, header in batch.taken:
            tail.committed(kind, header)
        if batch.taken:
            self._began = True
            self._position.sequence = batch.sequence
            self._position.save()
        self._note()

    def _note(self) -> None:
        """Once a minute tells of the lines that were refused since, and of addresses that have no article."""
        now_s = time.monotonic()
        if now_s - self._noted_s < NOTE_S:
            return
        self._noted_s = now_s
        summary = self._summary
        for one in summary.files:
            before_lines, before_refused = self._noted.get(one.file, (0, 0))
            lines, refused = one.lines - before_lines, one.refused - before_refused
            self._noted[one.file] = one.lines, one.refused
            if refused:
                advice = (
                    f". {formats.described(one.looks_like)}" if refused == lines and one.looks_like is not None else ""
                )
                self._say(f"{one.file}: {refused:,} of the last {lines:,} lines were not understood{advice}")
        now = summary.lines, summary.sent, summary.skipped["pattern"]
        lines, sent, pattern = (new - old for new, old in zip(now, self._noted_sent, strict=True))
        self._noted_sent = now
        if not sent and 0 < lines <= pattern * 2:
            self._say(
                f"No address of the last {pattern:,} has an article's id; see --article-pattern and [sites.NAME.ids]."
            )
