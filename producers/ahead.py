"""What an iterator gives, taken by a thread: neither a long search nor a silent standard input holds the loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import Generic, TypeVar

PORTION = 500
"""Items that are taken ahead, at most; then the thread waits. A wake-up for each item took twice the processor."""

LATEST_S = 0.05
"""How long an item waits at most for others to go with."""

Item = TypeVar("Item")


async def portions(items: Iterator[Item], stop: asyncio.Event) -> AsyncGenerator[list[Item], None]:
    """Portions of up to PORTION items, in order, until their end or `stop`; then raises what the iterator raised.

    The iterator is the thread's alone from now on. A thread that waits for input keeps no process from ending.
    """
    taking = _Taking[Item](items)
    threading.Thread(target=taking.run, name="ahead", daemon=True).start()
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LATEST_S):
                    await taking.full.wait()
            ended = taking.ended
            if portion := taking.take():
                yield portion
            elif ended:
                if taking.error is not None:
                    raise taking.error
                return
    finally:
        taking.ended = True
        taking.room.set()


class _Taking(Generic[Item]):
    """The thread, and what it has taken that nobody has yet. `full` is set at PORTION items, and at the end."""

    def __init__(self, items: Iterator[Item]) -> None:
        self.full = asyncio.Event()
        self.room = threading.Event()
        self.ended = False
        self.error: BaseException | None = None
        self._items = items
        self._loop = asyncio.get_running_loop()
        self._taken: deque[Item] = deque()

    def run(self) -> None:
        try:
            for item in self._items:
                self._taken.append(item)
                if len(self._taken) >= PORTION:
                    self.room.clear()
                    self._wake()
                    self.room.wait()
                if self.ended:
                    return
        # Broad, since it is raised again by whoever takes.
        except BaseException as error:
            self.error = error
        self.ended = True
        self._wake()

    def take(self) -> list[Item]:
        """What has been taken since the last time."""
        portion = [self._taken.popleft() for _ in range(len(self._taken))]
        if not self.ended:
            self.full.clear()
        self.room.set()
        return portion

    def _wake(self) -> None:
        # A loop that has been closed meanwhile waits for nothing.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.full.set)
