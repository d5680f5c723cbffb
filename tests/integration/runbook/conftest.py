"""Systems to be broken: each on a Redis of its own and the session's Apache Kafka."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.redis import RedisServer, redis_binary
from tests.support.runbook_site import Site
from tests.support.runbook_site import new_site as made_site


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start a Redis that the test may break: new_redis("--maxmemory", "20mb")."""
    with contextlib.ExitStack() as stack:

        def make(*extra: str, name: str = "own-redis") -> RedisServer:
            server = RedisServer(tmp_path / name, redis_binary(), extra)
            server.start()
            stack.callback(server.stop)
            return server

        yield make


@pytest_asyncio.fixture
async def new_site(
    kafka_apache: ApacheKafka, new_redis: Callable[..., RedisServer], tmp_path: Path
) -> AsyncIterator[Callable[..., Site]]:
    """Make a system: new_site(config=…), new_site(redis_url=…) on another Redis."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        url = options.pop("redis_url", "") or new_redis().url
        made.append(made_site(kafka_apache, url, tmp_path, **options))
        return made[-1]

    yield make
    for site in made:
        site.stop()
        await site.engine.close()
