"""Engines on Apache Kafka; each test has topics and keys of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.faults import MissingTool
from deploy.local.kafka_apache import ApacheKafka
from tests.conftest import _standing, without
from tests.integration.consume.engine import Engine
from tests.support.redis_forms import servers, started


@pytest.fixture(scope="session")
def redis_form(services_directory: Path) -> Iterator[Callable[[str], tuple[Any, str]]]:
    """The servers and the address of a form of tests.support.redis_forms, empty; they run until the session ends."""
    with contextlib.ExitStack() as stack:
        running: dict[str, tuple[Any, str]] = {}

        def form(name: str) -> tuple[Any, str]:
            if name not in running:
                try:
                    running[name] = stack.enter_context(started(name, services_directory / name))
                except MissingTool as missing:
                    without(missing)
                _standing.extend(servers(running[name][0]))
            running[name][0].flush()
            return running[name]

        yield form
        for server, _ in running.values():
            for one in servers(server):
                _standing.remove(one)


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
