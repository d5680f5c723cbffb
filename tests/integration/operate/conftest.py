"""What several modules of the operators' commands share."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from ranker.core.generation import Generation
from tests.support.dead_letter_topic import Topic
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS


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


@pytest.fixture
def generation() -> Generation:
    """Of a topic of the test's own."""
    return Generation(f"views-{uuid.uuid4().hex[:8]}", DEFAULT_WINDOWS, DEFAULT_BOARDS)
