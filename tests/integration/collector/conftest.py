"""What several modules share: topics of a test alone, a collector, and brokers that pause."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka_embedded import EmbeddedKafka
from tests.support import outbox_log
from tests.support.collector_process import Collector, collector, new_topic
from tests.support.outbox_log import Broker


@pytest.fixture
def topic(kafka_embedded: str, request: pytest.FixtureRequest) -> str:
    """Of this test's own."""
    return asyncio.run(new_topic(kafka_embedded, request.node.name))


@pytest.fixture
def running(kafka_embedded: str, topic: str, tmp_path: Path) -> Iterator[Collector]:
    with collector(kafka_embedded, topic, tmp_path) as one:
        yield one


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """The embedded broker, for this test alone."""
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", "kafka_apache"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    server = request.getfixturevalue(request.param)
    yield server
    server.resume()


@pytest.fixture
async def outbox_topic(broker: Broker) -> str:
    return await outbox_log.new_topic(broker.bootstrap)
