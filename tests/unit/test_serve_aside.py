"""What is read beside the lists: what is reported of it while it does not end."""

from __future__ import annotations

import asyncio

import pytest

from ranker.serve.live import aside
from ranker.serve.live.aside import Aside
from ranker.store.errors import StoreUnavailableError


async def test_a_long_reading_is_no_fault_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is still being read; after one that failed, its fault is reported until the next has ended; then no longer."""
    monkeypatch.setattr(aside, "_PATIENCE_S", 0)
    ends: list[asyncio.Future[int]] = []

    async def work() -> int:
        ends.append(asyncio.get_running_loop().create_future())
        return await ends[-1]

    reading = Aside("the catalogue", work)

    async def says(text: str) -> None:
        with pytest.raises(StoreUnavailableError, match=f"^{text}$"):
            await reading.result()
        await asyncio.sleep(0)  # the reading's turn

    async def ended() -> None:
        await asyncio.wait([ends[-1]])
        await asyncio.sleep(0)

    await says("the catalogue is still being read")
    ends[-1].set_exception(StoreUnavailableError("Redis is away"))
    await ended()
    await says("Redis is away")
    await says("Redis is away")
    ends[-1].set_result(1)
    await ended()
    assert await reading.result() == 1
    await says("the catalogue is still being read")
    await reading.end()
