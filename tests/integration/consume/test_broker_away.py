"""A broker that is gone, its port closed: what reads from it says so and ends as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.faults import MissingTool
from deploy.local.kafka_embedded import EmbeddedKafka
from ranker.log.articles import ArticleLog
from ranker.log.errors import LogUnavailableError
from tests.conftest import without


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
    logs = [ArticleLog(broker.bootstrap, answer_ms=1000) for _ in range(5)]
    for log in logs:
        assert await log.start() == 1
        await log.end(0)
        await log.poll(0, 100)
    broker.kill()
    for log in logs:
        with pytest.raises(LogUnavailableError):
            await log.end(0)
        await log.stop()
