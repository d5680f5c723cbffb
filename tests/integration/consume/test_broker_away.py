"""A broker that is gone, its port closed: what reads from it says so and ends as it should."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.faults import MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from ranker.log import consumer
from ranker.log.consumer import PageViewLog
from ranker.log.copied_topic import CopiedTopic
from ranker.log.errors import LogUnavailableError
from tests.conftest import without
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """An embedded broker of the test's own."""
    try:
        made = EmbeddedKafka(tmp_path / "kafka")
    except MissingTool as missing:
        without(missing)
    made.start()
    yield made
    made.stop()


async def test_the_log_of_articles_stops_while_its_broker_is_gone(broker: EmbeddedKafka) -> None:
    """Its client sleeps between two attempts to fetch nearly all the time: stopping it then must return."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("articles", 1, 1)])
    finally:
        await admin.close()
    logs = [CopiedTopic(kafka_at(broker.bootstrap), answer_ms=1000) for _ in range(5)]
    for log in logs:
        assert await log.start() == 1
        await log.end(0)
        await log.poll(0, 100)
    broker.kill()
    for log in logs:
        with pytest.raises(LogUnavailableError):
            await log.end(0)
        await log.stop()


async def test_a_commit_waits_for_seconds_and_the_next_one_makes_up_for_it(
    engine: Engine, kafka_apache: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the broker is silent the client would wait for its own 40 s, or for ever: what is newest is lost to nobody."""
    monkeypatch.setattr(consumer, "_COMMIT_S", 0.5)
    assigned = asyncio.Event()
    log = PageViewLog(kafka_at(engine.bootstrap), engine.topic, f"ranker-{engine.topic}-commit", 7)
    await log.start(lambda: None, lambda _: assigned.set())
    try:
        await asyncio.wait_for(assigned.wait(), 20)
        await engine.traffic.send(10)
        kafka_apache.suspend()
        try:
            log.commit({0: 1})
            assert log._committing is not None
            async with asyncio.timeout(5):
                await log._committing
        finally:
            kafka_apache.resume()
        log.commit({0: 2})

        async def committed() -> bool:
            found = await engine.admin(lambda admin: admin.list_consumer_group_offsets(f"ranker-{engine.topic}-commit"))
            return {place.partition: at.offset for place, at in found.items()} == {0: 2}

        await engine.until("the offset", committed)
    finally:
        await log.stop()
