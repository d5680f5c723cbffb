"""Two configurations beside each other on one log: each counts by its own rules, and one of them is shown."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.integration.consume.engine import RANKER_TOML, Engine

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


async def test_a_dropped_generation_stops_its_consumers(new_engine: Callable[..., Engine]) -> None:
    """Dropped under its running consumer, nothing of it comes back, and the consumer says what happened."""
    blue = new_engine()
    await blue.create_topic(2)
    first = blue.consume()
    await blue.until("readiness", first.ready)
    green = new_engine(config=GREEN_TOML, topic=blue.topic)
    green.partitions = 2
    second = green.consume()
    await green.until("readiness", second.ready)
    async with blue.traffic.flowing(per_s=500):
        await blue.until_counted()
        await green.until_counted()
        dropped = blue.ranker("generations", "drop", green.generation.id)
        assert dropped.returncode == 0, dropped.stderr
        await green.until("the stop", lambda: second.says("were dropped"))
        await blue.until_counted()
    left = await green.shard(0)
    assert left is not None
    assert left.meta["dropped"] == "1"
    assert not left.totals
    assert not left.slices
    await blue.until_counted()
    await blue.check()


async def _active(engine: Engine) -> str:
    return str(json.loads(await engine.client.get("ranker:active"))["generation"])
