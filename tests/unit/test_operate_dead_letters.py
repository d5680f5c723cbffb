from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.log.dead_letter_reader import PORTION, DeadLetter, DeadLetterReader
from ranker.operate import dead_letters
from ranker.operate.dead_letters import COUNTED, CUT, FUTURE, IN_LOG, LATE, RESENT, Choice, Outcome
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

NOW = 1_795_400_000_000
HOUR_MS = 3_600_000
RULES = Generation("views", DEFAULT_WINDOWS, DEFAULT_BOARDS, sites=("demo",))


def event(occurred_ms: int, site: str = "demo") -> bytes:
    fields = {"event_id": "e", "event_type": "view", "site_id": site, "article_id": "a", "occurred_at": occurred_ms}
    return json.dumps(fields).encode()


def letter(
    offset: int = 7, *, reason: str = "future", append_ms: int = NOW - HOUR_MS, value: bytes = b"", resent: bool = False
) -> DeadLetter:
    return DeadLetter(append_ms, f"views/0/{offset}", 2, reason, b"demo/a", value or event(append_ms), resent)


class Log(DeadLetterReader):
    """Letters without Kafka: what reads them has its own tests."""

    def __init__(self, letters: Sequence[DeadLetter]) -> None:
        self._letters = letters

    async def held(self, topic: str) -> dict[int, range]:
        assert topic == RULES.topic
        return {0: range(100)}

    async def portions(self) -> AsyncGenerator[list[DeadLetter], None]:
        for start in range(0, len(self._letters), PORTION):
            yield list(self._letters[start : start + PORTION])


def objection(letter: DeadLetter, held: range = range(100)) -> str:
    return dead_letters.objection(letter, Fold(RULES), {0: held}, NOW)


def again(reason: str) -> str:
    return f"still rejected ({reason}): sent again, they come back as new dead letters"


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (letter(value=event(NOW)), COUNTED),  # an hour ahead of its append time then, not any more now
        (letter(value=event(NOW), resent=True), RESENT),
        (letter(value=event(NOW + HOUR_MS)), FUTURE),
        (letter(reason="unknown_site", value=event(NOW, "other")), again("unknown_site")),
        (letter(reason="unknown_site"), IN_LOG),  # its site is known now, and the log has it
        (letter(100, reason="unknown_site"), COUNTED),  # the log does not
        (letter(100, reason="unknown_site", append_ms=NOW - 200 * HOUR_MS), LATE),
        (letter(reason="malformed", value=b"{half"), again("malformed")),
        (letter(reason="timestamp", append_ms=-1, value=event(NOW)), COUNTED),  # it gets a timestamp now
        (letter(reason="timestamp", append_ms=NOW // 1000, value=event(NOW - 200 * HOUR_MS)), LATE),
        (replace(letter(value=event(NOW)), cut="size 9"), CUT),
        (replace(letter(value=event(NOW), resent=True), cut="size 9"), RESENT),
    ],
)
def test_objections(case: DeadLetter, why: str) -> None:
    """None to a letter that is counted only if it is sent; everything else has its reason."""
    assert objection(case) == why


def test_bounds_of_the_log() -> None:
    """The log's first and last offset, of the letter's own partition."""
    case = letter(7, reason="unknown_site")
    assert objection(case, range(8)) == IN_LOG
    assert objection(case, range(7)) == COUNTED
    assert objection(case, range(7, 8)) == IN_LOG
    assert objection(case, range(8, 9)) == COUNTED
    assert objection(replace(case, position="views/1/7")) == COUNTED


def test_choices() -> None:
    """Reasons and positions each narrow down; none of them leaves all."""
    case = [letter(7)]
    assert Choice().of(case) == case
    assert Choice(frozenset({"future", "value"})).of(case) == case
    assert Choice(frozenset({"value"})).of(case) == []
    assert Choice(positions=frozenset({"views/0/7"})).of(case) == case
    assert Choice(positions=frozenset({"views/0/8"})).of(case) == []
    assert Choice(frozenset({"value"}), frozenset({"views/0/7"})).of(case) == []


async def test_overview_and_newest() -> None:
    """Counts, times and an example of each reason, and the letters appended last."""
    letters = [letter(n, append_ms=NOW - n, resent=n > 1) for n in (3, 1, 2)] + [letter(9, reason="value", append_ms=5)]
    counts = await dead_letters.overview(Log(letters), Choice())
    assert counts == {
        "future": dead_letters.Count(3, 2, NOW - 3, NOW - 1, "views/0/1", 0),
        "value": dead_letters.Count(1, 0, 5, 5, "views/0/9", 0),
    }
    assert list(counts) == ["future", "value"]
    newest = await dead_letters.newest(Log(letters), Choice(), 2)
    assert [each.position for each in newest] == ["views/0/1", "views/0/2"]


