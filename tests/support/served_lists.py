"""Lists that a reader serves, taken all the time: each must be what the log comes to at the position of its receipt."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from deploy.local import waiting
from tests.support.reader_process import ReaderProcess
from tests.support.recount import Recount, ranked

LIST = "/v1/demo/popular/read/long?limit=50&receipt=true"
EVERY_S = 0.2


class ServedLists:
    """`taken` are the answers with another receipt than the one before, with the time of their taking."""

    def __init__(self, reader: ReaderProcess) -> None:
        self._reader = reader
        self.taken: list[dict[str, Any]] = []

    async def _take(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                answer = await asyncio.to_thread(self._reader.get, LIST)
                if answer.status == 200 and (not self.taken or answer.json["receipt"] != self.taken[-1]["receipt"]):
                    self.taken.append(answer.json)
            await asyncio.sleep(EVERY_S)

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, reader: ReaderProcess) -> AsyncIterator[ServedLists]:
        await asyncio.to_thread(reader.until_ready)
        made = cls(reader)
        task = asyncio.create_task(made._take())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_next(self, what: str, deadline_s: float) -> None:
        """Waits for a complete list of all that came until now, and prints how long that took."""
        then, began = datetime.now(UTC), time.monotonic()

        async def came() -> bool:
            last = self.taken[-1] if self.taken else None
            return bool(last and last["complete"] and datetime.fromisoformat(last["as_of"]) > then)

        await waiting.until_async(f"A complete list after {what}", came, deadline_s)
        print(f"a complete list after {what}: {time.monotonic() - began:.1f} s, {len(self.taken)} lists in all")

    async def check(self, recount: Recount) -> None:
        """Tolerance 0."""
        await recount.read()
        assert self.taken
        for answer in self.taken:
            counts: Counter[str] = Counter()
            for part in answer["receipt"]["partitions"]:
                expected = recount.count(part["partition"], 0, part["n"], part["floors"])
                counts.update(expected.totals.get(("long", "demo", "read"), {}))
            served = [(item["article_id"], item["count"]) for item in answer["items"]]
            assert served == ranked(counts)[:50], answer["receipt"]
