from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace

import pytest

from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation
from ranker.log.letters import Letter, LetterLog
from ranker.operate import dead

NOW = 1_795_400_000_000
HOUR_MS = 3_600_000
KEPT_MS = 30 * 24 * HOUR_MS
GENERATION = Generation("views", DEFAULT_WINDOWS, DEFAULT_BOARDS, sites=("demo",))


def event(occurred_ms: int, site: str = "demo") -> bytes:
    fields = {"event_id": "e", "event_type": "view", "site_id": site, "article_id": "a", "occurred_at": occurred_ms}
    return json.dumps(fields).encode()


def letter(
    offset: int = 7, *, reason: str = "future", append_ms: int = NOW - HOUR_MS, value: bytes = b"", resent: bool = False
) -> Letter:
    return Letter(
        f"views/0/{offset}", 0, offset, append_ms, reason, b"demo/a", value or event(append_ms), resent=resent, home=2
    )


class Log(LetterLog):
    """Letters without Kafka: what reads them has its own tests."""

    def __init__(self, letters: Iterable[Letter]) -> None:
        self._letters = list(letters)

    async def letters(self, advance: Callable[[int, int], None]) -> AsyncGenerator[Letter, None]:
        for number, each in enumerate(self._letters):
            advance(number, len(self._letters))
            yield each


def judge(held: range = range(100), kept_ms: int | None = KEPT_MS) -> dead.Judge:
    return dead.Judge(GENERATION, {0: held}, kept_ms, NOW)


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (letter(value=event(NOW)), "sent"),  # an hour ahead of its append time then, not any more now
        (letter(value=event(NOW), resent=True), "resent"),
        (letter(value=event(NOW + HOUR_MS)), "future"),
        (letter(reason="unknown_site", value=event(NOW, "other")), "unknown_site"),
        (letter(reason="unknown_site"), "log"),  # its site is known now, and the log has it
        (letter(100, reason="unknown_site"), "sent"),  # the log does not
        (letter(100, reason="unknown_site", append_ms=NOW - 200 * HOUR_MS), "late"),
        (letter(reason="malformed", value=b"{half"), "malformed"),
        (letter(append_ms=NOW - KEPT_MS - 1), "old"),
        (letter(append_ms=NOW - KEPT_MS - 1, resent=True), "resent"),
        (replace(letter(value=event(NOW)), cut="the value had 9 bytes"), "cut"),
    ],
)
def test_verdicts(case: Letter, verdict: str) -> None:
    """Sent is what is counted only if it is sent; everything else has a name."""
    assert judge()(case) == verdict


def test_bounds_of_the_log_and_of_the_marks() -> None:
    """The log's first and last offset; a dead topic that keeps everything has no letter without its mark."""
    case = letter(7, reason="unknown_site")
    assert judge(range(8))(case) == "log"
    assert judge(range(7))(case) == "sent"
    assert judge(range(7, 8))(case) == "log"
    assert judge(range(8, 9))(case) == "sent"
    assert judge()(replace(case, partition=1)) == "sent"
    assert judge(kept_ms=None)(letter(append_ms=NOW - KEPT_MS - 1, value=event(NOW))) == "sent"


def test_choices() -> None:
    """Reasons and positions each narrow down; none of them leaves all."""
    case = letter(7)
    assert case in dead.Choice()
    assert case in dead.Choice(frozenset({"future", "value"}))
    assert case not in dead.Choice(frozenset({"value"}))
    assert case in dead.Choice(positions=frozenset({"views/0/7"}))
    assert case not in dead.Choice(positions=frozenset({"views/0/8"}))
    assert case not in dead.Choice(frozenset({"value"}), frozenset({"views/0/7"}))


async def test_overview_and_newest() -> None:
    """Counts, times and an example of each reason, and the letters appended last."""
    letters = [letter(n, append_ms=NOW - n, resent=n > 1) for n in (3, 1, 2)] + [letter(9, reason="value", append_ms=5)]
    counts = await dead.overview(Log(letters), dead.Choice(), lambda *_: None)
    assert counts == {
        "future": dead.Count(3, 2, NOW - 3, NOW - 1, "views/0/1"),
        "value": dead.Count(1, 0, 5, 5, "views/0/9"),
    }
    assert list(counts) == ["future", "value"]
    newest = await dead.newest(Log(letters), dead.Choice(), 2, lambda *_: None)
    assert [each.offset for each in newest] == [1, 2]


