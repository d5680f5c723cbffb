"""An engine with a topic, and a connection to its Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from ranker.store.connection import connect
from tests.integration.consume.engine import Engine


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
