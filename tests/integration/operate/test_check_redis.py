"""`ranker check` on Redis: every server, its policy, role, version, clock and rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.ports import free_port
from deploy.local.redis import RedisServer
from ranker.connect.redis import connect
from ranker.consume.errors import UnfitStoreError
from ranker.consume.jobs.keep_active import ActiveKeeper
from ranker.core.generation import Generation
from ranker.operate import check_counting, check_redis
from ranker.store import generations, redis_info
from ranker.store.keys import ShardKeys
from tests.support.checking import now_ms, of, off_by
from tests.support.redis_at import redis_at
from tests.support.shard_writer import activate
from tests.support.stores import STORES, store_url


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    opened = connect(redis_at(store_url(request)))
    yield opened
    await opened.aclose()


@pytest.fixture
async def single(redis_url: str) -> AsyncIterator[Any]:
    opened = connect(redis_at(redis_url))
    yield opened
    await opened.config_set("maxmemory-policy", "noeviction")
    await opened.aclose()


async def test_every_server_is_looked_at(client: Any) -> None:
    """Redis, Valkey, and each primary of a cluster: product, version, policy and clock."""
    found = await redis_info.servers(client, now_ms)
    names = {one.name for one in found}
    assert len(names) == len(found)
    for one in found:
        assert one.product in ("Redis", "Valkey")
        assert one.version >= (7, 0)
        assert (one.policy, one.loading) == ("noeviction", False)
        assert one.clock_ahead_ms is not None
        assert abs(one.clock_ahead_ms) < 1000
        assert one.withheld == {}
        assert (one.used_bytes or 0) > 100_000
        assert one.max_bytes == 0
    assert {finding.kind for finding in await check_redis.findings(client, "url", "abc", now_ms)} == {"ok"}


async def test_valkey_is_not_taken_for_an_old_redis(valkey_url: str) -> None:
    """Valkey tells a Redis version for compatibility; it is judged by its own name."""
    opened = connect(redis_at(valkey_url))
    (one,) = await redis_info.servers(opened, now_ms)
    await opened.aclose()
    assert one.product == "Valkey"
    assert one.version[0] >= 8


async def test_a_policy_that_evicts_is_a_fault(single: Any) -> None:
    """Read from INFO, since CONFIG is often forbidden."""
    await single.config_set("maxmemory-policy", "allkeys-lru")
    (fault,) = of("fault", await check_redis.findings(single, "url", "abc", now_ms))
    assert "maxmemory-policy allkeys-lru" in fault
    assert "noeviction" in fault


async def test_the_consumer_does_not_begin_on_a_redis_that_evicts(single: Any, generation: Generation) -> None:
    """No version tells of an evicted count: nothing is written before the policy is known to be safe."""
    keeper = ActiveKeeper(single, generation, lambda: check_redis.unfit(single, now_ms))
    await single.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(UnfitStoreError, match="noeviction"):
        await keeper.before_opening(4)
    assert await single.keys("*") == []
    await single.config_set("maxmemory-policy", "noeviction")
    await keeper.before_opening(4)
    assert await single.keys("*") != []


async def test_a_replica_is_a_fault(redis_server: RedisServer, redis_url: str) -> None:
    """Counts written there would be refused; the fix is the primary's address."""
    opened = connect(redis_at(redis_url))
    with redis_server.client() as plain:
        plain.replicaof("127.0.0.1", str(free_port()))
        try:
            (fault,) = of("fault", await check_redis.findings(opened, "url", "abc", now_ms))
        finally:
            plain.replicaof("NO", "ONE")
            await opened.aclose()
    assert "is a replica | RANKER_REDIS_URL has to lead to the primary" in fault


@pytest.mark.parametrize(("off_s", "told"), [(1, None), (-1, None), (30, "30.0 s behind"), (-30, "30.0 s ahead of")])
async def test_clocks_apart_are_a_fault(single: Any, off_s: int, told: str | None) -> None:
    """Beyond two seconds nothing is retired, so the operator hears which way and how far."""
    faults = of("fault", await check_redis.findings(single, "url", "abc", off_by(off_s)))
    assert len(faults) == (told is not None)
    assert told is None or told[:4] in faults[0]
    assert told is None or told.split(" s ")[1] in faults[0]


async def test_an_old_redis_is_a_fault() -> None:
    """Scripts with flags came with 7.0."""
    old = redis_info.Server("", "Redis", (6, 2, 14), "noeviction", loading=False, clock_ahead_ms=0)
    (finding,) = check_redis.server(old)
    assert (finding.kind, "too old" in finding.text) == ("fault", True)


async def test_another_active_generation_is_a_note(single: Any) -> None:
    """These settings count something that readers do not show yet: no fault, but worth knowing."""
    await generations.restore_active(single, generations.Active(3, "0123456789ab", 4))
    (note,) = of("note", await check_redis.findings(single, "url", "abcdef012345", now_ms))
    assert "ranker generations activate abcdef012345" in note
    assert of("note", await check_redis.findings(single, "url", "0123456789ab", now_ms)) == []


async def test_a_user_without_info_is_a_fault(single: Any, redis_url: str) -> None:
    """If the policy cannot be read nothing is known: reported with the right to grant, not as a traceback."""
    await single.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+get")
    opened = connect(redis_at(redis_url.replace("redis://", "redis://narrow:pw@")))
    try:
        (fault,) = of("fault", await check_redis.findings(opened, "redis://shown", "abc", now_ms))
    finally:
        await opened.aclose()
        await single.execute_command("ACL", "DELUSER", "narrow")
    assert "+info +time" in fault


@pytest.mark.parametrize(
    ("seconds_behind", "kind", "said"),
    [
        ({0: 61, 1: 60, 2: 0}, "fault", "partition 0 (61 s behind): stands still or catches up"),
        ({0: 3600, 2: 0}, "fault", "partition 0 (3600 s behind), 1 (not begun): stands still or catches up"),
        ({0: 61, 1: 61, 2: 61}, "note", "partition 0 (61 s behind), 1 (61 s behind), 2 (61 s behind)"),
        ({0: 60, 1: 1, 2: 0}, "ok", "3 partitions are level"),
    ],
)
async def test_partitions_that_stand_still_are_named(
    client: Any, generation: Generation, seconds_behind: dict[int, int], kind: str, said: str
) -> None:
    """One of several is a fault; all of them may be on purpose, and a check before the start must not prevent it."""
    now = now_ms()
    assert await check_counting.findings(client, now_ms, 60_000) == []
    await activate(client, generation, 3)
    for partition, seconds in seconds_behind.items():
        await client.hset(ShardKeys(generation.id, partition).meta, mapping={"T": now - seconds * 1000})
    (found,) = await check_counting.findings(client, lambda: now, 60_000)
    assert (found.kind, said in found.text) == (kind, True), found


async def test_no_redis_is_one_fault() -> None:
    """With the address as it may be shown, and where to change it."""
    opened = connect(redis_at(f"redis://127.0.0.1:{free_port()}"))
    (fault,) = of("fault", await check_redis.findings(opened, "redis://shown", "abc", now_ms))
    assert await check_counting.findings(opened, now_ms, 60_000) == []
    await opened.aclose()
    assert "redis://shown" in fault
    assert "RANKER_REDIS_URL" in fault
