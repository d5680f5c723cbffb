"""Engines on Apache Kafka and on the embedded broker; each test has topics and keys of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.consume.engine import Engine


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'long: waits as long as production would: make test TESTS="-m long tests"')


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts processes is slow; what is long runs only where it is asked for by its marker."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "new_engine" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    if "long" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


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
