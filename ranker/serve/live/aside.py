"""Readings beside the lists, which do not wait for a part of Redis that does not reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ranker.store.errors import StoreUnavailableError

_T = TypeVar("_T")
_PATIENCE_S = 0.3
"""How long the refresh that begins a reading waits for it; later ones only check whether it has ended."""


class Aside(Generic[_T]):
    """One reading, begun again when it has ended. `name` is its subject in a sentence."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, _T]], patience_s: float = _PATIENCE_S) -> None:
        self._name = name
        self._work = work
        self._patience_s = patience_s
        self._slow = self._fault = f"{name} is still being read"
        self._task: asyncio.Task[_T] | None = None

    async def result(self, *, patient: bool = False) -> _T:
        """Its result or error; StoreUnavailableError while it has not ended. `patient` waits for the end."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=self._name)
            await asyncio.wait([self._task], timeout=None if patient else self._patience_s)
        if not self._task.done():
            raise StoreUnavailableError(self._fault)  # the last one's error, if it failed: the same cause
        task, self._task = self._task, None
        self._fault = self._slow
        try:
            return task.result()
        except StoreUnavailableError as error:
            self._fault = str(error)
            raise

    async def end(self) -> None:
        """Ends a reading that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
