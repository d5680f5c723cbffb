"""The store's reader on a Redis Cluster of which a node is away: the lists of the others, reported as incomplete."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local import waiting
from deploy.local.redis import RedisServer
from deploy.local.redis_cluster import RedisCluster
from ranker.connect.redis import ANSWER_S, connect
from ranker.core import merge as merging
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.merge import ExtraKeys, Hints
from ranker.store.errors import StoreUnavailableError
from ranker.store.keys import ACTIVE, CopyKeys, ShardKeys
from ranker.store.reader import Reader, Snapshot
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.reader import ready, running_reader
from tests.support.redis_at import redis_at
from tests.support.shard_writer import count_in, publish, write

GENERATION = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 1}})
NOW_MS = 1_795_396_624_735
PARTITIONS = 24
READ = ListName("demo", "read", "24h")
WEEK = ListName("demo", "read", "7d")
MANY_BOARDS = {"read": {"view": 1}} | {f"b{number}": {"view": 1} for number in range(60)}
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(200)]


@pytest.fixture
def goes() -> Any:
    """How a node goes away, unless a test's parameter has another way."""
    return RedisServer.suspend


@pytest.fixture
def answer_s(goes: Any) -> float:
    """How long a client waits for a reply: a killed node refuses at once, and no busy machine may pass for one."""
    return ANSWER_S if goes is RedisServer.kill else 0.5


@pytest.fixture
async def client(redis_cluster: RedisCluster, redis_cluster_url: str, answer_s: float) -> AsyncIterator[Any]:
    """Nodes answer for their own slots whichever is away; whatever a test did to them, they agree again afterwards."""
    serve_without_the_others(redis_cluster, "no")
    opened = connect(redis_at(redis_cluster_url), answer_s=answer_s)
    await write(opened, GENERATION, PARTITIONS, VIEWS, NOW_MS)
    yield opened
    for node in redis_cluster.nodes:
        if node.running:
            node.resume()
        node.start()
    serve_without_the_others(redis_cluster, "yes")
    await asyncio.to_thread(waiting.until, "The agreement of the Redis Cluster", redis_cluster.agrees)
    await opened.get("ranker:active")  # redis-py (8.1) closes nothing while it means to look at the nodes anew
    await opened.aclose()


def serve_without_the_others(cluster: RedisCluster, all_needed: str) -> None:
    for node in cluster.nodes:
        with node.client() as plain:
            plain.config_set("cluster-require-full-coverage", all_needed)


def shards_on(client: Any, node: RedisServer) -> set[int]:
    keys = {shard: ShardKeys(GENERATION.id, shard).meta for shard in range(PARTITIONS)}
    return {shard for shard, key in keys.items() if client.get_node_from_key(key).port == node.port}


async def read(client: Any, wish: ExtraKeys | None = None, hints: Hints | None = None) -> Snapshot:
    names = (READ, WEEK)
    wishes, known = dict.fromkeys(names, wish or ExtraKeys()), dict.fromkeys(names, hints or Hints())
    return await Reader(client).refresh(GENERATION, PARTITIONS, names, known, wishes)


def reached(away: set[int]) -> list[tuple[int, bytes]]:
    counts = ((count, article.encode()) for _, article, _, count in VIEWS)
    return sorted((row for row in counts if home(b"demo/" + row[1], PARTITIONS) not in away), reverse=True)


