"""What is counted of dead letters, and which may be sent again without counting twice."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.log.dead_letter_reader import DeadLetter, DeadLetterReader
from ranker.log.records import Record
from ranker.log.value_schemas import ValueSchemas

COUNTED = ""
LATE = "too old for the longest window: sent again, they would not be listed"
IN_LOG = "which these rules count at their place in the log: sent again, they would count twice"
FUTURE = "whose time has not come: sent now, they come back as new dead letters"
NO_VIEW = "which [source] passes over now: sent again, they would count as nothing"
CUT = "too large to be kept whole: only their first bytes are here, so they cannot be sent, not even with --force"
RESENT = "resent before"
NEVER = frozenset((CUT, RESENT))
"""What not even --force sends."""


class Choice(NamedTuple):
    """Letters with one of `reasons` and one of `positions`; an empty set leaves all."""

    reasons: frozenset[str] = frozenset()
    positions: frozenset[str] = frozenset()

    def of(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        found = [letter for letter in letters if not self.reasons or letter.reason in self.reasons]
        return [letter for letter in found if not self.positions or letter.position in self.positions]


@dataclass(slots=True)
class Count:
    """Letters with one reason: how many, how many resent and cut, times of append, the latest as an example."""

    letters: int
    resent: int
    first_append_ms: int
    last_append_ms: int
    example: str
    cut: int

    def add(self, letter: DeadLetter) -> None:
        self.letters += 1
        self.resent += letter.resent
        self.first_append_ms = min(self.first_append_ms, letter.append_ms)
        if letter.append_ms >= self.last_append_ms:
            self.last_append_ms, self.example = letter.append_ms, letter.position
        self.cut += letter.cut is not None


async def overview(log: DeadLetterReader, choice: Choice) -> dict[str, Count]:
    """Reason to count, most letters first."""
    counts: dict[str, Count] = {}
    async for letters in log.portions():
        for letter in choice.of(letters):
            nothing = Count(0, 0, letter.append_ms, letter.append_ms, letter.position, 0)
            counts.setdefault(letter.reason, nothing).add(letter)
    return dict(sorted(counts.items(), key=lambda item: -item[1].letters))


async def newest(log: DeadLetterReader, choice: Choice, limit: int) -> list[DeadLetter]:
    """The `limit` letters that were appended last, latest first."""
    found: list[DeadLetter] = []
    async for letters in log.portions():
        found = heapq.nlargest(limit, found + choice.of(letters))
    return found


def objection(letter: DeadLetter, fold: Fold, held: Mapping[int, range], now_ms: int) -> str:
    """Why sending this letter now would not count it once, by `fold`'s rules; COUNTED if it would.

    `held` are the offsets that the source has, by partition. A record that is accepted at its place is counted from
    there by a new generation.
    """
    if letter.resent:
        return RESENT
    if letter.cut is not None:
        return CUT
    _, partition, offset = letter.position.split("/")
    if int(offset) in held.get(int(partition), ()) and _appended(letter, fold, letter.append_ms) == COUNTED:
        return IN_LOG
    return _appended(letter, fold, now_ms)


def _appended(letter: DeadLetter, fold: Fold, append_ms: int) -> str:
    """What comes of the letter's record if it is appended then."""
    partial = fold([Record(0, append_ms, 0, letter.key, letter.value, letter.headers)])
    if partial.future or partial.late:
        return FUTURE if partial.future else LATE
    if partial.skipped:
        return NO_VIEW
    if partial.rejected:
        return f"still rejected ({partial.rejected[0].reason}): sent again, they come back as new dead letters"
    return COUNTED


@dataclass(slots=True)
class Outcome:
    """What a resend came to so far: letters that were sent and letters that were left, by objection.

    `missing` are requested positions that have no letter, if all letters have been looked at.
    """

    sent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    missing: frozenset[str] = frozenset()


async def resend(
    log: DeadLetterReader,
    choice: Choice,
    rules: Generation,
    schemas: ValueSchemas | None,
    now_ms: int,
    send: Callable[[Sequence[DeadLetter]], Awaitable[None]],
    outcome: Outcome,
    *,
    limit: int | None,
    force: bool,
) -> None:
    """Hands what may be sent by `rules` to `send`, in portions, up to `limit` letters.

    `outcome` is true also if this raises. If it is cancelled, it finishes the portion under way. Raises LogRefusedError
    if one of the topics does not exist, LogUnavailableError if the schema registry is away.
    """
    fold = Fold(rules, schemas=None if schemas is None else schemas.known)
    held = await log.held(rules.topic)
    missing = choice.positions
    async with contextlib.aclosing(log.portions()) as portions:
        async for letters in portions:
            if schemas is not None:
                await schemas.ensure(schemas.lacking(choice.of(letters)))
            portion: list[DeadLetter] = []
            objections: Counter[str] = Counter()
            for letter in choice.of(letters):
                missing -= {letter.position}
                why = objection(letter, fold, held, now_ms)
                if why in NEVER or (why and not force):
                    outcome.left[why] += 1
                    continue
                portion.append(letter)
                objections[why] += 1
                if outcome.sent.total() + len(portion) == limit:
                    break
            if portion:
                sending = asyncio.ensure_future(send(portion))
                try:
                    await asyncio.shield(sending)
                finally:  # Ctrl-C comes as a cancellation
                    await sending
                    outcome.sent += objections
            if outcome.sent.total() == limit:
                return
    outcome.missing = missing
