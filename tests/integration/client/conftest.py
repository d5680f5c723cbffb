"""Brokers for the Python client, and what it must not leave behind."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.producers_command import PARTITIONS


@pytest.fixture(params=["kafka_embedded", pytest.param("kafka_apache", marks=pytest.mark.slow)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    broker = request.getfixturevalue(request.param)
    address: str = broker if isinstance(broker, str) else broker.bootstrap
    return address


@pytest.fixture(autouse=True)
async def nothing_goes_on() -> AsyncIterator[None]:
    """After a producer is closed none of its tasks is left."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        # What was cancelled ends within the loop's next turns.
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


@pytest.fixture
async def topics(kafka_embedded: str, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two topics of this test's own: for page views, for articles."""
    name = f"{request.node.name.replace('[', '.').replace(']', '')}.{os.urandom(3).hex()}"[-200:]
    views, articles = f"views.{name}", f"articles.{name}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_embedded)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(views, PARTITIONS, 1), NewTopic(articles, 1, 1)])
    finally:
        await admin.close()
    return views, articles
