"""What is stored of the rank history: once, for eight days, readable, and gone with its generation."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from ranker.connect.redis import connect
from ranker.consume.jobs.write_history import PATIENCE_MS
from ranker.core.generation import ListName
from ranker.core.times import HOUR_MS
from ranker.lists.history import Movement, Ranks
from ranker.operate import generations as operate
from ranker.store import generations, inventory
from ranker.store.errors import StoreFullError
from ranker.store.history import KEPT_HOURS, read_ranks, write_ranks
from ranker.store.keys import HistoryKeys, ShardKeys
from tests.support.history_shards import (
    GENERATION,
    GREEN,
    HOUR,
    LISTS,
    NOW,
    PARTITIONS,
    READ,
    all_keys,
    count,
    entry,
    historian,
    many,
)
from tests.support.redis_at import redis_at
from tests.support.shard_writer import write
from tests.support.stores import STORES

pytestmark = pytest.mark.parametrize("url", STORES, indirect=True)
"""Redis, Valkey, and a Redis Cluster: every promise below holds on each."""


async def test_of_two_writers_at_once_the_first_wins(url: str, client: Any) -> None:
    """However they meet: each entry is one writer's, the winner knows it, and nobody changes it afterwards."""
    other = connect(redis_at(url))
    for hour in range(HOUR, HOUR + 30):
        lists = {who: {name: [f"/{who}", f"/{name.board}"] for name in LISTS} for who in ("one", "two")}
        won = await asyncio.gather(
            write_ranks(client, GENERATION.id, hour, lists["one"]),
            write_ranks(other, GENERATION.id, hour, lists["two"]),
        )
        assert sum(won) == len(LISTS)
        kept = [(await read_ranks(client, GENERATION.id, name, NOW))[hour] for name in LISTS]
        assert sorted(ids[0] for ids in kept) == ["/one"] * won[0] + ["/two"] * won[1]
        assert await write_ranks(client, GENERATION.id, hour, {name: ["/late"] for name in LISTS}) == 0
        assert [(await read_ranks(client, GENERATION.id, name, NOW))[hour] for name in LISTS] == kept
    await other.aclose()


async def test_eight_days_are_kept(client: Any) -> None:
    """The writer deletes what is 192 hours old; a list that is not written any more goes by itself, and its index."""
    gone = ListName("gone", "read", "24h")
    await write_ranks(client, GENERATION.id, HOUR - 300, {gone: ["/x"]})
    for hour in range(HOUR - 300, HOUR + 1):
        await write_ranks(client, GENERATION.id, hour, {READ: [f"/{hour}"]})
    keys = HistoryKeys(GENERATION.id)
    key = keys.ranks("demo", "24h", "read")
    assert await client.hlen(key) == KEPT_HOURS
    kept = await read_ranks(client, GENERATION.id, READ, NOW)
    assert kept == {hour: [f"/{hour}"] for hour in range(HOUR - KEPT_HOURS + 1, HOUR + 1)}
    assert list(await read_ranks(client, GENERATION.id, READ, NOW + 190 * HOUR_MS)) == [HOUR - 1, HOUR]
    assert await client.zrange(keys.lists, 0, -1) == [b"demo:24h:read"]
    for name in (key, keys.ranks("gone", "24h", "read"), keys.lists):
        assert KEPT_HOURS * 3600 - 60 < await client.ttl(name) <= KEPT_HOURS * 3600


async def test_what_cannot_be_read_is_an_hour_without_an_entry(client: Any) -> None:
    """A newer format, a damaged value, a strange field: passed over, by the reader and by the next writer."""
    await write_ranks(client, GENERATION.id, HOUR - 3, {READ: ["/a"]})
    key = HistoryKeys(GENERATION.id).ranks("demo", "24h", "read")
    await client.hset(key, mapping={str(HOUR - 2): b"\x09newer", str(HOUR - 1): b"\x01damaged", "note": b"x"})
    await write_ranks(client, GENERATION.id, HOUR, {READ: ["/b"]})
    assert await read_ranks(client, GENERATION.id, READ, NOW) == {HOUR - 3: ["/a"], HOUR: ["/b"]}


