"""`ranker rebuild` of the generation that is active already: a member that does not count it is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.integration.consume.engine import Engine
from tests.integration.consume.rebuilding import PARTITIONS, Pair, Rebuild


async def _moves(engine: Engine) -> None:
    """Waits until T of the first shard has moved by more than a second: somebody counts."""
    first = await engine.shard(0)

    async def moved() -> bool:
        now = await engine.shard(0)
        return first is not None and now is not None and now.watermark_ms > first.watermark_ms + 1_000

    await engine.until("counting", moved)


@pytest.mark.long
async def test_killed_behind_the_activation(pair: Pair) -> None:
    """Nobody counts what is shown: the same command does, until consumers have taken over; then there is nothing to do."""
    rebuild = Rebuild(pair.green, "--yes")
    await rebuild.until_said(f"{pair.green.generation.id} is active.")
    rebuild.kill()
    await pair.blue.traffic.send(500)
    again = Rebuild(pair.green, "--yes", "--json")
    await again.until_said("is the active generation already, but no consumer is in its group")
    await again.until_said("Start consumers of")
    await _moves(pair.green)
    heir = pair.green.consume()
    done = await asyncio.to_thread(again.end)
    assert (done.returncode, done.stdout, "Consumers have taken over" in done.stderr) == (0, "", True), done.stderr
    await pair.green.until("readiness", heir.ready)
    third = await asyncio.to_thread(Rebuild(pair.green, "--yes").end)
    assert (third.returncode, "consumers count it: nothing to do" in third.stdout) == (0, True), third.stdout
    await pair.check()


@pytest.mark.long
async def test_a_killed_consumer_counts_nothing(new_ruled: Callable[..., Engine]) -> None:
    """It is in its group for a session: T that stands shows it. Ctrl-C ends with 0, since nothing is left to activate."""
    green = new_ruled(session_timeout_ms=15_000)
    await green.create_topic(PARTITIONS)
    counting = green.consume()
    await green.traffic.send(500)
    await green.until_counted()
    counting.kill()
    again = Rebuild(green, "--yes")
    await again.until_said("T of these partitions has not moved, as if nobody counted: 0, 1")
    await _moves(green)
    again.interrupt()
    done = await asyncio.to_thread(again.end)
    assert (done.returncode, "keep its consumers running" in done.stdout) == (0, True), done.stderr
    await green.check()
