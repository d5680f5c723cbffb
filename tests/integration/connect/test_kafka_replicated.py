"""Three brokers, of which one after the other is killed while consumer and collector run: nothing is lost.

broker 1  ├──────────┤ killed      ├── back, in sync ──────────────
broker 2  ├─────────────────────────────────┤ killed      ├────────
broker 3  ├────────────────────────────────────────────────────────
log       ├── acknowledged: on two at least ───────────────────────
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.faults import MissingTool
from producers import Producer
from tests.conftest import without
from tests.integration.connect.senders import Senders
from tests.integration.consume.engine import Engine
from tests.support.collector_process import collector
from tests.support.kafka_at import SECURED
from tests.support.three_brokers import ThreeBrokers

MORE = 200
"""Views that are accepted after each death."""
PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def brokers(services_directory: Path) -> Iterator[ThreeBrokers]:
    try:
        made = ThreeBrokers(services_directory / "three-brokers")
    except MissingTool as missing:
        without(missing)
    try:
        made.start()
        asyncio.run(made.create({"articles": 1}, cleanup_policy="compact"))
        SECURED[made.bootstrap] = made.settings
        yield made
    finally:
        SECURED.pop(made.bootstrap, None)
        made.stop()


@pytest_asyncio.fixture
async def engine(brokers: ThreeBrokers, redis_url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(brokers.bootstrap, redis_url, tmp_path, session_timeout_ms=10_000)
    made.partitions = 3
    await brokers.create({made.topic: 3}, message_timestamp_type="LogAppendTime")
    await brokers.create({f"{made.topic}.dead": 1}, cleanup_policy="compact,delete")
    yield made
    await made.close()


@pytest.mark.parametrize("deaths", [1, pytest.param(3, marks=pytest.mark.long)])
async def test_a_broker_dies(brokers: ThreeBrokers, engine: Engine, tmp_path: Path, deaths: int) -> None:
    """Each time the one that leads a partition: lists equal the recount, every rejected record has its dead letter."""
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready, PATIENCE_S)
    with collector(brokers.bootstrap, engine.topic, tmp_path / "collector") as running:
        async with Producer(brokers.settings, engine.topic, name="library") as producer:
            senders = Senders(running, producer)
            async with senders.sending(), engine.traffic.flowing(200):
                await _more(engine, senders)
                for partition in range(deaths):
                    leader = await brokers.leader(engine.topic, partition)
                    await brokers.killed(leader)
                    await _more(engine, senders)
                    if partition < deaths - 1:
                        await asyncio.to_thread(brokers.start)
                        await brokers.copied(engine.topic, f"{engine.topic}.dead")
                        await _more(engine, senders)
        await senders.check(engine, int(running.metric("resent_events_total")))
    rejected = [(partition, offset) for partition in range(3) for offset in await _rejected(engine, partition)]
    assert rejected
    assert {*await _letters(engine)} == {f"{engine.topic}/{place}/{offset}".encode() for place, offset in rejected}
    await engine.until("readiness", consumer.ready, PATIENCE_S)
    await asyncio.to_thread(brokers.start)


async def _more(engine: Engine, senders: Senders) -> None:
    """Waits until so many views are accepted, and so many of the log are counted, that are not yet."""
    sent, traffic, counted = len(senders.sent), engine.traffic.sent, sum(await engine.applied())

    async def more() -> bool:
        return (
            len(senders.sent) >= sent + MORE
            and engine.traffic.sent >= traffic + MORE
            and sum(await engine.applied()) >= counted + 2 * MORE
        )

    await engine.until("more views", more, PATIENCE_S)


async def _rejected(engine: Engine, partition: int) -> set[int]:
    shard = await engine.shard(partition)
    assert shard is not None
    return engine.recount.count(partition, shard.n0, shard.n, shard.floors).dead_offsets


async def _letters(engine: Engine) -> list[bytes]:
    place = TopicPartition(f"{engine.topic}.dead", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=engine.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[bytes] = []
        while await consumer.position(place) < end:
            found += [record.key for record in (await consumer.getmany(timeout_ms=200)).get(place, [])]
        return found
    finally:
        await consumer.stop()
