"""`ranker rebuild`: a generation is built beside the active one, compared with it, and activated."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from tests.integration.consume.engine import RULES_TOML, Consumer, Engine
from tests.integration.consume.rebuilding import Rebuild
from tests.integration.consume.traffic import Readers

PARTITIONS = 2


class Pair:
    """An active generation without rules that is counted, and one with those of the press on the same topic."""

    def __init__(self, blue: Engine, green: Engine, counting: Consumer) -> None:
        self.blue, self.green, self.counting = blue, green, counting

    def rebuild(self, *options: str, to_end_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        return Rebuild(self.green, *options).end(to_end_s)

    async def active(self) -> str | None:
        stored = await self.blue.client.get("ranker:active")
        return None if stored is None else str(json.loads(stored)["generation"])


@pytest_asyncio.fixture
async def pair(new_engine: Callable[..., Engine]) -> AsyncIterator[Pair]:
    blue = new_engine(traffic=Readers)
    await blue.create_topic(PARTITIONS)
    green = new_engine(config=RULES_TOML, topic=blue.topic)
    green.partitions = PARTITIONS
    counting = blue.consume()
    await blue.traffic.send(3000)
    await blue.until_counted()
    await blue.until("readiness", counting.ready)
    yield Pair(blue, green, counting)


async def test_from_no_rules_to_those_of_the_press(pair: Pair) -> None:
    """Built, compared, activated; it counts until its consumers have taken over, and ends then."""
    async with pair.blue.traffic.flowing(per_s=300):
        rebuild = Rebuild(pair.green, "--yes", "--json")
        await rebuild.until_said("Start consumers of")
        assert await pair.active() == pair.green.generation.id
        await pair.green.until_counted()  # nobody else counts it
        heir = pair.green.consume()
        await pair.green.until("readiness", heir.ready)
        done = await asyncio.to_thread(rebuild.end, 60.0)
    assert done.returncode == 0, done.stderr
    assert "Consumers have taken over" in done.stderr
    print(done.stderr)
    print(done.stdout[:3000])
    for engine in (pair.blue, pair.green):
        await engine.until_counted()
        await engine.check()