async def test_after_a_loss_all_is_unknown(client: Any, url: str) -> None:
    """FLUSHALL takes the history; the same hour is written again if it still can be, earlier ones are not invented."""
    for hour in range(HOUR - 3, HOUR):
        await write_ranks(client, GENERATION.id, hour, {READ: ["/002", "/001"]})
    await count(client, many(3))
    made, _ = historian(client)
    assert await made.write_due(NOW)
    later = NOW + PATIENCE_MS
    before = Ranks(await read_ranks(client, GENERATION.id, READ, later)).about("/001", 1, later)
    assert before == Movement(2, None, 1, "up")
    await client.flushall()
    assert not await made.write_due(NOW), "its shards are not there"
    empty = Ranks(await read_ranks(client, GENERATION.id, READ, later))
    assert (empty.about("/001", 1, later), empty.since_ms) == (Movement(None, None, None, None), None)
    await count(client, many(3))
    assert await made.write_due(NOW + 60_000)
    assert await read_ranks(client, GENERATION.id, READ, later) == {HOUR: ["/002", "/001", "/000"]}


async def test_drop_deletes_the_history_of_its_generation(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, after counts and by the index; the other generation's stays; a historian that still runs adds nothing."""
    monkeypatch.setattr(inventory, "STEP_KEYS", 3)
    await generations.register(client, GENERATION)
    await generations.register(client, GREEN)
    await count(client, [*many(3), ("other", "/o", "view", 1)])
    await write(client, GREEN, PARTITIONS, many(2), NOW - 1_000)
    await generations.activate(client, GREEN.id, PARTITIONS, 0)
    blue, _ = historian(client)
    green, _ = historian(client, GREEN)
    assert await blue.write_due(NOW)
    assert await green.write_due(NOW)
    kept = {key for key in await all_keys(client) if GREEN.id in key}
    assert {HistoryKeys(GREEN.id).settled, HistoryKeys(GREEN.id).ranks("demo", "7d", "read")} <= kept
    row = next(row for row in await operate.overview(client) if row.id == GENERATION.id)
    shards = [await inventory.memory_bytes(client, GENERATION, partition) or 0 for partition in range(PARTITIONS)]
    assert (row.memory_bytes or 0) > sum(shards) + 8 * 100
    assert await operate.drop(client, GENERATION.id) == PARTITIONS
    tombstones = {ShardKeys(GENERATION.id, partition).meta for partition in range(PARTITIONS)}
    assert {key for key in await all_keys(client) if GENERATION.id in key} == tombstones
    assert not await blue.write_due(NOW)
    assert {key for key in await all_keys(client) if GENERATION.id in key} == tombstones
    assert {key for key in await all_keys(client) if GREEN.id in key} == kept


async def test_a_full_redis_says_so(client: Any) -> None:
    """Redis without memory refuses the history as it refuses counts; it can still be dropped, and written afterwards."""
    await count(client, many(3))
    made, _ = historian(client)
    await write_ranks(client, GENERATION.id, HOUR - 1, {READ: ["/000"]})
    everywhere = {"target_nodes": "primaries"} if isinstance(client, RedisCluster) else {}
    await client.execute_command("CONFIG SET", "maxmemory", "1", **everywhere)
    try:
        with pytest.raises(StoreFullError):
            await made.write_due(NOW)
        assert await entry(client) is None
        assert await entry(client, hour=HOUR - 1) == ["/000"]
    finally:
        await client.execute_command("CONFIG SET", "maxmemory", "0", **everywhere)
    assert await made.write_due(NOW)
    assert await entry(client) == ["/002", "/001", "/000"]
