"""A producer that is replaced after failures ends as one that is not."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import pytest

from producers.simulate.steady import Steady


class Ended:
    """A producer that remembers what its block was ended by."""

    by: list[type[BaseException] | None]

    def __init__(self) -> None:
        self.by = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.by.append(kind)


async def test_the_producer_learns_of_a_cancellation() -> None:
    """Otherwise it would flush for as long as a delivery may take, while Kafka hangs."""
    producer: Any = Ended()

    async def opened(ending: Exception | asyncio.CancelledError | None) -> None:
        async with Steady(lambda: producer) as line:
            await line.producer()
            if ending is not None:
                raise ending

    with pytest.raises(asyncio.CancelledError):
        await opened(asyncio.CancelledError())
    await opened(None)
    assert producer.by == [asyncio.CancelledError, None]
