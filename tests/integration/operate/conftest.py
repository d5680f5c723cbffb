"""Topics with dead letters, on the brokers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from tests.support.dead_letter_topic import Topic


@pytest.fixture(params=["kafka_apache", pytest.param("kafka_embedded", marks=pytest.mark.long)])
async def topic(request: pytest.FixtureRequest, tmp_path: Path) -> Topic:
    broker = request.getfixturevalue(request.param)
    apache = isinstance(broker, ApacheKafka)
    made = Topic(broker.bootstrap if apache else broker, tmp_path, transactional=apache)
    await made.create()
    return made


@pytest.fixture
async def apache(kafka_apache: ApacheKafka, tmp_path: Path) -> Topic:
    made = Topic(kafka_apache.bootstrap, tmp_path, transactional=True)
    await made.create()
    return made
