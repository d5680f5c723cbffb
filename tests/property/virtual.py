"""An event loop whose time is a number: it jumps to the next timer when nothing is left to do.

Histories of minutes run in a fraction of a second and are the same at every run. While `outside` is above zero a real
server is being asked: the loop waits for it and time stands still.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from asyncio import events
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any, TypeVar

_T = TypeVar("_T")
_ANSWER_S = 20.0


class StuckError(Exception):
    """Nothing is ready, no timer runs and no answer is awaited: everybody waits for somebody else."""


class _Selector(selectors.BaseSelector):
    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now_s = 0.0
        self.outside = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.outside:
            events = self._real.select(0 if timeout == 0 else _ANSWER_S)
            if not events and timeout != 0:
                raise StuckError("the server does not answer")
            return events
        if timeout is None:
            raise StuckError("everybody waits")
        self.now_s += timeout
        return []


class _Timer(events.TimerHandle):
    number: int
    _scheduled: bool

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer)
        return (self.when(), self.number) < (other.when(), other.number)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`with loop.asking():` surrounds what a real server answers."""

    def __init__(self) -> None:
        self._clock = _Selector()
        self._numbers = itertools.count()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def call_at(  # type: ignore[override]  # the types of callback and arguments need not match here
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Timers of one moment run in the order in which they were set; asyncio's own order depends on other timers."""
        timer = _Timer(when, callback, args, self, context)
        timer.number = next(self._numbers)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True
        return timer

    def asking(self) -> _Asking:
        return _Asking(self._clock)


class _Asking:
    def __init__(self, clock: _Selector) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        self._clock.outside += 1

    def __exit__(self, *_: object) -> None:
        self._clock.outside -= 1


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs a history to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
