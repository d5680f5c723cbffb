"""What is sent while something is taken away: page views by a collector and by the library, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator

from producers import PageView, Producer
from tests.integration.consume.engine import Engine
from tests.support.collector_process import Collector

OURS = re.compile(rb'"event_id": ?"((?:collector|library)-\d+)"')


class Senders:
    """A page view by each of the collector and the library, again and again; `sent` are the ids that were accepted."""

    def __init__(self, running: Collector, producer: Producer) -> None:
        self.sent: list[str] = []
        self._collector, self._producer = running, producer

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._by_collector()), asyncio.create_task(self._by_library())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended

    async def _by_collector(self) -> None:
        while True:
            name = f"collector-{len(self.sent)}"
            event = {"event_type": "view", "site_id": "demo", "article_id": "/a", "event_id": name}
            answer = await asyncio.shield(asyncio.to_thread(self._collector.server, [event]))
            assert answer.status == 202, answer
            self.sent.append(name)

    async def _by_library(self) -> None:
        while True:
            name = f"library-{len(self.sent)}"
            await asyncio.shield(self._send(name))
            self.sent.append(name)

    async def _send(self, name: str) -> None:
        await (await self._producer.send(PageView(site_id="demo", article_id="/a", event_id=name)))

    async def check(self, engine: Engine, resent: int = 0) -> None:
        """All that was accepted is in the log and counted, and once but for those that the collector sent again."""
        await engine.until_counted()
        await engine.check()
        values = [record.value for records in engine.recount.records.values() for record in records]
        found = Counter(name.decode() for value in values if value for name in OURS.findall(value))
        missing = [name for name in self.sent if name not in found]
        assert not missing, f"{len(missing)} of {len(self.sent)} are not in the log"
        assert found.total() - len(found) <= resent