async def test_newest_of_a_letter_that_is_in_two_partitions() -> None:
    """As after partitions were added to the dead topic: shown twice, like everything that is there."""
    twice = [letter(1), replace(letter(1), home=3)]
    assert await dead_letters.newest(Log(twice), Choice(), 5) == twice[::-1]


class Sending:
    """Takes portions; refuses from portion `fails` on."""

    def __init__(self, fails: int = 1000) -> None:
        self.portions: list[list[str]] = []
        self._fails = fails

    async def __call__(self, letters: Sequence[DeadLetter]) -> None:
        if len(self.portions) == self._fails:
            raise ConnectionError
        self.portions.append([each.position.removeprefix("views/0/") for each in letters])


async def resend(
    letters: list[DeadLetter],
    sending: Callable[[Sequence[DeadLetter]], Awaitable[None]],
    outcome: Outcome,
    *,
    choice: Choice | None = None,
    limit: int | None = None,
    force: bool = False,
) -> None:
    log = Log(letters)
    await dead_letters.resend(log, choice or Choice(), RULES, None, NOW, sending, outcome, limit=limit, force=force)


async def test_portions_and_limit() -> None:
    """What is read together is sent together; a limit is exact, and what lies behind it is not looked at."""
    good = [letter(n, value=event(NOW)) for n in range(3 * PORTION - 10)]
    sending, outcome = Sending(), Outcome()
    await resend([*good, letter(2000, value=b"{")], sending, outcome)
    assert [len(portion) for portion in sending.portions] == [PORTION, PORTION, PORTION - 10]
    assert (outcome.sent, outcome.left) == (Counter({COUNTED: len(good)}), Counter({again("malformed"): 1}))
    for limit, portions in ((PORTION + 1, [PORTION, 1]), (PORTION, [PORTION])):
        sending, outcome = Sending(), Outcome()
        await resend(good, sending, outcome, limit=limit)
        assert [len(portion) for portion in sending.portions] == portions
        assert outcome.sent.total() == limit


async def test_force_sends_whatever_was_not_resent() -> None:
    """With the objections to what was sent all the same."""
    letters = [letter(1, value=b"{"), letter(2, reason="unknown_site"), letter(3, resent=True)]
    sending, outcome = Sending(), Outcome()
    await resend(letters, sending, outcome, force=True)
    assert sending.portions == [["1", "2"]]
    assert (outcome.sent, outcome.left) == (Counter({again("malformed"): 1, IN_LOG: 1}), Counter({RESENT: 1}))


async def test_a_named_letter_is_sent_only_if_it_would_be_counted() -> None:
    """A reason or a position narrows down what is sent; it does not stand for --force."""
    letters = [
        letter(1, value=b"{"),
        letter(2, reason="unknown_site"),
        letter(3, resent=True),
        letter(4, value=event(NOW + HOUR_MS)),
        letter(5, value=event(NOW)),
    ]
    for choice in (
        Choice(reasons=frozenset(each.reason for each in letters)),
        Choice(positions=frozenset(each.position for each in letters)),
    ):
        sending, outcome = Sending(), Outcome()
        await resend(letters, sending, outcome, choice=choice)
        assert sending.portions == [["5"]]
        assert outcome.sent == Counter({COUNTED: 1})
        assert outcome.left == Counter({again("malformed"): 1, IN_LOG: 1, RESENT: 1, FUTURE: 1})


async def test_the_outcome_is_true_if_it_ends_early() -> None:
    """Kafka refuses the second portion, or somebody ends it: what was sent is what is reported."""
    good = [letter(n, value=event(NOW)) for n in range(2 * PORTION)]
    outcome = Outcome()
    with pytest.raises(ConnectionError):
        await resend(good, Sending(fails=1), outcome)
    assert outcome.sent.total() == PORTION
    outcome, under_way, may_go_on = Outcome(), asyncio.Event(), asyncio.Event()

    async def send(_: Sequence[DeadLetter]) -> None:
        under_way.set()
        await may_go_on.wait()

    task = asyncio.create_task(resend(good, send, outcome))
    await under_way.wait()
    task.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outcome.sent.total() == PORTION


async def test_positions_without_a_letter_are_reported() -> None:
    """Those requested in vain, and only those; none if the limit came first."""
    choice = Choice(positions=frozenset({"views/0/1", "views/0/2"}))
    letters = [letter(1, value=event(NOW)), letter(3, value=event(NOW))]
    outcome = Outcome()
    await resend(letters, Sending(), outcome, choice=choice)
    assert (set(outcome.missing), outcome.sent.total()) == ({"views/0/2"}, 1)
    outcome = Outcome()
    await resend(letters, Sending(), outcome, choice=choice, limit=1)
    assert (set(outcome.missing), outcome.sent.total()) == (set(), 1)
