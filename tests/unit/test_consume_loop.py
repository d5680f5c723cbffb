"""What the loop of `ranker consume` reports of Kafka and Redis, with either of them away."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

from ranker.consume.clocks import Clocks
from ranker.consume.loop import Consumer
from ranker.log.errors import LogUnavailableError
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.errors import StoreUnavailableError

NOBODY = cast("Any", None)


class Servers:
    """A log of one partition and a store; `kafka` and `redis` say whether they reply."""

    def __init__(self, *, kafka: bool, redis: bool) -> None:
        self.kafka, self.redis = kafka, redis
        self.registry = new_registry()
        log = SimpleNamespace(partitions=lambda: 1, ends=self._ends, commit=lambda _: None)
        metrics = ConsumerMetrics(self.registry, [])
        self.consumer = Consumer(cast("Any", log), Clocks(self._time_ms), metrics, NOBODY, NOBODY, NOBODY)

    async def _ends(self, partitions: Collection[int]) -> dict[int, int]:
        if not self.kafka:
            raise LogUnavailableError("no Kafka")
        return dict.fromkeys(partitions, 0)

    async def _time_ms(self) -> None:
        if not self.redis:
            raise StoreUnavailableError("no Redis")

    async def shown(self) -> tuple[float | None, float | None]:
        """ranker_kafka_up and ranker_redis_up after one look at both."""
        await self.consumer._tick()
        return self.registry.get_sample_value("ranker_kafka_up"), self.registry.get_sample_value("ranker_redis_up")


async def test_kafka_is_looked_at_while_redis_is_away() -> None:
    """And Redis' fault is the one that is reported."""
    servers = Servers(kafka=True, redis=False)
    assert await servers.shown() == (1, 0)
    servers.kafka = False
    assert await servers.shown() == (0, 0)
    assert "no Redis" in servers.consumer.not_ready()
    servers.kafka = servers.redis = True
    assert await servers.shown() == (1, 1)


async def test_a_gate_that_waits_for_its_node_is_redis_away() -> None:
    """The node of a Cluster that tells the time may reply all the while."""
    servers = Servers(kafka=True, redis=True)
    worker = SimpleNamespace(
        gate_fault=StoreUnavailableError, waits_for_clock=False, is_open=False, is_refused=False, applied=None,
        seen_end=lambda *_: None,
    )  # fmt: skip
    servers.consumer._workers[0] = cast("Any", worker)
    assert await servers.shown() == (1, 0)
    worker.gate_fault = None
    assert await servers.shown() == (1, 1)


async def test_a_start_without_kafka_is_shown() -> None:
    """From the first attempt on, whatever is started first."""
    servers = Servers(kafka=False, redis=True)
    trying = asyncio.Event()

    async def start() -> None:
        trying.set()
        raise LogUnavailableError("no Kafka")

    task = asyncio.create_task(servers.consumer.until_kafka(start))
    await trying.wait()
    assert servers.registry.get_sample_value("ranker_kafka_up") == 0
    task.cancel()
