"""A shard whose T lies in the future, as clocks that jumped have left it: reported everywhere, and nothing gets lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranker.store.keys import ShardKeys
from tests.integration.consume.engine import Engine
from tests.support.reader_process import reader_process

DAY_MS = 86_400_000


@pytest.mark.long
async def test_a_clock_of_tomorrow(new_engine: Callable[..., Engine], redis_url: str, tmp_path: Path) -> None:
    """Readiness, metrics, check, top and lists say it; views are counted, and leave by the clocks as they are."""
    engine = new_engine()
    await engine.create_topic(1)
    consumer = engine.consume()
    await engine.traffic.send(500)
    await engine.until_counted()
    consumer.kill()
    meta = ShardKeys(engine.generation.id, 0).meta
    await engine.client.hincrby(meta, "T", DAY_MS)
    consumer = engine.consume()
    await engine.until("readiness to say it", lambda: consumer.says("T lies 86"))
    assert await consumer.says("raise epoch in ranker.toml")
    async with engine.traffic.flowing(per_s=200):
        then = await engine.shard(0)
        assert then is not None

        async def floors_move() -> bool:
            shard = await engine.shard(0)
            return shard is not None and shard.floors[0] > then.floors[0] + 2 * engine.rules.lanes

        await engine.until("floors that go on", floors_move)
    await engine.until_counted()
    await engine.check()
    shard = await engine.shard(0)
    assert shard is not None
    assert shard.floors[0] // engine.rules.lanes * 1000 <= time.time() * 1000 - 5_000, "gone before its time"

    async def lag_below_zero() -> bool:
        return await consumer.metric("ranker_lag_seconds", partition="0") < -86_000

    await engine.until("a lag below zero", lag_below_zero)
    assert "T of a partition lies 86" in engine.ranker("check").stdout
    assert "ahead of this machine's clock" in engine.ranker("top", "--once").stdout
    with reader_process(redis_url, tmp_path) as reader:
        reader.until_ready()
        content = reader.get("/v1/demo/popular/read/long").json
        assert (content["complete"], content["items"] != []) == (False, True)
        metrics = reader.admin("/metrics")
        assert metrics is not None
        (age,) = [line for line in metrics.body.decode().splitlines() if line.startswith("ranker_list_age_seconds")]
        assert float(age.split()[1]) < -86_000
