"""The salt of the day, one for all collectors: a Redis key for each UTC day, made by the first collector.

Salts are served from memory: a request never waits for Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from ranker.connect.redis import Client, connect
from ranker.connect.redis_errors import FAILURES, described
from ranker.connect.redis_settings import RedisSettings

DAY_S = 86_400
AHEAD_S = 3_600
"""The next day's salt is fetched so long before midnight."""
KEPT_S = 2 * DAY_S - AHEAD_S
"""From the day's beginning until Redis deletes its salt, 48 h after the earliest time it can have been made; from then
on a visitor_id cannot be traced."""
REFRESH_EVERY_S = 60.0
RETRY_S = 2.0
ANSWER_S = 2.0
FETCH_S = 5.0
"""Connecting included."""

_log = logging.getLogger(__name__)


def key(day: int) -> str:
    """The name of a day's salt; `day` counts from 1970, UTC."""
    return f"ranker:collect:salt:{datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"


class Salts:
    """The salts of today and, before midnight, of tomorrow."""

    def __init__(self, client: Client, now_s: Callable[[], float] = time.time) -> None:
        self._client: Any = client
        self._now_s = now_s
        self._salts: dict[int, bytes] = {}
        self._answers = True

    def of(self, day: int) -> bytes | None:
        """The salt of a day; None if it was not fetched yet."""
        return self._salts.get(day)

    async def fetch(self) -> None:
        """Fetches the salts from Redis, or makes them. Restores a salt that Redis has lost. Raises one of FAILURES."""
        now_s = self._now_s()
        today, ahead = int(now_s // DAY_S), int((now_s + AHEAD_S) // DAY_S)
        for day in list(self._salts):
            if day < today:
                del self._salts[day]
        for day in {today, ahead}:
            mine = self._salts.get(day) or os.urandom(32)
            await self._client.set(key(day), mine, nx=True, exat=day * DAY_S + KEPT_S)
            if found := await self._client.get(key(day)):
                self._salts[day] = found

    async def refresh(self) -> None:
        """Fetches if Redis answers; logs when that changes, with the reason and its fix."""
        try:
            async with asyncio.timeout(FETCH_S):
                await self.fetch()
        except FAILURES as error:
            if self._answers:
                _log.warning("Redis gives no salt", extra={"why": described(error)})
            self._answers = False
        else:
            if not self._answers:
                _log.info("Redis gives salts again")
            self._answers = True

    async def run(self) -> None:
        """Refreshes every minute, every 2 s while Redis is away, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_EVERY_S if self._answers else RETRY_S)
            await self.refresh()


@contextlib.asynccontextmanager
async def open_salts(redis: RedisSettings) -> AsyncIterator[Salts]:
    """Salts from a Redis, kept up to date while the block runs.

    Waits for the first one, for FETCH_S at most: Redis may be away. Raises SettingsError.
    """
    client = connect(redis, answer_s=ANSWER_S)
    salts = Salts(client)
    await salts.refresh()
    task = asyncio.create_task(salts.run(), name="salts")
    try:
        yield salts
    finally:
        task.cancel()
        await asyncio.wait([task])
        with contextlib.suppress(*FAILURES):
            await client.aclose()
