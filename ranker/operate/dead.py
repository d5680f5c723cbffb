"""Which dead letters are meant, what is counted of them, and which may be sent again without counting twice."""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.log.admin import LogAdmin
from ranker.log.errors import LogRefusedError
from ranker.log.letters import Letter, LetterLog

PORTION = 500
"""Letters that are sent and marked together, at most."""
PORTION_BYTES = 4 << 20
_ONLY_FORCED = ("log", "old", "future")
"""Verdicts on letters that sending may count twice, or brings back until their time has come."""

Advance = Callable[[int, int], None]
"""Told how much has been read, and of how much."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Letters with one of `reasons` and one of `positions`; an empty set leaves all."""

    reasons: frozenset[str] = frozenset()
    positions: frozenset[str] = frozenset()

    @property
    def named(self) -> bool:
        """Somebody has looked at them, or at their reason."""
        return bool(self.reasons or self.positions)

    def __contains__(self, letter: Letter) -> bool:
        return (not self.reasons or letter.reason in self.reasons) and (
            not self.positions or letter.position in self.positions
        )


@dataclass(slots=True)
class Count:
    """Letters with one reason: how many, how many resent and cut, times of append, the latest as an example."""

    letters: int = 0
    resent: int = 0
    first_append_ms: int = 0
    last_append_ms: int = 0
    example: str = ""
    cut: int = 0

    def add(self, letter: Letter) -> None:
        self.first_append_ms = min(self.first_append_ms, letter.append_ms) if self.letters else letter.append_ms
        if letter.append_ms >= self.last_append_ms:
            self.last_append_ms, self.example = letter.append_ms, letter.position
        self.letters += 1
        self.resent += letter.resent
        self.cut += letter.cut is not None


async def overview(log: LetterLog, choice: Choice, advance: Advance) -> dict[str, Count]:
    """Reason to count, most letters first."""
    counts: dict[str, Count] = {}
    async for letter in log.letters(advance):
        if letter in choice:
            counts.setdefault(letter.reason, Count()).add(letter)
    return dict(sorted(counts.items(), key=lambda item: -item[1].letters))


async def newest(log: LetterLog, choice: Choice, limit: int, advance: Advance) -> list[Letter]:
    """The `limit` letters that were appended last, latest first."""
    found: list[tuple[int, str, int, Letter]] = []
    async for letter in log.letters(advance):
        if letter in choice:
            # by home last: where partitions were added to the dead topic, a rebuild wrote a letter twice
            entry = letter.append_ms, letter.position, letter.home, letter
            if len(found) < limit:
                heapq.heappush(found, entry)
            else:
                heapq.heappushpop(found, entry)
    return [letter for _, _, _, letter in sorted(found, reverse=True)]


class _Record(NamedTuple):
    """What the fold is shown instead of a record of the log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


class Judge:
    """Says of a letter what sending it now would come to, by the rules of one generation.

    - `sent`: it may be sent, and would be counted.
    - `resent`: it was, and is marked.
    - `cut`: it is not whole, so there is nothing to send.
    - `log`: the rules accept the record where it stands, and the log still has it. A generation with these rules
      counts it from there, so sending it would count it twice.
    - `late`: it would be too late for the longest window.
    - a reason: it would come back as a new letter with this reason.
    - `old`: it is older than the dead topic keeps anything, and a rebuild has written it again: a mark of it may be
      gone. (Before, it is not: a mark is younger than its record, and is kept as long as the letters are.)

    `held` are the offsets that the source log has, by partition; `kept_ms` is how long the dead topic keeps records.
    """

    def __init__(self, generation: Generation, held: Mapping[int, range], kept_ms: int | None, now_ms: int) -> None:
        self._fold = Fold(generation)
        self._held = held
        self._oldest_ms = None if kept_ms is None else now_ms - kept_ms
        self._now_ms = now_ms

    def __call__(self, letter: Letter) -> str:
        if letter.resent:
            return "resent"
        if letter.cut is not None:
            return "cut"
        if self._oldest_ms is not None and letter.append_ms < self._oldest_ms:
            return "old"
        if letter.offset in self._held.get(letter.partition, ()) and self._outcome(letter, letter.append_ms) == "sent":
            return "log"
        return self._outcome(letter, self._now_ms)

    def _outcome(self, letter: Letter, append_ms: int) -> str:
        partial = self._fold([_Record(letter.offset, append_ms, letter.key, letter.value)])
        if partial.rejected:
            return partial.rejected[0].reason
        return "late" if partial.late else "sent"


async def judging(admin: LogAdmin, log: LetterLog, generation: Generation, now_ms: int) -> Judge:
    """A Judge of what stands in Kafka now. LogRefusedError where the source topic does not exist."""
    source = generation.topic
    topics = await admin.topics([source, log.topic])
    if source not in topics:
        raise LogRefusedError(f"topic {source} does not exist; create it with `ranker topics apply`")
    config = topics[log.topic].config if log.topic in topics else {}
    kept_ms = int(config.get("retention.ms", -1)) if "delete" in config.get("cleanup.policy", "") else -1
    return Judge(generation, await log.held(source), None if kept_ms < 0 else kept_ms, now_ms)


@dataclass(slots=True)
class Outcome:
    """What a resend came to so far: verdict to letters that were sent, and to letters that were left."""

    sent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    missing: set[str] = field(default_factory=set)
    """Positions asked for of which there is no letter."""


class InterruptedResendError(Exception):
    """It was asked to end; the portion under way was finished before."""


def _goes(verdict: str, *, named: bool, force: bool) -> bool:
    if verdict in ("sent", "resent", "cut"):
        return verdict == "sent"
    return force or (named and verdict not in _ONLY_FORCED)


async def resend(
    log: LetterLog,
    choice: Choice,
    judge: Judge,
    send: Callable[[list[Letter]], Awaitable[None]],
    limit: int | None,
    outcome: Outcome,
    stop: Callable[[], bool],
    advance: Advance,
    *,
    force: bool,
) -> None:
    """Hands what may be sent to `send`, in portions, up to `limit` letters; `force`: whatever is whole and not resent.

    Letters that were named are sent unless that may count them twice, or their time has not come; of all, only what
    will be counted.

    `outcome` is true at any moment, also where this raises: InterruptedResendError where `stop` says so, what `send`
    raises, LogUnavailableError.
    """
    portion: list[Letter] = []
    verdicts: Counter[str] = Counter()
    size_bytes = 0
    outcome.missing |= choice.positions

    async def sent() -> None:
        await send(portion)
        outcome.sent += verdicts
        portion.clear()
        verdicts.clear()

    def read(done: int, total: int) -> None:
        if stop():
            raise InterruptedResendError
        advance(done, total)

    async with contextlib.aclosing(log.letters(read)) as letters:
        async for letter in letters:
            if letter not in choice:
                continue
            outcome.missing.discard(letter.position)
            verdict = judge(letter)
            if not _goes(verdict, named=choice.named, force=force):
                outcome.left[verdict] += 1
                continue
            portion.append(letter)
            verdicts[verdict] += 1
            size_bytes += len(letter.value)
            full = limit is not None and outcome.sent.total() + len(portion) >= limit
            if full or len(portion) >= PORTION or size_bytes >= PORTION_BYTES:
                await sent()
                size_bytes = 0
                if full:
                    outcome.missing.clear()  # not all has been looked at
                    return
    if portion:
        await sent()
