"""Random views with everything in them that a log may hold: late, future, broken, negative, bots, wrong keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaProducer

SITES = ("demo", "le-courrier")
TYPES = ("view",) * 8 + ("comment", "share", "scroll")
SPREAD_MS = 15_000
"""How far back most views lie: over the floors of the tests' short window."""
LONG_AGO_MS = 3_600_000


class Traffic:
    """Writes to one topic. The same seed gives the same articles and faults; times follow the clock."""

    def __init__(
        self, bootstrap: str, topic: str, seed: int = 1, *, idempotent: bool = True, faults: bool = True
    ) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._random = random.Random(seed)
        self._idempotent = idempotent
        self._faults = faults
        self.sent = 0

    @contextlib.asynccontextmanager
    async def producer(self, acks: int | str = "all", **options: object) -> AsyncIterator[AIOKafkaProducer]:
        # metadata is fetched for every producer, so partitions that were added since are written to
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks=acks, enable_idempotence=self._idempotent, **options
        )
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def send(self, count: int) -> None:
        """Returns when all are acknowledged."""
        async with self.producer() as producer:
            await self.send_by(producer, count)

    async def send_by(self, producer: AIOKafkaProducer, count: int) -> None:
        acknowledged = []
        for _ in range(count):
            key, value = self.view()
            acknowledged.append(await producer.send(self._topic, key=key, value=value))
        self.sent += count
        await asyncio.gather(*acknowledged)

    @contextlib.asynccontextmanager
    async def flowing(self, per_s: int) -> AsyncIterator[None]:
        """Sends while the block runs, about so many a second."""
        stop = asyncio.Event()

        async def flow() -> None:
            async with self.producer() as producer:
                while not stop.is_set():
                    await self.send_by(producer, per_s // 20)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), 0.05)

        task = asyncio.create_task(flow())
        try:
            yield
        finally:
            stop.set()
            await task

    def view(self) -> tuple[bytes | None, bytes | None]:
        """Key and value of the next record."""
        rand = self._random
        now = int(time.time() * 1000)
        site = rand.choice(SITES)
        article = f"/politique/{min(int(rand.paretovariate(0.7)), 400)}" + rand.choice(("", "-été%20"))
        event: dict[str, object] = {
            "event_id": f"{self._topic}-{rand.getrandbits(48):x}",
            "event_type": rand.choice(TYPES),
            "site_id": site,
            "article_id": article,
            "occurred_at": now - int(rand.random() ** 2 * SPREAD_MS),
        }
        chance = rand.random()
        if chance < 0.02:
            event["value"] = rand.choice((-3, -1, 2, 1000))
        elif chance < 0.05:
            event["agent_class"] = rand.choice(("bot", "bot", "person", "unknown"))
        elif chance < 0.06 and self._faults:
            event["occurred_at"] = now - LONG_AGO_MS  # late
        elif chance < 0.07 and self._faults:
            event["occurred_at"] = now + LONG_AGO_MS  # future
        value: bytes | None = json.dumps(event).encode()
        if self._faults and chance > 0.995:
            value = self._broken(event)
        # a producer that keys wrongly makes strays
        key = None if 0.97 < chance < 0.98 else f"{site}/{article}".encode()
        return key, value

    def _broken(self, event: dict[str, object]) -> bytes | None:
        kind = self._random.randrange(5)
        if kind == 0:
            return b"{broken \xff"
        if kind == 1:
            return None
        if kind == 2:
            del event["event_type"]
        elif kind == 3:
            event["article_id"] = "with spaces"
        else:
            event["value"] = 0
        return json.dumps(event).encode()


class Readers(Traffic):
    """The same with readers who load an article again, and events that are sent again.

    Their times begin some minutes ago and come up to now within some thousand events, so that minutes are settled.
    """

    _BEHIND_MS, _FORTH_MS = 200_000, 100
    _SPREAD_MS = 420_000

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._behind_ms = self._BEHIND_MS
        self._latest: deque[tuple[bytes | None, bytes | None]] = deque(maxlen=3_000)

    def view(self) -> tuple[bytes | None, bytes | None]:
        rand = self._random
        if self._latest and rand.random() < 0.1:
            return rand.choice(self._latest)
        self._behind_ms = max(0, self._behind_ms - self._FORTH_MS)
        key, value = super().view()
        with contextlib.suppress(ValueError):
            event = json.loads(value or b"")
            event["occurred_at"] -= self._behind_ms + int(rand.random() ** 4 * self._SPREAD_MS)
            name = rand.choice(("repeat_key", "repeat_key", "visitor_id", "nothing"))
            event |= {name: f"{rand.randrange(40):016x}"}
            if rand.random() < 0.03:
                event["agent_class"] = "internal"
            value = json.dumps(event).encode()
        self._latest.append((key, value))
        return key, value
