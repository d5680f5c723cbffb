"""A Redis that forgets, freezes, goes back in time or is full: rebuilt from the log, equal to the recount."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Engine
from tests.integration.consume.restored import restore_older_state


async def test_flushall_under_load(engine: Engine) -> None:
    """Emptied while views come in: begun again from the log, in place, with nothing missing."""
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1500):
        for _ in range(3):
            await engine.until_counted()
            before = [await engine.version(partition) for partition in range(2)]
            await engine.client.flushall()

            async def begun_again(before: list[tuple[str, int]] = before) -> bool:
                now = [await engine.version(partition) for partition in range(2)]
                return all(n > old_n and lineage != old for (lineage, n), (old, old_n) in zip(now, before, strict=True))

            await engine.until("the rebuilding", begun_again)
    await engine.until_counted()
    await engine.check()
    for partition in range(2):
        shard = await engine.shard(partition)
        assert shard is not None
        assert shard.n0 == 0
        assert "gap_ms" not in shard.meta
    await engine.until("the return of `active`", lambda: engine.client.get("ranker:active"))


@pytest.mark.parametrize("seconds", [12, 30])
@pytest.mark.long
async def test_redis_suspended(engine: Engine, redis_server: RedisServer, seconds: int) -> None:
    """No answer for so long, connections open: not ready meanwhile, partitions kept, nothing lost afterwards."""
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1000):
        await engine.until_counted()
        sent = engine.traffic.sent
        redis_server.suspend()
        try:
            await engine.until("not being ready", lambda: consumer.says("Redis is not available"), 15.0)

            async def long_enough() -> bool:
                assert not await consumer.ready()
                return engine.traffic.sent - sent > seconds * 1000

            await engine.until(f"traffic of {seconds} s", long_enough, 3.0 * seconds)
        finally:
            redis_server.resume()
        await engine.until("readiness", consumer.ready)
    await engine.until_counted()
    await engine.check()
    assert sum(line["event"] == "assigned" for line in consumer.log()) == 1, "the group took its partitions away"


async def test_redis_restored_from_an_older_state(
    new_engine: Callable[..., Engine], own_redis: RedisServer, tmp_path: Path
) -> None:
    """Its append-only file put back to what it was some thousand records ago: the consumer goes back and recounts."""
    engine = new_engine(redis_url=own_redis.url)
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1500):
        await restore_older_state(engine, own_redis, tmp_path / "older", 3000)
    await engine.until_counted()
    await engine.check()
    assert await consumer.metric("ranker_rewinds_total") == 2


async def test_redis_out_of_memory(new_engine: Callable[..., Engine], own_redis: RedisServer) -> None:
    """No batch is applied, yet old counts leave and T stays; with memory again all is counted and lists are whole."""
    engine = new_engine(redis_url=own_redis.url)
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(3000)
    await engine.until_counted()
    consumer.kill()
    then = [await engine.shard(partition) for partition in range(2)]
    start = time.monotonic()
    async with engine.traffic.flowing(per_s=500):
        # longer than the tolerance that T stays behind: T may not move over what waits in one batch

        async def some_seconds() -> bool:
            return time.monotonic() > start + 4

        await engine.until("a backlog of some seconds", some_seconds)
    await engine.client.config_set("maxmemory", "1mb")
    consumer = engine.consume()  # its gates open without memory

    async def floors_move() -> bool:
        now = [await engine.shard(partition) for partition in range(2)]
        return all(
            one is not None
            and old is not None
            and one.meta["refused"] == "1"
            and one.floors[0] >= old.floors[0] + 8 * engine.rules.lanes
            for one, old in zip(now, then, strict=True)
        )

    await engine.until("floors that move while nothing is applied", floors_move)
    await engine.check()
    assert await engine.applied() == [shard.n for shard in then if shard is not None]
    assert await consumer.says("Redis is out of memory")
    await engine.client.config_set("maxmemory", "0")
    await engine.until_counted()

    async def whole_again() -> bool:
        found = [await engine.shard(partition) for partition in range(2)]
        return all(shard is not None and shard.meta["refused"] == "0" for shard in found)

    await engine.until("whole lists", whole_again)
    await engine.check()
    await engine.until("readiness", consumer.ready)
