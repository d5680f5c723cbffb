"""Closes a Kafka client, whatever its broker does."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop(client: Any) -> None:
    """The client's own `stop`; raises CancelledError only if this task is cancelled meanwhile.

    A client whose broker is away waits for tasks that it has cancelled itself, and raises their CancelledError: the
    caller would end as if it had been cancelled.
    """
    task = asyncio.current_task()
    assert task is not None  # every coroutine of ours runs in one
    before = task.cancelling()
    try:
        await client.stop()
    except asyncio.CancelledError:
        if task.cancelling() > before:
            raise
        # `stop` ended there, and would again: still open are its connections and the task that updates metadata.
        connections = client._client if hasattr(client, "_client") else client.client  # noqa: SLF001  # no other way
        await connections.close()
