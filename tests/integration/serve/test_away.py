"""The reader while Redis moves: other generations, shards that begin again, Redis away and back."""

import time
from typing import Any

import orjson

from deploy.local.redis import RedisServer
from ranker.core.generation import Generation, Window
from ranker.store.keys import ShardKeys
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Answer, Reader, T, ready, running_reader, until
from tests.support.shard_writer import activate, meta_of, publish, write

BLUE = Generation("page-views", (Window("24h", 86_400_000, 60_000),), {"read": {"view": 2}})


async def test_another_generation_is_followed_at_once(reader: Reader) -> None:
    """Boards, windows and counts of the active generation, whatever its clock."""
    await reader.ranking()
    await write(reader.client, BLUE, 1, [("demo", "/blue", "view", 1)], T - 60_000)
    await activate(reader.client, BLUE, 1, seq=2)

    async def blue() -> bool:
        return reader.items(await reader.ranking()) == [("/blue", 2)]

    await until(blue, "list of the new generation")
    assert (await reader.get("/v1/demo/popular/shared/24h")).status == 404


async def test_the_active_generation_is_put_back(reader: Reader) -> None:
    """A Redis that lost it gets it from whoever has read it."""
    await reader.ranking()
    await activate(reader.client, GENERATION, PARTITIONS, seq=7)
    await until(lambda: seen(reader, 7), "reader that has seen seq 7")
    await reader.client.delete("ranker:active")

    async def back() -> bool:
        stored = await reader.client.get("ranker:active")
        return stored is not None and orjson.loads(stored)["seq"] == 7

    await until(back, "active generation put back")


async def seen(reader: Reader, seq: int) -> bool:
    active = reader.refresher._following.active
    return active is not None and active.seq == seq


async def test_redis_away(reader: Reader, redis_server: RedisServer) -> None:
    """The last lists, then marked, then 503; lists nobody has read yet 503 at once; all again when it is back."""
    await reader.ranking()
    redis_server.suspend()
    assert (await reader.ranking())["stale"] is False
    reader.now_ms = T + 30_001
    stale = await until(lambda: marked(reader), "stale list")
    assert reader.items(stale)[0] == ("/29", 30)
    assert reader.refresher.not_ready() == []
    unread = await reader.get("/v1/demo/popular/shared/7d")
    assert (unread.status, unread.headers["retry-after"]) == (503, "1")
    assert "Redis" in unread.json["detail"]
    reader.now_ms = T + 3_600_001
    gone = await until(lambda: refused(reader), "refusal of a list too old")
    assert "too old" in gone.json["detail"]
    assert b"/29" not in (await reader.get("/")).body, "the page shows no list that the API refuses"
    assert reader.refresher.not_ready() != []
    redis_server.resume()
    for shard in range(PARTITIONS):
        keys = ShardKeys(GENERATION.id, shard)
        await reader.client.hset(keys.meta, mapping=meta_of(GENERATION, reader.now_ms, PARTITIONS))
    await until(lambda: marked(reader, stale=False), "fresh list")
    assert reader.refresher.not_ready() == []


async def test_shards_counted_again_from_the_start(redis_url: str) -> None:
    """An emptied Redis begins a week ago and names no site: the list on show stays, marked, until it is passed."""
    async with running_reader(redis_url, {}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        await reader.ranking()
        await reader.client.flushall()
        week_ms = 604_800_000
        await publish(reader.client, GENERATION, PARTITIONS, [], T - week_ms)
        reader.now_ms = T + 31_000

        async def read_again() -> bool:
            return reader.refresher._sites == frozenset()

        await until(read_again, "reading of the emptied shards")
        assert reader.items(await until(lambda: marked(reader), "stale list"))[0] == ("/29", 30)
        await write(reader.client, GENERATION, PARTITIONS, VIEWS[:5], T + 1)

        async def passed() -> bool:
            return reader.items(await reader.ranking())[0] == ("/4", 5)

        await until(passed, "list counted again")


async def marked(reader: Reader, *, stale: bool = True) -> Any:
    answer = await reader.get(LIST)
    return answer.json if answer.status == 200 and answer.json["stale"] is stale else None


async def refused(reader: Reader) -> Answer | None:
    answer = await reader.get(LIST)
    return answer if answer.status == 503 else None


async def test_redis_empty_at_the_start(redis_url: str) -> None:
    """Nothing to read yet: not ready with the reason, 503 for lists, and the page waits."""
    async with running_reader(redis_url, {}, None) as waiting:
        assert not await ready(waiting)
        assert (await waiting.get(LIST)).status == 503
        assert (await waiting.get("/")).status == 200
        assert "no generation is active" in waiting.refresher.not_ready()[0]
        await publish(waiting.client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)
        await until(lambda: ready(waiting), "readiness")
        assert waiting.items(await waiting.ranking())[0] == ("/29", 30)
