"""Two configurations beside each other on one log: each counts by its own rules, and one of them is shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.consume.engine import RANKER_TOML, RULES_TOML, Engine
from tests.integration.consume.traffic import Readers
from tests.support.reader_process import reader_process

GREEN_TOML = RANKER_TOML.replace("share = 5", "share = 1").replace("lanes = 8", "lanes = 16")


async def test_blue_and_green(new_engine: Callable[..., Engine]) -> None:
    """The second does not push itself forward; activated under load it is shown at once, and both go on exactly."""
    blue = new_engine()
    await blue.create_topic(2)
    first = blue.consume()
    await blue.until("readiness", first.ready)
    async with blue.traffic.flowing(per_s=800):
        await blue.until_counted()
        green = new_engine(config=GREEN_TOML, topic=blue.topic)
        green.partitions = 2
        second = green.consume()
        await green.until("readiness", second.ready)
        await green.until_counted()
        assert await _active(blue) == blue.generation.id

        async def activated() -> bool:
            # refused until the clocks of all its shards are level
            return green.ranker("generations", "activate", green.generation.id).returncode == 0

        await green.until("the activation", activated)
        assert await _active(blue) == green.generation.id
        await blue.until_counted()
    for engine in (blue, green):
        await engine.until_counted()
        await engine.check()
    assert await _active(blue) == green.generation.id, "the old consumer put its own back"
    listed = blue.ranker("generations")
    assert blue.generation.id in listed.stdout
    assert green.generation.id in listed.stdout


@pytest.mark.long
async def test_from_no_rules_to_those_of_the_press(new_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """Rules are part of the generation: lists change theirs when it is activated, and the old one leaves nothing."""
    blue = new_engine(traffic=Readers)
    await blue.create_topic(2)
    green = new_engine(config=RULES_TOML, topic=blue.topic)
    green.partitions = 2
    first = blue.consume()
    await blue.traffic.send(2000)
    await blue.until_counted()
    await blue.until("readiness", first.ready)
    refused = green.ranker("generations", "activate", green.generation.id)
    assert (refused.returncode, "has no counts here" in refused.stderr) == (1, True)
    second = green.consume()
    await green.until("readiness", second.ready)
    with reader_process(blue.redis_url, tmp_path, config=blue.config.read_text()) as reader:
        await asyncio.to_thread(reader.until_ready)

        async def listed(engine: Engine) -> bool:
            shards = [await engine.shard(partition) for partition in range(2)]
            total = sum(sum(shard.totals["long", "demo", "read"].values()) for shard in shards if shard is not None)
            found = await asyncio.to_thread(reader.get, "/v1/demo/popular/read/long?limit=1000")
            return bool(total and sum(item["count"] for item in found.json["items"]) == total)

        async with blue.traffic.flowing(per_s=400):
            await green.until_counted()

            async def activated() -> bool:
                return green.ranker("generations", "activate", green.generation.id).returncode == 0

            await green.until("the activation", activated)
        for engine in (blue, green):
            await engine.until_counted()
            await engine.check()
        await green.until("the lists with rules", lambda: listed(green))
        assert first.stop() == 0
        dropped = green.ranker("generations", "drop", blue.generation.id)
        assert dropped.returncode == 0, dropped.stderr
        assert await _left(blue) == {"0}:meta", "1}:meta"}
        assert await listed(green)
    await green.until("readiness", second.ready)


@pytest.mark.long
async def test_a_dropped_generation_stops_its_consumers(new_engine: Callable[..., Engine]) -> None:
    """Dropped under its running consumer, nothing of it comes back, and the consumer says what happened."""
    blue = new_engine()
    await blue.create_topic(2)
    first = blue.consume()
    await blue.until("readiness", first.ready)
    green = new_engine(config=RULES_TOML, topic=blue.topic)
    green.partitions = 2
    second = green.consume()
    await green.until("readiness", second.ready)
    async with blue.traffic.flowing(per_s=500):
        await blue.until_counted()
        await green.until_counted()
        assert {"0}:buckets", "1}:buckets"} < await _left(green)
        dropped = blue.ranker("generations", "drop", green.generation.id)
        assert dropped.returncode == 0, dropped.stderr
        await green.until("the stop", lambda: second.says("were dropped"))
        await blue.until_counted()
    left = await green.shard(0)
    assert left is not None
    assert left.meta["dropped"] == "1"
    assert await _left(green) == {"0}:meta", "1}:meta"}
    await blue.until_counted()
    await blue.check()


async def _left(engine: Engine) -> set[str]:
    """What is in Redis of its shards, as `partition}:name`."""
    found = [key.decode() async for key in engine.client.scan_iter(match=f"ranker:{{{engine.generation.id}.*")]
    return {key.partition(".")[2] for key in found}


async def _active(engine: Engine) -> str:
    return str(json.loads(await engine.client.get("ranker:active"))["generation"])
