"""A planned switch of Redis: the old primary is up and keeps its connections, the address leads to the new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import redis.asyncio

from deploy.local import waiting
from ranker.connect.redis import connect
from ranker.connect.redis_connections import ROLE_EVERY_S
from ranker.connect.redis_errors import UNREACHABLE
from tests.integration.consume.engine import Engine
from tests.support.reader_process import reader_process
from tests.support.redis_at import redis_at
from tests.support.redis_switch import RedisPair, redis_pair

LIST = "/v1/demo/popular/read/long?limit=50"
SWITCHED_S = 10.0


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[RedisPair]:
    async with redis_pair(tmp_path) as made:
        yield made


@pytest.mark.long
async def test_consumer_and_reader_follow_the_primary(
    new_engine: Callable[..., Engine], pair: RedisPair, tmp_path: Path
) -> None:
    """There and back: within 10 s both are at the new primary, and its counts equal the recount."""
    engine = new_engine(redis_url=pair.url)
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    with reader_process(pair.url, tmp_path) as reader:
        async with engine.traffic.flowing(per_s=500):
            await engine.until_counted()
            await asyncio.to_thread(reader.until_ready)
            await asyncio.to_thread(reader.get, LIST)
            for serve_stale in (True, False):
                pair.switch(serve_stale=serve_stale)
                switched_s, switched_ms = time.monotonic(), time.time_ns() // 1_000_000
                await engine.client.aclose()
                engine.client = redis.asyncio.Redis.from_url(pair.primary.url)

                async def moved_on(then_ms: int = switched_ms) -> bool:
                    shards = [await engine.shard(partition) for partition in range(2)]
                    clocks = [shard.watermark_ms for shard in shards if shard is not None]
                    return len(clocks) == 2 and min(clocks) > then_ms + 1000

                await engine.until("counting at the new primary", moved_on, SWITCHED_S)

                async def served(then_ms: int = switched_ms) -> bool:
                    answer = (await asyncio.to_thread(reader.get, LIST)).json
                    as_of = answer.get("as_of", "")
                    return bool(as_of > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(then_ms / 1000 + 1)))

                left_s = SWITCHED_S - (time.monotonic() - switched_s)
                await engine.until("reading from the new primary", served, left_s)
                await pair.follow()
        await engine.until_counted()
        await engine.check()
        await engine.until("readiness", consumer.ready)


async def test_a_client_that_only_reads_leaves_a_replica(pair: RedisPair) -> None:
    """It never sees READONLY: it would go on serving what the old primary held."""
    client = connect(redis_at(pair.url))
    await client.set("which", "old")
    await pair.follow()
    pair.switch()
    with pair.primary.client() as new:
        new.set("which", "new")

    async def from_the_new_one() -> bool:
        return await client.get("which") == b"new"

    await waiting.until_async("Reading from the new primary", from_the_new_one, 2 * ROLE_EVERY_S)
    await client.aclose()


@pytest.mark.parametrize("serve_stale", [True, False])
async def test_a_write_that_is_refused_goes_to_the_primary(pair: RedisPair, *, serve_stale: bool) -> None:
    """READONLY and MASTERDOWN come before anything was done: the connection is closed, and the write sent again."""
    client = connect(redis_at(pair.url))
    await client.set("counted", 1)
    await pair.follow()
    pair.switch(serve_stale=serve_stale)
    assert await client.incr("counted") == 2
    async with client.pipeline(transaction=True) as pipe:
        pipe.incr("counted")
        assert await pipe.execute() == [3]
    await client.aclose()


async def test_an_address_that_leads_to_a_replica_is_named(pair: RedisPair) -> None:
    """Also for reading: a copy that stands still looks like a site that nobody visits."""
    client = connect(redis_at(pair.replica.url))
    with pytest.raises(UNREACHABLE, match="is a replica; RANKER_REDIS_URL"):
        await client.get("anything")
    await client.aclose()