async def test_newest_where_a_letter_stands_in_two_partitions() -> None:
    """As after partitions were added to the dead topic: shown twice, like everything that is there."""
    twice = [letter(1), replace(letter(1), home=3)]
    assert await dead.newest(Log(twice), dead.Choice(), 5, lambda *_: None) == twice[::-1]


class Sending:
    """Takes portions; refuses from portion `fails` on."""

    def __init__(self, fails: int = 1000) -> None:
        self.portions: list[list[int]] = []
        self._fails = fails

    async def __call__(self, letters: list[Letter]) -> None:
        if len(self.portions) == self._fails:
            raise ConnectionError
        self.portions.append([each.offset for each in letters])


async def resend(
    letters: list[Letter],
    sending: Sending,
    outcome: dead.Outcome,
    *,
    limit: int | None = None,
    force: bool = False,
    stop: Callable[[], bool] = lambda: False,
    choice: dead.Choice | None = None,
) -> None:
    chosen = choice or dead.Choice()
    await dead.resend(Log(letters), chosen, judge(), sending, limit, outcome, stop, lambda *_: None, force=force)


async def test_portions_and_limit() -> None:
    """Full portions and a rest; a limit is exact; a portion is bounded in bytes as well."""
    good = [letter(n, value=event(NOW)) for n in range(1100)]
    sending, outcome = Sending(), dead.Outcome()
    await resend([*good, letter(2000, value=b"{")], sending, outcome)
    assert [len(portion) for portion in sending.portions] == [dead.PORTION, dead.PORTION, 100]
    assert (outcome.sent, outcome.left) == (Counter(sent=1100), Counter(malformed=1))
    sending, outcome = Sending(), dead.Outcome()
    await resend(good, sending, outcome, limit=501)
    assert [len(portion) for portion in sending.portions] == [500, 1]
    assert outcome.sent.total() == 501
    large = [letter(n, value=event(NOW).ljust(dead.PORTION_BYTES // 4)) for n in range(5)]
    sending = Sending()
    await resend(large, sending, dead.Outcome())
    assert sending.portions == [[0, 1, 2, 3], [4]]


async def test_force_sends_whatever_was_not_resent() -> None:
    """With the verdicts of what was sent all the same."""
    letters = [letter(1, value=b"{"), letter(2, reason="unknown_site"), letter(3, resent=True)]
    sending, outcome = Sending(), dead.Outcome()
    await resend(letters, sending, outcome, force=True)
    assert sending.portions == [[1, 2]]
    assert (outcome.sent, outcome.left) == (Counter(malformed=1, log=1), Counter(resent=1))


async def test_what_was_named_is_sent_unless_it_counts_already() -> None:
    """Whoever names a reason or a position has looked at it; counts and times are another matter."""
    letters = [
        letter(1, value=b"{"),
        letter(2, reason="unknown_site"),
        letter(3, resent=True),
        letter(4, value=event(NOW + HOUR_MS)),
    ]
    for choice in (
        dead.Choice(reasons=frozenset(each.reason for each in letters)),
        dead.Choice(positions=frozenset(each.position for each in letters)),
    ):
        sending, outcome = Sending(), dead.Outcome()
        await resend(letters, sending, outcome, choice=choice)
        assert sending.portions == [[1]]
        assert (outcome.sent, outcome.left) == (Counter(malformed=1), Counter(log=1, resent=1, future=1))


async def test_the_outcome_is_true_where_it_ends_early() -> None:
    """Kafka refuses the second portion, or somebody asks to end: what was sent before is what is said."""
    good = [letter(n, value=event(NOW)) for n in range(1100)]
    outcome = dead.Outcome()
    with pytest.raises(ConnectionError):
        await resend(good, Sending(fails=1), outcome)
    assert outcome.sent.total() == dead.PORTION
    sending, outcome = Sending(), dead.Outcome()
    with pytest.raises(dead.InterruptedResendError):
        await resend(good, sending, outcome, stop=lambda: bool(sending.portions))
    assert outcome.sent.total() == dead.PORTION == len(sending.portions[0])


async def test_positions_without_a_letter_are_told() -> None:
    """Those asked for in vain, and only those."""
    outcome = dead.Outcome()
    choice = dead.Choice(positions=frozenset({"views/0/1", "views/0/2"}))
    await resend([letter(1, value=event(NOW)), letter(3, value=event(NOW))], Sending(), outcome, choice=choice)
    assert outcome.missing == {"views/0/2"}
    assert outcome.sent.total() == 1
