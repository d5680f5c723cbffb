"""The gate where a log is shorter than what was counted, with less patience than in production."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local import waiting
from ranker.connect.redis import connect
from ranker.consume.clocks import Clocks
from ranker.consume.errors import PartitionStoppedError
from ranker.consume.gate import Gate
from ranker.consume.homes import Homes
from ranker.consume.memories import Memories
from ranker.core.partial_counts import Mark
from ranker.core.step import Version
from ranker.log.consumer import PageViewLog
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.redis_info import store_time_ms
from ranker.store.shard import ShardStore
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at
from tests.support.redis_at import redis_at

COUNTED = 40


@pytest_asyncio.fixture
async def gate(engine: Engine) -> AsyncIterator[Gate]:
    """Of a partition whose shard says that COUNTED records were counted; the log is empty."""
    client = connect(redis_at(engine.redis_url))
    store = ShardStore(client, engine.generation, 0)
    clocks = Clocks(lambda: store_time_ms(client))
    metrics = ConsumerMetrics(new_registry(), ())
    await clocks.measure()
    await store.init(Version("a" * 16, COUNTED, (0, 0)), 0, 2, None)
    log = PageViewLog(kafka_at(engine.bootstrap), engine.topic, f"ranker-{engine.topic}-gate", 100)
    assigned = asyncio.Event()
    await log.start(lambda: None, lambda _: assigned.set())
    await asyncio.wait_for(assigned.wait(), 20)
    yield Gate(
        log, store, engine.generation, 0, clocks, metrics, lambda _: None, Homes(), Memories(None), patience_s=1.5
    )
    await log.stop()
    await client.aclose()


async def test_a_log_that_stays_shorter_is_another_one(gate: Gate) -> None:
    """It gives the end a while to come, and stops then, with what was counted and what is there."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(PartitionStoppedError, match=f"{COUNTED} records were counted, and the log ends at 0"):
        await gate.open()
    assert asyncio.get_running_loop().time() - began >= 1.5


async def test_a_log_that_comes_back_is_waited_for(gate: Gate, engine: Engine) -> None:
    """A broker that lags: once the end has been reached, the gate opens where counting stood."""
    gate.patience_s = 20
    opening = asyncio.create_task(gate.open())
    _, value = engine.traffic.view()
    async with engine.traffic.producer() as producer:
        for _ in range(COUNTED - 1):
            await producer.send(engine.topic, partition=0, value=value)
        await producer.flush()
        assert not opening.done()
        await producer.send_and_wait(engine.topic, partition=0, value=value)

    async def opened() -> bool:
        return opening.done()

    await waiting.until_async("the opening", opened)
    assert (await opening).version.n == COUNTED


async def test_a_hole_in_the_place_of_what_was_counted(gate: Gate, engine: Engine) -> None:
    """Another log may have a transaction's marker there: what was counted is in no log then."""
    _, value = engine.traffic.view()
    async with engine.traffic.producer(transactional_id=f"{engine.topic}-hole") as producer:
        for _ in range(2):
            await producer.begin_transaction()
            await producer.send_and_wait(engine.topic, partition=0, value=value)
            await producer.commit_transaction()
    with pytest.raises(
        PartitionStoppedError, match="the record at offset 1 is not the one that was counted; it is gone"
    ):
        await gate.check_last_counted(Mark(1, 0, 0))
