"""Engines on Apache Kafka; each test has topics and keys of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from deploy.local.kafka_apache import ApacheKafka
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
