"""Engines on Apache Kafka and on the embedded broker; each test has topics and keys of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.kafka_apache import ApacheKafka
from ranker.store.connection import connect
from tests.integration.consume.engine import Engine


@pytest_asyncio.fixture
async def new_engine(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Engine]]:
    """Make engines on Apache Kafka; `new_engine(redis_url=…)` for a Redis of the test's own."""
    made: list[Engine] = []

    def make(**options: Any) -> Engine:
        made.append(Engine(kafka_apache.bootstrap, options.pop("redis_url", redis_url), tmp_path, **options))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest_asyncio.fixture
async def engine(new_engine: Callable[..., Engine]) -> Engine:
    """An engine on Apache Kafka with a topic of two partitions."""
    made = new_engine()
    await made.create_topic(2)
    return made


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty Redis, or of the store whose fixture is named by a parameter."""
    return str(request.getfixturevalue(getattr(request, "param", "redis_url")))


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[Any]:
    """A connection to it."""
    opened = connect(url)
    yield opened
    await opened.aclose()
