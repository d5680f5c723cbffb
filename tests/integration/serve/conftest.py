"""The reader that most tests of the public port ask."""

from collections.abc import AsyncIterator

import pytest

from tests.support.reader import GENERATION, PARTITIONS, VIEWS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import publish


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """Two shards hold 30 articles of site demo."""
    async with running_reader(redis_url, {"demo": "La <Dépêche>", "quiet": "Calme"}) as running:
        await publish(running.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(running), "readiness")
        yield running
