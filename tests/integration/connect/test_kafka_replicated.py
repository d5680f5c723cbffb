"""Three brokers, of which one after the other is killed while consumer and collector run: nothing is lost.

broker 1  ├──────────┤ killed      ├── back, in sync ──────────────
broker 2  ├─────────────────────────────────┤ killed      ├────────
broker 3  ├────────────────────────────────────────────────────────
log       ├── acknowledged: on two at least ───────────────────────
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.faults import MissingTool
from deploy.local.waiting import until_async
from producers import Producer
from ranker.core.best_of import TOPIC
from tests.conftest import without
from tests.integration.connect.senders import Senders
from tests.integration.consume.engine import CHECKOUT, Engine
from tests.integration.operate.test_freeze import history
from tests.integration.operate.test_freeze_kills import WORDS
from tests.support.collector_process import collector
from tests.support.compared import PARTITIONS
from tests.support.frozen import FrozenSite
from tests.support.kafka_at import SECURED, kafka_environ
from tests.support.three_brokers import ThreeBrokers
from tests.support.topics import read

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
@pytest.mark.long
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


SCRIPT = """
import os, sys, time
from ranker.log import transactions

deliver, places = transactions.deliver, os.environ["PLACES"]

async def sent(*arguments):
    outcomes = await deliver(*arguments)
    open(places + "/sent", "w").close()
    while not os.path.exists(places + "/go"):
        time.sleep(0.05)
    return outcomes

transactions.deliver = sent
from ranker.commands import main
main()
"""
"""`ranker freeze` that waits between its documents and their commit, without a word to Kafka."""


@pytest.mark.long
@pytest.mark.parametrize("victim", ["leader", "coordinator"])
async def test_a_broker_dies_within_a_transaction(
    brokers: ThreeBrokers, redis_url: str, tmp_path: Path, victim: str
) -> None:
    """Between the documents of a week and their commit: they are there once, with the bytes of a quiet run."""
    site = FrozenSite(brokers.bootstrap, redis_url, tmp_path)
    there = await brokers.topics()
    if TOPIC not in there:
        await brokers.create({TOPIC: 1}, cleanup_policy="compact", max_message_bytes=str(8 << 20))
    await brokers.create({site.name: PARTITIONS}, retention_ms="-1")
    await site.begin(history(site.site))
    await site.freeze(*WORDS)
    quiet = await site.documents()
    assert quiet
    await site.forget()
    environ = os.environ | {
        "PYTHONPATH": str(CHECKOUT), **kafka_environ(site.bootstrap), "RANKER_REDIS_URL": site.redis_url,
        "RANKER_CONFIG": str(site.config("press")), "PLACES": str(tmp_path),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, "freeze", *WORDS, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        await until_async("The documents", lambda: _exists(tmp_path / "sent"), PATIENCE_S)
        node = await (brokers.leader(TOPIC, 0) if victim == "leader" else brokers.coordinator("ranker-best-of"))
        await brokers.killed(node)
        await asyncio.to_thread((tmp_path / "go").touch)
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        assert process.returncode == 0, said.decode()
        assert await site.documents() == quiet
    finally:
        await asyncio.to_thread(brokers.start)
        await brokers.copied(TOPIC, site.name)


async def _exists(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)


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
    return [record.key for record in await read(engine.bootstrap, f"{engine.topic}.dead", 1)]
