"""Closing a client of Kafka, whatever its broker does."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop(client: Any) -> None:
    """The client's own `stop`; raises CancelledError only where this task is cancelled meanwhile.

    A client whose broker is away waits for tasks that it has cancelled itself, and hands their CancelledError on: the
    caller would end as if somebody had asked for it.
    """
    task = asyncio.current_task()
    assert task is not None  # every coroutine of ours runs in one
    asked = task.cancelling()
    try:
        await client.stop()
    except asyncio.CancelledError:
        if task.cancelling() > asked:
            raise
        # It went no further, and would not again: what is left are its connections and the task that keeps metadata.
        connections = client._client if hasattr(client, "_client") else client.client  # noqa: SLF001  # no other way
        await connections.close()
