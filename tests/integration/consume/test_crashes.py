"""Processes that die, freeze and come back, in the middle of the stream: not one count more or less."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.integration.consume.engine import Consumer, Engine


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
async def test_one_of_two_consumers_killed_again_and_again(new_engine: Callable[..., Engine], kills: int) -> None:
    """SIGKILL whenever the one that was started again has applied something: equal to the recount, at its n and F."""
    engine = new_engine(session_timeout_ms=1_000)  # the group waits so long for each dead member
    await engine.create_topic(2)
    steady = engine.consume()
    await engine.until("readiness of the first", steady.ready)
    async with engine.traffic.flowing(per_s=1500):
        for kill in range(kills):
            victim = engine.consume()

            async def has_applied(victim: Consumer = victim) -> bool:
                return await victim.metric("ranker_advance_replies_total", reply="applied") > 0

            await engine.until(f"the first step before kill {kill + 1}", has_applied)
            victim.kill()
    assert steady.child.returncode() is None
    await engine.until_counted()
    await engine.check()


async def test_a_consumer_that_wakes_after_its_session(engine: Engine) -> None:
    """Suspended with its partitions in hand until another has taken them, it wakes, is refused, and does no harm."""
    sleeper = engine.consume()
    await engine.until("readiness", sleeper.ready)
    async with engine.traffic.flowing(per_s=1500):
        await engine.until_counted()
        sleeper.child.process.send_signal(signal.SIGSTOP)
        heir = engine.consume()
        before = await engine.applied()

        async def taken_over() -> bool:
            return await heir.metric("ranker_gates_open") == 2 and all(
                now > then for now, then in zip(await engine.applied(), before, strict=True)
            )

        await engine.until("counting by the heir", taken_over)
        sleeper.child.process.send_signal(signal.SIGCONT)

        async def shared() -> bool:
            return await sleeper.ready() and await heir.ready() and await sleeper.metric("ranker_gates_open") == 1

        await engine.until("sharing by both", shared)
    await engine.until_counted()
    await engine.check()
    refusals = {line["reply"] for line in sleeper.log() if line["event"] == "refused"}
    assert refusals <= {"behind", "floors"}


async def test_a_consumer_that_ends_as_it_should(engine: Engine) -> None:
    """SIGTERM in mid-stream: exit code 0, no traceback, and the next one goes on from where it was."""
    first = engine.consume()
    await engine.until("readiness", first.ready)
    async with engine.traffic.flowing(per_s=1000):
        await engine.until_counted()
        assert first.stop() == 0
        assert "Traceback" not in first.child.tail(100)
        second = engine.consume()
        await engine.until("readiness", second.ready)
    await engine.until_counted()
    await engine.check()
