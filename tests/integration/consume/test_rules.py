"""Rules that remember, on Apache Kafka and Redis: whatever dies, goes back or is emptied, the state is their definition's."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import RULES_TOML, Consumer, Engine
from tests.integration.consume.restored import restore_older_state
from tests.support.redis_switch import redis_pair

PARTITIONS = 2


async def check(engine: Engine) -> None:
    """Equal to the recount, and every rule has dropped something that is still in a window."""
    await engine.until_counted()
    await engine.check()
    outcomes: Counter[str] = Counter()
    for partition in range(PARTITIONS):
        shard = await engine.shard(partition)
        assert shard is not None
        for (_, _, outcome), count in shard.sums.items():
            outcomes[outcome] += count
        assert int(shard.meta["count:settled"]) > 0
    assert {"!duplicate", "!bot", "!internal", "!repeat"} < outcomes.keys(), outcomes


async def _counted(engine: Engine, counter: str) -> int:
    """A counter of the shards, added up."""
    shards = [await engine.shard(partition) for partition in range(PARTITIONS)]
    return sum(int(shard.meta[f"count:{counter}"]) for shard in shards if shard is not None)


@pytest.mark.parametrize(
    "kind", [pytest.param(name, marks=pytest.mark.long) for name in ("redis_cluster_url", "valkey_url")]
)
async def test_on_other_stores(new_ruled: Callable[..., Engine], kind: str, request: pytest.FixtureRequest) -> None:
    """A step's keys lie in one slot of a cluster, and a memory is read there by script."""
    engine = new_ruled(redis_url=request.getfixturevalue(kind))
    await engine.create_topic(PARTITIONS)
    first = engine.consume()
    async with engine.traffic.flowing(per_s=800):
        await engine.until("readiness", first.ready)
        await engine.until_counted()
        first.kill()
        second = engine.consume()
        await engine.until("readiness", second.ready)
    await engine.traffic.send(1000)
    await check(engine)


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.long
async def test_consumers_killed_again_and_again(new_ruled: Callable[..., Engine], kills: int) -> None:
    """SIGKILL of two consumers in turn: what one remembered is loaded by the other, not one key more or less."""
    engine = new_ruled(session_timeout_ms=1_000)
    await engine.create_topic(PARTITIONS)
    pair = [engine.consume(), engine.consume()]
    async with engine.traffic.flowing(per_s=600):
        for kill in range(kills):

            async def both_apply(now: tuple[Consumer, ...] = tuple(pair)) -> bool:
                return all([await one.metric("ranker_advance_replies_total", reply="applied") > 0 for one in now])

            await engine.until(f"steps of both before kill {kill + 1}", both_apply)
            pair.pop(0).kill()
            pair.append(engine.consume())
    await check(engine)


async def test_flushall(new_ruled: Callable[..., Engine]) -> None:
    """Emptied under load: begun again at the beginning of the oldest bucket, with nothing remembered twice."""
    engine = new_ruled()
    await engine.create_topic(PARTITIONS)
    await engine.traffic.send(2000)
    engine.consume()
    async with engine.traffic.flowing(per_s=800):
        await engine.until_counted()
        before = [await engine.version(partition) for partition in range(PARTITIONS)]
        await engine.client.flushall()

        async def begun_again() -> bool:
            now = [await engine.version(partition) for partition in range(PARTITIONS)]
            return all(n > old_n and lineage != old for (lineage, n), (old, old_n) in zip(now, before, strict=True))

        await engine.until("the rebuilding", begun_again)
    await check(engine)
    shards = [await engine.shard(partition) for partition in range(PARTITIONS)]
    assert [shard.n0 for shard in shards if shard is not None] == [0, 0]


@pytest.mark.long
async def test_redis_restored_from_an_older_state(
    new_ruled: Callable[..., Engine], own_redis: RedisServer, tmp_path: Path
) -> None:
    """What was remembered after the copy is forgotten with its counts, and remembered again with them."""
    engine = new_ruled(redis_url=own_redis.url)
    await engine.create_topic(PARTITIONS)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=800):
        await restore_older_state(engine, own_redis, tmp_path / "older", 2000)
    await check(engine)
    assert await consumer.metric("ranker_rewinds_total") == PARTITIONS


