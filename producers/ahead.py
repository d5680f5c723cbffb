"""Runs an iterator in a thread, so that neither long computation nor a waiting standard input blocks the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import Generic, TypeVar

PORTION = 500
"""Items read ahead at most; then the thread waits. Waking up for each item took twice the processor time."""

LATEST_S = 0.05
"""How long an item waits at most for a full portion."""

Item = TypeVar("Item")


async def portions(items: Iterator[Item], stop: asyncio.Event) -> AsyncGenerator[list[Item], None]:
    """Portions of up to PORTION items, in order, until their end or `stop`; then raises the iterator's exception.

    The iterator belongs to the thread from now on. A thread that waits for input does not keep the process from ending.
    """
    reader = _Reader[Item](items)
    threading.Thread(target=reader.run, name="ahead", daemon=True).start()
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATEST_S):
                    await reader.full.wait()
            ended = reader.ended
            if portion := reader.take():
                yield portion
            elif ended:
                if reader.error is not None:
                    raise reader.error
                return
    finally:
        reader.ended = True
        reader.room.set()


class _Reader(Generic[Item]):
    """The thread, and the items it has read ahead. `full` is set at PORTION items, and at the end."""

    def __init__(self, items: Iterator[Item]) -> None:
        self.full = asyncio.Event()
        self.room = threading.Event()
        self.ended = False
        self.error: BaseException | None = None
        self._items = items
        self._loop = asyncio.get_running_loop()
        self._items_ahead: deque[Item] = deque()

    def run(self) -> None:
        try:
            for item in self._items:
                self._items_ahead.append(item)
                if len(self._items_ahead) >= PORTION:
                    self.room.clear()
                    self._wake()
                    self.room.wait()
                if self.ended:
                    return
        # Broad, since `portions` raises it again.
        except BaseException as error:
            self.error = error
        self.ended = True
        self._wake()

    def take(self) -> list[Item]:
        """The items read since the last call."""
        portion = [self._items_ahead.popleft() for _ in range(len(self._items_ahead))]
        if not self.ended:
            self.full.clear()
        self.room.set()
        return portion

    def _wake(self) -> None:
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.full.set)
