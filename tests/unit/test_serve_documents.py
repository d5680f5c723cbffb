"""Documents that were read: kept up to a bound, read by few requests at once, and not waited for without end."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from ranker.core.best_of import Key
from ranker.serve.live import documents
from ranker.serve.live.documents import READS_AT_ONCE, Documents
from ranker.store.errors import StoreUnavailableError

KEYS = [Key("demo", "day", date(2026, 1, 1) + timedelta(days=n), "read") for n in range(20)]


class _Redis:
    """What is read, and how many reads are under way; `open` lets them end."""

    def __init__(self) -> None:
        self.read: list[Key] = []
        self.under_way = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.full = asyncio.Event()

    async def document(self, _: Any, key: Key) -> dict[str, Any] | None:
        self.read.append(key)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way == READS_AT_ONCE:
            self.full.set()
        try:
            await self.open.wait()
            return {"date": str(key.first), "filling": "x" * 100}
        finally:
            self.under_way -= 1


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> _Redis:
    made = _Redis()
    monkeypatch.setattr(documents, "read_document", made.document)
    return made


async def test_what_was_read_is_kept(redis: _Redis) -> None:
    """It never changes."""
    kept = Documents(None)
    assert kept.known(KEYS[0]) is None
    found = await kept.read(KEYS[0], 60)
    assert await kept.read(KEYS[0], 60) is found is kept.known(KEYS[0])
    assert redis.read == [KEYS[0]]


async def test_the_oldest_makes_room(redis: _Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound in bytes; what was requested last stays."""
    monkeypatch.setattr(documents, "MAX_KEPT_BYTES", 500)
    kept = Documents(None)
    for key in KEYS[:3]:
        await kept.read(key, 60)
    assert kept.known(KEYS[0]) is not None
    await kept.read(KEYS[3], 60)
    assert [kept.known(key) is not None for key in KEYS[:4]] == [True, False, True, True]
    for key in KEYS:
        await kept.read(key, 60)
    assert sum(kept.known(key) is not None for key in KEYS) == 3


async def test_few_reads_at_once(redis: _Redis) -> None:
    """However many requests there are; those for one document share what was read first."""
    redis.open.clear()
    kept = Documents(None)
    waiting = [asyncio.create_task(kept.read(key, 60)) for key in KEYS[:4] * 5]
    await redis.full.wait()
    redis.open.set()
    await asyncio.gather(*waiting)
    assert redis.most == READS_AT_ONCE
    assert len(redis.read) <= 4 * READS_AT_ONCE


async def test_a_deadline(redis: _Redis) -> None:
    """A Redis that does not reply keeps no request waiting, and frees its place."""
    redis.open.clear()
    kept = Documents(None)
    for key in KEYS[: READS_AT_ONCE + 1]:
        with pytest.raises(StoreUnavailableError, match="in time"):
            await kept.read(key, 0.01)
    redis.open.set()
    assert await kept.read(KEYS[5], 60)
