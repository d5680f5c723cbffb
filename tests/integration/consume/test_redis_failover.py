"""Real failovers, by Sentinels and in a Cluster, and slots that move under load: every list served is as the log has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from deploy.local.redis import RedisServer
from deploy.local.redis_cluster import RedisCluster
from deploy.local.redis_sentinel import RedisBySentinel
from tests.integration.consume.engine import Consumer, Engine
from tests.support.moved_slots import move_slot, owner
from tests.support.reader_process import reader_process
from tests.support.served_lists import ServedLists

FAILOVER_S = 20.0
LOST = 1_000
QUICK = ("--repl-diskless-sync-delay", "0", "--cluster-node-timeout", "1000")


@pytest.fixture
def by_sentinel(tmp_path: Path) -> Iterator[RedisBySentinel]:
    made = RedisBySentinel(tmp_path / "by-sentinel")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[RedisCluster]:
    made = RedisCluster(tmp_path / "cluster", replicated=True, extra=QUICK)
    made.start()
    yield made
    made.stop()


@asynccontextmanager
async def counting(engine: Engine, directory: Path, partitions: int) -> AsyncIterator[tuple[Consumer, ServedLists]]:
    """While the block runs, views come in, are counted and served; afterwards all is compared."""
    await engine.create_topic(partitions)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    await engine.traffic.send(1_000)
    await engine.until_counted()
    with reader_process(engine.redis_url, directory) as reader:
        async with ServedLists.of(reader) as lists, engine.traffic.flowing(per_s=1_000):
            await lists.until_next("the beginning", 10.0)
            yield consumer, lists
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
    await engine.check()
    await lists.check(engine.recount)


def cut_off(primary: RedisServer, replica: RedisServer) -> None:
    """The replica cannot follow any more; the primary goes on acknowledging."""
    with replica.client() as client:
        client.config_set("masterauth", "wrong")
    with primary.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "replica")


async def lose_steps(engine: Engine, primary: RedisServer, replica: RedisServer) -> None:
    """The primary dies with steps that it has acknowledged and its replica never had."""
    cut_off(primary, replica)
    held = sum(await engine.applied())

    async def more() -> bool:
        return sum(await engine.applied()) > held + LOST

    await engine.until("steps that only the primary has", more)
    primary.kill()


async def until_rewound(engine: Engine, consumer: Consumer) -> None:
    async def rewound() -> bool:
        return await consumer.metric("ranker_rewinds_total") > 0

    await engine.until("the loss", rewound, FAILOVER_S)


async def test_a_primary_dies_with_writes_that_nobody_has(
    new_engine: Callable[..., Engine], by_sentinel: RedisBySentinel, tmp_path: Path
) -> None:
    """Acknowledged steps are gone with it: the consumer goes back to what the new primary has."""
    engine = new_engine(redis_url=by_sentinel.url)
    async with counting(engine, tmp_path, 2) as (consumer, lists):
        await lose_steps(engine, *by_sentinel.servers)
        await lists.until_next("the failover", FAILOVER_S)
        await until_rewound(engine, consumer)


@pytest.mark.long
async def test_a_planned_switch(
    new_engine: Callable[..., Engine], by_sentinel: RedisBySentinel, tmp_path: Path
) -> None:
    """SENTINEL FAILOVER: the old primary is up all the time, and a replica afterwards."""
    engine = new_engine(redis_url=by_sentinel.url)
    async with counting(engine, tmp_path, 2) as (_, lists):

        async def begun() -> bool:
            """Sentinels look at a replica every 10 s, and take none that they have not seen following."""
            with by_sentinel.sentinels[1].client() as client, contextlib.suppress(redis.ResponseError):
                return bool(client.execute_command("SENTINEL", "FAILOVER", by_sentinel.service))
            return False

        await engine.until("the beginning of the switch", begun, 30.0)

        async def switched() -> bool:
            return await asyncio.to_thread(by_sentinel.agree) and by_sentinel.primary() is by_sentinel.servers[1]

        await engine.until("the switch", switched, FAILOVER_S)
        await lists.until_next("the switch", FAILOVER_S)


@pytest.mark.long
async def test_a_primary_that_stood_still_and_believes_that_it_is_one(
    new_engine: Callable[..., Engine], by_sentinel: RedisBySentinel, tmp_path: Path
) -> None:
    """It goes on where it was frozen, with open connections, until the Sentinels make it a replica."""
    first, second = by_sentinel.servers
    engine = new_engine(redis_url=by_sentinel.url)
    async with counting(engine, tmp_path, 2) as (_, lists):
        first.suspend()

        async def is_(role: str, server: RedisServer) -> bool:
            """Sentinels end all connections of a server that they turn over."""
            with contextlib.suppress(redis.RedisError), server.client() as client:
                return bool(client.info("replication")["role"] == role)
            return False

        await engine.until("the failover", lambda: is_("master", second), FAILOVER_S)
        await lists.until_next("the failover", FAILOVER_S)
        first.resume()
        await lists.until_next("its return", FAILOVER_S)

        await engine.until("the end of its belief", lambda: is_("slave", first), 30.0)
        await lists.until_next("that", FAILOVER_S)


@pytest.mark.long
async def test_a_primary_of_a_cluster_dies(
    new_engine: Callable[..., Engine], replicated: RedisCluster, tmp_path: Path
) -> None:
    """As with Sentinels; the shards on the other nodes count on meanwhile."""
    engine = new_engine(redis_url=replicated.url)
    async with counting(engine, tmp_path, 6) as (consumer, lists):
        of_first = owner(replicated, f"{{{engine.generation.id}.0}}")
        number = replicated.nodes.index(of_first)
        await lose_steps(engine, of_first, replicated.nodes[number + 3])
        await lists.until_next("the failover", FAILOVER_S)
        await until_rewound(engine, consumer)


@pytest.mark.long
async def test_slots_move_under_load(
    new_engine: Callable[..., Engine], redis_cluster: RedisCluster, redis_cluster_url: str, tmp_path: Path
) -> None:
    """A shard's keys, one after the other, from node to node and back: no step is lost, none is applied twice."""
    engine = new_engine(redis_url=redis_cluster_url)
    async with counting(engine, tmp_path, 3) as (consumer, lists):
        tag = f"{{{engine.generation.id}.0}}"
        home = owner(redis_cluster, tag)
        other = next(node for node in redis_cluster.nodes if node is not home)
        for source, target in ((home, other), (other, home)):
            await asyncio.to_thread(move_slot, redis_cluster, tag, source, target)
            await lists.until_next("the move", FAILOVER_S)
        assert await consumer.metric("ranker_rewinds_total") == 0