@pytest.mark.long
async def test_a_replica_that_is_behind_takes_over(new_ruled: Callable[..., Engine], tmp_path: Path) -> None:
    """It has a prefix of what was written: the consumer goes on from there, with what was remembered there."""
    async with redis_pair(tmp_path) as pair:
        engine = new_ruled(redis_url=pair.url)
        await engine.create_topic(PARTITIONS)
        consumer = engine.consume()
        await engine.until("readiness", consumer.ready)
        async with engine.traffic.flowing(per_s=800):
            await engine.until_counted()
            with pair.replica.client() as replica:
                replica.replicaof("NO", "ONE")  # what is written from here on is lost
            lost_from = await engine.applied()

            async def well_beyond() -> bool:
                return all(n > then + 500 for n, then in zip(await engine.applied(), lost_from, strict=True))

            await engine.until("steps that the replica does not have", well_beyond)
            newer = await engine.applied()
            pair.switch()
            await engine.client.aclose()
            engine.client = redis.asyncio.Redis.from_url(pair.primary.url)
            assert all(n < then for n, then in zip(await engine.applied(), newer, strict=True))

            async def counts_again() -> bool:
                return all(n > then for n, then in zip(await engine.applied(), newer, strict=True))

            await engine.until("counting again", counts_again)
        await check(engine)


async def test_the_bound_is_reached(new_ruled: Callable[..., Engine]) -> None:
    """More keys than rules.max_keys: the oldest minutes are given up, which is counted and shown; counting goes on."""
    engine = new_ruled(config=f"{RULES_TOML}max_keys = 1000\n")
    await engine.create_topic(PARTITIONS)
    consumer = engine.consume()
    await engine.traffic.send(8000)
    await engine.until_counted()
    await engine.check()
    given_up = await _counted(engine, "given_up")
    assert given_up > 1
    assert await consumer.metric("ranker_buckets_given_up_total") == given_up
    assert await consumer.metric("ranker_settled_events_total") == await _counted(engine, "settled")
    consumer.kill()
    heir = engine.consume()  # which buckets were given up is in meta
    await engine.traffic.send(4000)
    await engine.until_counted()
    await engine.check()
    remembered = 0
    for partition in range(PARTITIONS):
        shard = await engine.shard(partition)
        assert shard is not None
        assert int(shard.meta["first"]) > 0
        keys = sum(map(len, shard.remembered.values()))
        assert keys <= 1000
        remembered += keys

    async def shown() -> bool:
        return await heir.metric("ranker_remembered_keys") == remembered

    await engine.until("the number of keys", shown)
    await engine.until("readiness", heir.ready)


@pytest.mark.long
async def test_redis_out_of_memory(new_ruled: Callable[..., Engine], own_redis: RedisServer) -> None:
    """While steps are refused, what their records are remembered by stays as it is; then it moves with them."""
    engine = new_ruled(redis_url=own_redis.url)
    await engine.create_topic(PARTITIONS)
    consumer = engine.consume()
    await engine.traffic.send(3000)
    await engine.until_counted()
    async with engine.traffic.flowing(per_s=500):
        await engine.client.config_set("maxmemory", "1mb")
        await engine.until("being refused", lambda: consumer.says("Redis is out of memory"))
        stands = await engine.applied()
        sent = engine.traffic.sent

        async def a_backlog() -> bool:
            return engine.traffic.sent > sent + 1000

        await engine.until("a backlog", a_backlog)
        await engine.check()
        assert await engine.applied() == stands
        await engine.client.config_set("maxmemory", "0")
    await check(engine)
    await engine.until("readiness", consumer.ready)
    assert await consumer.metric("ranker_advance_replies_total", reply="rewound") == 0
    await asyncio.to_thread(consumer.stop)
