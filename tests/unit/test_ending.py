"""How things end: clients of Kafka, and the tasks of `ranker consume`. Only who is cancelled may end as cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable

import click
import pytest

from ranker.commands.consume import _run_until_signal
from ranker.log.errors import stop
from ranker.service import ending, signals


class Connections:
    closed = False

    async def close(self) -> None:
        self.closed = True


class Client:
    """Stops as aiokafka does: by waiting for a task of its own."""

    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        self._client = Connections()
        self._wait = wait

    async def stop(self) -> None:
        await self._wait()
        await self._client.close()


async def cancelled_by_itself() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    await task


async def test_a_cancellation_of_the_clients_own_stays_inside() -> None:
    """And the connections are closed all the same; also while the caller is on its way out, cancelled before."""
    client = Client(cancelled_by_itself)
    await stop(client)
    assert client._client.closed
    at_the_end = Client(cancelled_by_itself)

    async def caller() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await stop(at_the_end)

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert at_the_end._client.closed


async def test_a_task_that_is_cancelled_while_it_stops_ends_so() -> None:
    """By its owner or by a deadline."""
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.sleep(3600)

    task = asyncio.create_task(stop(Client(hang)))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stop(Client(hang))


async def test_a_task_that_ends_by_itself_is_an_error_with_its_name() -> None:
    """Whether it returned or ended as cancelled; the others end with it."""
    other = asyncio.create_task(asyncio.sleep(3600), name="consumer")
    for ended in (cancelled_by_itself, lambda: asyncio.sleep(0)):
        with pytest.raises(click.ClickException, match="catalogue ended without a signal") as caught:
            await _run_until_signal([other, asyncio.create_task(ended(), name="catalogue")], asyncio.Event())
        assert caught.value.exit_code == 1
        assert other.cancelled()
        other = asyncio.create_task(asyncio.sleep(3600), name="consumer")
    other.cancel()


async def test_a_signal_ends_the_tasks_without_an_error() -> None:
    """As an operator or a supervisor sends it."""
    tasks = [asyncio.create_task(asyncio.sleep(3600), name=name) for name in ("consumer", "catalogue")]
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
    with signals.stop_event() as asked:
        await _run_until_signal(tasks, asked)
    assert all(task.cancelled() for task in tasks)


async def test_a_swallowed_cancellation_does_not_hold_the_end_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients swallow one now and then: they are cancelled again."""
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(asyncio.sleep(3600), name="consumer"), asyncio.create_task(stubborn(), name="history")]
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10.0):
        with signals.stop_event() as asked:
            await _run_until_signal(tasks, asked)
