"""An engine with a topic and a connection to its Redis; two generations on one topic, for `ranker rebuild`."""

from __future__ import annotations

import os
import pty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.redis import RedisServer
from ranker.connect.redis import connect
from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.consume.rebuilding import PARTITIONS, Pair
from tests.integration.consume.traffic import Readers
from tests.support.redis_at import redis_at
from tests.support.stores import store_url


@pytest_asyncio.fixture
async def engine(new_engine: Callable[..., Engine]) -> Engine:
    """An engine on Apache Kafka with a topic of two partitions."""
    made = new_engine()
    await made.create_topic(2)
    return made


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty Redis, or of the store whose fixture is named by a parameter."""
    return store_url(request)


@pytest_asyncio.fixture
async def client(url: str) -> AsyncIterator[Any]:
    """A connection to it."""
    opened = connect(redis_at(url))
    yield opened
    await opened.aclose()


@pytest_asyncio.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server for one test alone."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture
async def new_ruled(new_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """Make engines with rules, whose traffic gives the rules something to do; with a `topic` on that of another one."""

    def make(**options: object) -> Engine:
        engine = new_engine(**{"config": RULES_TOML, "traffic": Readers} | options)
        engine.partitions = PARTITIONS
        return engine

    return make


@pytest_asyncio.fixture
async def pair(
    new_engine: Callable[..., Engine], new_ruled: Callable[..., Engine], own_redis: RedisServer
) -> AsyncIterator[Pair]:
    blue = new_engine(traffic=Readers, redis_url=own_redis.url)
    await blue.create_topic(PARTITIONS)
    counting = blue.consume()
    await blue.traffic.send(3000)
    await blue.until_counted()
    await blue.until("readiness", counting.ready)
    yield Pair(blue, new_ruled(topic=blue.topic, redis_url=own_redis.url), counting)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: where a person types, and the process' standard input."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)
