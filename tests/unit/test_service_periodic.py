"""Work that is repeated: what is logged, how long it waits, what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ranker.service.periodic import periodic


class AwayError(Exception):
    """Expected."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Instead of waiting: how long."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waited


def rounds(*outcomes: object) -> Callable[[], Awaitable[object]]:
    """Work that comes to each of these, then is cancelled."""
    left = iter(outcomes)

    async def work() -> object:
        outcome = next(left, asyncio.CancelledError())
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return work


async def test_a_fault_is_logged_once_until_it_changes(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """An expected one in a line; one that nobody expected with its traceback, if it may not end the work."""
    away, other, strange = AwayError("away"), AwayError("elsewhere"), ValueError("strange")
    with pytest.raises(asyncio.CancelledError):
        await periodic(5, rounds(away, away, other, None, other, strange), "no look", (AwayError,), never_ends=True)
    assert [record.getMessage() for record in caplog.records] == [
        "no look: away",
        "no look: elsewhere",
        "no look: elsewhere",
        "no look: strange",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, False, False, True]
    assert waits == [5] * 6


async def test_waits_grow_while_it_fails(waits: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """False counts as a failure that is not logged."""
    with pytest.raises(asyncio.CancelledError):
        await periodic(1, rounds(False, AwayError(), False, True, None, False), "no look", (AwayError,), at_most_s=5)
    assert waits == [2, 4, 5, 1, 1, 2]
    assert len(caplog.records) == 1


async def test_what_nobody_expected_ends_it(waits: list[float]) -> None:
    """Going on would hide a fault."""
    with pytest.raises(ValueError, match="strange"):
        await periodic(1, rounds(None, ValueError("strange")), "no look", (AwayError,))
    assert waits == [1]


async def test_each_wait_is_spread_anew(waits: list[float]) -> None:
    """Processes that were started together drift apart, however many rounds they take."""
    with pytest.raises(asyncio.CancelledError):
        await periodic(10, rounds(*[True] * 50), spread=0.5)
    assert len(set(waits)) == 50
    assert min(waits) >= 5
    assert max(waits) <= 15
