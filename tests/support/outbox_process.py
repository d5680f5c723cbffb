"""A collector's outbox without HTTP, in this process or as one to be killed: `python -m tests.support.outbox_process BOOTSTRAP TOPIC DIRECTORY COUNT`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from producers.collector.delivery.outbox import Outbox
from producers.collector.delivery.spool import Spool
from producers.collector.metrics import CollectorMetrics
from producers.event import PageView
from tests.support.kafka_at import kafka_at

LIMIT = 64 << 20


@dataclass
class Out:
    """An outbox that is open, with what it stands on."""

    outbox: Outbox
    spool: Spool
    registry: CollectorRegistry

    def value(self, name: str, **labels: str) -> int:
        return int(self.registry.get_sample_value(f"collector_{name}", labels) or 0)

    @property
    def resent(self) -> int:
        return self.value("resent_events_total")


@contextlib.asynccontextmanager
async def opened(bootstrap: str, topic: str, directory: Path, delivery_s: float = 2.0) -> AsyncIterator[Out]:
    """An outbox over a spool in `directory`."""
    registry = CollectorRegistry()
    metrics = CollectorMetrics(registry)
    async with (
        Spool.open(directory, LIMIT) as spool,
        Outbox(kafka_at(bootstrap), topic, spool, metrics, name="test", delivery_s=delivery_s) as outbox,
    ):
        yield Out(outbox, spool, registry)


def views(first: int, count: int) -> list[PageView]:
    """Events whose ids are their numbers."""
    return [PageView(site_id="demo", article_id=f"/a{n % 50}", event_id=str(n)) for n in range(first, first + count)]


async def main(bootstrap: str, topic: str, directory: Path, count: int) -> None:
    """Accept so many events in requests of 100, ten at a time, say which, and stay until the spool is empty, and then."""
    async with opened(bootstrap, topic, directory) as out:
        starts = iter(range(0, count, 100))

        async def one_after_the_other() -> None:
            for start in starts:
                await out.outbox.accept(views(start, 100))
                sys.stdout.write(f"accepted {start}\n")
                sys.stdout.flush()

        await asyncio.gather(*(one_after_the_other() for _ in range(10)))
        sys.stdout.write("all\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
