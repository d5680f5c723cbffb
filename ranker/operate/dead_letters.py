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

WITH_ALL, BY_NAME, BY_FORCE, NEVER = range(4)
"""How a letter has to be requested to be sent: with all, by its reason or position, with --force; or it never is."""


class Verdict(NamedTuple):
    """How a letter has to be requested to be sent, and what sending it now would come to, for an operator."""

    request: int
    why: str


COUNTED = Verdict(WITH_ALL, "")
LATE = Verdict(BY_NAME, "too old for the longest window: sent again, they would not be listed")
IN_LOG = Verdict(BY_FORCE, "which these rules count where they stand in the log: sent again, they would count twice")
FUTURE = Verdict(BY_FORCE, "whose time has not come: sent now, they come back as new dead letters")
CUT = Verdict(
    NEVER, "too large to be kept whole: only their first bytes are here, so they cannot be sent, not even with --force"
)
RESENT = Verdict(NEVER, "resent before")


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


async def overview(log: DeadLetterReader, choice: Choice) -> tuple[dict[str, Count], int]:
    """Reason to count, most letters first, and the number of records that are neither letter nor mark."""
    counts: dict[str, Count] = {}
    async for letters in log.portions():
        for letter in choice.of(letters):
            nothing = Count(0, 0, letter.append_ms, letter.append_ms, letter.position, 0)
            counts.setdefault(letter.reason, nothing).add(letter)
    return dict(sorted(counts.items(), key=lambda item: -item[1].letters)), log.strange


async def newest(log: DeadLetterReader, choice: Choice, limit: int) -> list[DeadLetter]:
    """The `limit` letters that were appended last, latest first."""
    found: list[DeadLetter] = []
    async for letters in log.portions():
        found = heapq.nlargest(limit, found + choice.of(letters))
    return found


def judge(letter: DeadLetter, fold: Fold, held: Mapping[int, range], now_ms: int) -> Verdict:
    """By the rules of one generation; `held` are the offsets that the source has, by partition.

    A record that is accepted where it stands is counted from there by a new generation.
    """
    if letter.resent:
        return RESENT
    if letter.cut is not None:
        return CUT
    _, partition, offset = letter.position.split("/")
    if int(offset) in held.get(int(partition), ()) and _appended(letter, fold, letter.append_ms) is COUNTED:
        return IN_LOG
    return _appended(letter, fold, now_ms)


def _appended(letter: DeadLetter, fold: Fold, append_ms: int) -> Verdict:
    """What comes of the letter's record if it is appended then."""
    partial = fold([Record(0, append_ms, 0, letter.key, letter.value)])
    if partial.future or partial.late:
        return FUTURE if partial.future else LATE
    if partial.rejected:
        why = f"still rejected ({partial.rejected[0].reason}): sent again, they come back as new dead letters"
        return Verdict(BY_NAME, why)
    return COUNTED


@dataclass(slots=True)
class Outcome:
    """What a resend came to so far: letters that were sent and letters that were left, by verdict.

    `missing` are requested positions that have no letter, if all letters have been looked at.
    """

    sent: Counter[Verdict] = field(default_factory=Counter)
    left: Counter[Verdict] = field(default_factory=Counter)
    missing: frozenset[str] = frozenset()


async def resend(
    log: DeadLetterReader,
    choice: Choice,
    rules: Generation,
    now_ms: int,
    send: Callable[[Sequence[DeadLetter]], Awaitable[None]],
    outcome: Outcome,
    *,
    limit: int | None,
    force: bool,
) -> None:
    """Hands what may be sent by `rules` to `send`, in portions, up to `limit` letters.

    `outcome` is true also if this raises. If it is cancelled, it finishes the portion under way. Raises LogRefusedError
    if one of the topics does not exist.
    """
    fold, held = Fold(rules), await log.held(rules.topic)
    request = BY_FORCE if force else BY_NAME if any(choice) else WITH_ALL
    missing = choice.positions
    async with contextlib.aclosing(log.portions()) as portions:
        async for letters in portions:
            portion: list[DeadLetter] = []
            verdicts: Counter[Verdict] = Counter()
            for letter in choice.of(letters):
                missing -= {letter.position}
                verdict = judge(letter, fold, held, now_ms)
                if verdict.request > request:
                    outcome.left[verdict] += 1
                    continue
                portion.append(letter)
                verdicts[verdict] += 1
                if outcome.sent.total() + len(portion) == limit:
                    break
            if portion:
                sending = asyncio.ensure_future(send(portion))
                try:
                    await asyncio.shield(sending)
                finally:  # Ctrl-C comes as a cancellation
                    await sending
                    outcome.sent += verdicts
            if outcome.sent.total() == limit:
                return
    outcome.missing = missing