@pytest.mark.parametrize("goes", [RedisServer.kill, RedisServer.suspend])
@pytest.mark.parametrize("number", [0, 2])
async def test_a_node_that_is_away_takes_only_its_own_shards(
    client: Any, redis_cluster: RedisCluster, goes: Any, number: int
) -> None:
    """All others answer at every refresh; the lists are incomplete until it is back, and nothing runs on."""
    node = redis_cluster.nodes[number]
    away = shards_on(client, node)
    before = (await read(client)).lists[READ]
    assert (before.answered, before.span.complete, before.merged.rows) == (PARTITIONS, True, reached(set()))
    goes(node)
    moved = ExtraKeys({b"/%d" % i: b"/0" for i in range(150, 160)})
    for wish in (None, None, moved):
        snapshot = await read(client, wish, before.merged.hints)
        assert (snapshot.answered, snapshot.all_sites) == (PARTITIONS - len(away), False)
        for one in snapshot.lists.values():
            assert (one.answered, one.span.complete, one.merged.whole) == (PARTITIONS - len(away), False, False)
            if wish is None:
                assert one.merged.rows == reached(away)
        assert len(snapshot.lists) == 2
        assert asyncio.all_tasks() == {asyncio.current_task()}
    if node.running:
        node.resume()
    node.start()

    async def whole() -> bool:
        try:
            one = (await read(client)).lists[READ]
        except (
            StoreUnavailableError
        ):  # redis-py (8.1) closes all connections when a node replies CLUSTERDOWN, as it begins
            return False
        return one.span.complete and one.merged.rows == reached(set())

    await waiting.until_async("A complete list", whole)


async def test_all_nodes_away(client: Any, redis_cluster: RedisCluster) -> None:
    """No reply came: that is reported in our words, and nothing runs on."""
    for node in redis_cluster.nodes:
        node.kill()
    with pytest.raises(StoreUnavailableError):
        await read(client)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_node_that_goes_between_two_rounds(
    client: Any, redis_cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that is read again and is away by then counts as silent; the replies of the others in the first round stay."""
    node = redis_cluster.nodes[1]
    away = shards_on(client, node)
    full = min(away)
    async with client.pipeline(transaction=False) as pipe:
        for i in range(merging.share(PARTITIONS) + 1):
            count_in(pipe, GENERATION, full, "demo", f"/full/{i}", "view", 1_000)
        await pipe.execute()
    again = list[set[int]]()

    def watched(*asked: Any) -> merging.Merge:
        steps = merging.merge(*asked)
        asks = next(steps)
        while True:
            answers = yield asks
            node.suspend()
            try:
                asks = steps.send(answers)
            except StopIteration as end:
                merged: merging.Merged = end.value
                return merged
            again.append(set(asks))

    monkeypatch.setattr("ranker.store.reader.merge", watched)
    snapshot = await read(client)
    assert again == [{full}, {full}]
    for one in snapshot.lists.values():
        assert (one.answered, one.span.complete) == (PARTITIONS - 1, False)
        assert one.merged.rows == reached({full})


@pytest.mark.parametrize("goes", [RedisServer.kill, RedisServer.suspend])
@pytest.mark.parametrize("key", [ACTIVE, CopyKeys(0).meta])
async def test_lists_do_not_wait_for_what_is_read_beside_them(
    client: Any, redis_cluster: RedisCluster, redis_cluster_url: str, answer_s: float, goes: Any, key: str
) -> None:
    """The node of the catalogue, or of the active generation, is away: every list that comes into use is read at once."""
    node = next(one for one in redis_cluster.nodes if one.port == client.get_node_from_key(key).port)
    generation = next(
        one
        for one in (Generation("page-views", DEFAULT_WINDOWS, MANY_BOARDS, epoch=epoch) for epoch in range(100))
        if client.get_node_from_key(ShardKeys(one.id, 0).meta).port != node.port
    )
    await publish(client, generation, 1, VIEWS, NOW_MS)
    async with running_reader(redis_cluster_url, {}, NOW_MS, answer_s=answer_s) as reader:
        await waiting.until_async("Readiness", lambda: ready(reader))
        await reader.ranking()
        goes(node)

        async def noticed() -> bool:
            return reader.board.fault != ""

        await waiting.until_async("A fault that is said", noticed)

        async def first(number: int) -> tuple[int, bytes]:
            await asyncio.sleep(number / 50)  # at every moment of a refresh
            answer = await reader.get(f"/v1/demo/popular/b{number}/7d")
            return answer.status, answer.body

        answers = await asyncio.gather(*map(first, range(len(MANY_BOARDS) - 1)))
        assert [body for status, body in answers if status != 200] == []
        if node.running:
            node.resume()
        node.start()

        async def all_again() -> bool:
            return reader.board.fault == ""

        await waiting.until_async("The end of the fault", all_again)
