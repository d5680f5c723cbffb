"""The reader while Redis moves: other generations, shards that begin again, Redis away and back."""

import io
import time
from typing import Any

import orjson
from rich.console import Console

from deploy.local.redis import RedisServer
from ranker.commands.top import tables
from ranker.core.generation import Generation, ListName, Window
from ranker.core.times import rfc3339
from ranker.serve.api.lists import Lists
from ranker.store.keys import ShardKeys
from tests.support.http import Answer
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import activate, meta_of, publish, write

NAME = ListName("demo", "read", "24h")
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
    """A Redis that lost it gets it from a process that has read it."""
    await reader.ranking()
    await activate(reader.client, GENERATION, PARTITIONS, seq=7)
    await until(lambda: seen(reader, 7), "reader that has seen seq 7")
    await reader.client.delete("ranker:active")

    async def back() -> bool:
        stored = await reader.client.get("ranker:active")
        return stored is not None and orjson.loads(stored)["seq"] == 7

    await until(back, "active generation put back")


async def seen(reader: Reader, seq: int) -> bool:
    active = reader.refresh._active.active
    return active is not None and active.seq == seq


async def test_redis_away(reader: Reader, redis_server: RedisServer) -> None:
    """The last lists, then marked, then 503; lists nobody has read yet 503 at once; all again when it is back."""
    await reader.ranking()
    redis_server.suspend()
    assert (await reader.ranking())["stale"] is False
    reader.now_ms = T + 30_001
    stale = await until(lambda: marked(reader), "stale list")
    assert reader.items(stale)[0] == ("/29", 30)
    reader.now_ms = T + 61_000
    stale = await until(lambda: marked(reader), "stale list")
    assert (stale["complete"], "behind" in stale) == (True, False), "no partition is to blame"
    assert reader.board.not_ready() == []
    unread = await reader.get("/v1/demo/popular/shared/7d")
    assert (unread.status, unread.headers["retry-after"]) == (503, "1")
    assert "Redis" in unread.json["detail"]
    reader.now_ms = T + 3_600_001
    gone = await until(lambda: refused(reader), "refusal of a list too old")
    assert "too old" in gone.json["detail"]
    assert b"/29" not in (await reader.get("/")).body, "the page shows no list that the API refuses"
    assert reader.board.not_ready() != []
    redis_server.resume()
    for shard in range(PARTITIONS):
        keys = ShardKeys(GENERATION.id, shard)
        await reader.client.hset(keys.meta, mapping=meta_of(GENERATION, reader.now_ms, PARTITIONS))
    await until(lambda: marked(reader, stale=False), "fresh list")
    assert reader.board.not_ready() == []


#        partition 0's T    T+1 s ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─  stands still
#        partition 1's T    goes on ───────────────────────────────────────────►
#        the list                      T+31 s stale   T+61 s names 0     T+1 h gone


async def test_a_part_that_stands_still_is_named(reader: Reader) -> None:
    """From a minute on the list is not complete and says which part it waits for; a quiet part's clock goes on."""
    assert await aged(reader, {0: 1_000, 1: 1_000}, 1_000) == (False, True, None)
    assert await aged(reader, {0: 1_000, 1: 61_000}, 61_000) == (True, True, None)
    at_rest = [{"partition": 0, "as_of": rfc3339(T + 1_000)}]
    assert await aged(reader, {0: 1_000, 1: 61_001}, 61_001) == (True, False, at_rest)
    assert (await reader.ranking())["as_of"] == rfc3339(T + 1_000), "of the part that is furthest behind"
    terminal = Console(width=200, file=io.StringIO())
    terminal.print(tables(reader.board, Lists(reader.board, reader.demand), [NAME], 5, 200, None))
    assert f"incomplete, partition 0 stands still or catches up: as of {rfc3339(T + 1_000)}" in terminal.file.getvalue()  # type: ignore[attr-defined]
    assert await aged(reader, {0: 61_500, 1: 61_500}, 61_500) == (False, True, None)


async def test_all_consumers_away(reader: Reader) -> None:
    """No part is counted: stale first, then every part is named."""
    assert await aged(reader, {0: 0, 1: 0}, 30_001) == (True, True, None)
    both = [{"partition": partition, "as_of": rfc3339(T)} for partition in range(PARTITIONS)]
    assert await aged(reader, {0: 0, 1: 0}, 60_001) == (True, False, both)


async def test_a_reader_that_starts_again_says_the_same(reader: Reader) -> None:
    """What is behind depends on the shards and the clock alone, so no restart makes it flap."""
    at_rest = [{"partition": 0, "as_of": rfc3339(T)}]
    assert await aged(reader, {0: 0, 1: 100_000}, 100_000) == (True, False, at_rest)
    reader.board._lists.clear()
    assert (await reader.ranking())["behind"] == at_rest


async def test_a_list_too_old_names_the_part_it_waits_for(reader: Reader) -> None:
    """If one partition alone keeps all lists from being served, the refusal says which."""
    await aged(reader, {0: 0, 1: 100_000}, 100_000)
    await clocks(reader, {0: 0, 1: 3_600_001})
    reader.now_ms = T + 3_600_001
    gone = await until(lambda: refused(reader), "refusal of a list too old")
    assert gone.json["detail"].endswith("too old to serve. It waits for partition 0.")


async def clocks(reader: Reader, ages_ms: dict[int, int]) -> None:
    for shard, ms in ages_ms.items():
        await reader.client.hset(ShardKeys(GENERATION.id, shard).meta, "T", T + ms)


async def aged(reader: Reader, shards: dict[int, int], now: int) -> tuple[bool, bool, Any]:
    """(stale, complete, behind) of the list read at T + `now` with these clocks, each so long after T."""
    await clocks(reader, shards)
    reader.now_ms = T + now
    shown = reader.board

    async def read() -> Any:
        published = shown._lists.get(NAME)
        return published is not None and published.read_ms == T + now

    await reader.ranking()
    await until(read, "reading at this time")
    said = await reader.ranking()
    return said["stale"], said["complete"], said.get("behind")


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
            return reader.board._counted_sites == frozenset()

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
        assert "no generation is active" in waiting.board.not_ready()[0]
        await publish(waiting.client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)
        await until(lambda: ready(waiting), "readiness")
        assert waiting.items(await waiting.ranking())[0] == ("/29", 30)
