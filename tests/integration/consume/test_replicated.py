"""A replicated log: what is appended is not committed yet, and a broker may lose what was.

appended   ├──────── n ────────┤· · · · · · ·│        at the leader; the follower stands still
committed  ├──────── n ────────┤                      what any reader of the log can see, and what T is about
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local import waiting
from deploy.local.faults import MissingTool
from ranker.core.generation import Generation
from ranker.operate import check_kafka
from tests.conftest import without
from tests.integration.consume.engine import Engine
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.kafka_at import kafka_at
from tests.support.outbox_process import opened, views
from tests.support.two_brokers import FIRST, SECOND, TwoBrokers

UNCOMMITTED = 40


@pytest.fixture(scope="module")
def brokers(services_directory: Path) -> Iterator[TwoBrokers]:
    try:
        pair = TwoBrokers(services_directory / "two-brokers")
    except MissingTool as missing:
        without(missing)
    try:
        pair.start()
        asyncio.run(_internal(pair))
        yield pair
    finally:
        pair.stop()


async def _internal(pair: TwoBrokers) -> None:
    """The group's coordinator and the catalogue are the first's, whatever the second does."""
    await pair.create("__consumer_offsets", [FIRST], cleanup_policy="compact")
    await pair.create("articles", [FIRST], cleanup_policy="compact")


@pytest_asyncio.fixture
async def engine(brokers: TwoBrokers, redis_url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(brokers.bootstrap, redis_url, tmp_path, session_timeout_ms=60_000, idempotent=False)
    made.partitions = 1
    await brokers.create(f"{made.topic}.dead", [FIRST], cleanup_policy="compact,delete")
    yield made
    await made.close()


async def test_what_is_appended_and_not_committed(brokers: TwoBrokers, engine: Engine) -> None:
    """T runs past it, and stays true: all that was committed is counted. Committed, it counts in its own windows."""
    await brokers.create(engine.topic, [FIRST, SECOND], message_timestamp_type="LogAppendTime")
    consumer = engine.consume()
    await engine.traffic.send(200)
    await engine.until_counted()
    brokers.second.suspend()
    async with engine.traffic.producer(acks=1) as producer:
        key, value = engine.traffic.view()
        sent = [await producer.send_and_wait(engine.topic, value, key, partition=0) for _ in range(UNCOMMITTED)]
    last_ms = max(record.timestamp for record in sent)
    moments = 0

    async def passed() -> bool:
        nonlocal moments
        moments += 1
        watermark_ms = await _claim(engine)
        return watermark_ms > int(last_ms) + 2_000

    await engine.until("a clock beyond what is not committed", passed)
    assert moments > 3
    before = await engine.shard(0)
    assert before is not None
    assert before.n == sent[0].offset
    brokers.second.resume()
    await engine.until("what was committed", lambda: _reached(engine, sent[-1].offset + 1))
    assert await _claim(engine) > last_ms
    await engine.check()
    assert await consumer.ready()


@pytest.mark.long
async def test_a_partition_without_a_leader_stops_no_clock_but_its_own(brokers: TwoBrokers, engine: Engine) -> None:
    """The client waits for every partition that is requested; the others' lists must not stand still with it."""
    await brokers.create(engine.topic, [FIRST], [SECOND], message_timestamp_type="LogAppendTime")
    consumer = engine.consume()
    await engine.until("the trouble", lambda: consumer.says("partitions [1] do not answer"), 40.0)
    before = await engine.shard(0)
    assert before is not None

    async def goes_on() -> bool:
        shard = await engine.shard(0)
        return shard is not None and shard.watermark_ms > before.watermark_ms

    await engine.until("a later clock of the other", goes_on, 40.0)
    assert await engine.shard(1) is None


async def _claim(engine: Engine) -> int:
    """Checks what a list claims, at this moment: the recount at its n and F, and T. Returns T."""
    committed = (await engine.recount.read())[0]
    asked_ms = time.time_ns() // 1_000_000
    shard = await engine.shard(0)
    assert shard is not None
    if shard.watermark_ms > asked_ms:
        assert shard.n >= committed, "T says more than is counted"
    assert all(record.offset < shard.n for record in engine.recount.records[0] if record.timestamp < shard.watermark_ms)
    await engine.check()
    return shard.watermark_ms


async def _reached(engine: Engine, n: int) -> bool:
    return (await engine.version(0))[1] >= n


async def test_what_is_acknowledged_while_a_copy_is_away(brokers: TwoBrokers, tmp_path: Path) -> None:
    """With min.insync.replicas=2 it is on two brokers or in the spool; with 1 it is on one. `ranker check` says which.

    The second broker stays away: this is the module's last test.
    """
    for least in ("1", "2"):
        more = {"min_insync_replicas": least, "message_timestamp_type": "LogAppendTime"}
        await brokers.create(f"acknowledged.{least}", [FIRST, SECOND], **more)
    await asyncio.to_thread(brokers.second.stop)
    for least, kind, spooled in (("1", "note", 0), ("2", "fault", 10)):
        topic = f"acknowledged.{least}"
        generation = Generation(topic, DEFAULT_WINDOWS, DEFAULT_BOARDS)

        async def said(generation: Generation = generation, kind: str = kind) -> bool:
            found = await check_kafka.findings(
                kafka_at(brokers.bootstrap), generation, lambda: 0, accept_create_time=False
            )
            return any(one.kind == kind and f"a partition of {generation.topic} has 1 of" in one.text for one in found)

        await waiting.until_async(f"The {kind} of ranker check", said)
        async with opened(brokers.bootstrap, topic, tmp_path / least) as out:
            await out.outbox.accept(views(0, 10))
            assert out.spool.events == spooled
