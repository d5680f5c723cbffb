"""The rank history on a real Redis: written by historians with a clock set by hand, read back, lost, dropped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from ranker.consume.jobs import write_history as writing
from ranker.consume.jobs.write_history import PATIENCE_MS, HistoryWriter
from ranker.core.generation import DEFAULT_WINDOWS, Generation, ListName
from ranker.lists.history import Movement, Ranks
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.operate import generations as operate
from ranker.store import generations, inventory
from ranker.store.catalogue import CatalogueShard, Change
from ranker.store.connection import connect
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.history import HOUR_MS, KEPT_HOURS, PLACES, read_ranks, settled_hour, write_ranks
from ranker.store.keys import HistoryKeys, ShardKeys
from tests.support.reader import GENERATION as SERVED
from tests.support.reader import T, beside, running_reader, until
from tests.support.shard_writer import Views, activate, write
from tests.support.stores import STORES

HOUR = T // HOUR_MS
NOW = HOUR * HOUR_MS + 20_000
BOARDS = {"read": {"view": 1}, "commented": {"comment": 1}}
GENERATION = Generation("page-views", DEFAULT_WINDOWS, BOARDS)
GREEN = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 2}})
PARTITIONS = 4
READ = ListName("demo", "read", "24h")
LISTS = [ListName("demo", board, window.name) for board in BOARDS for window in DEFAULT_WINDOWS]


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """Redis, Valkey, and a Redis Cluster: every promise below holds on each."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    opened = connect(url)
    yield opened
    await opened.aclose()


def historian(
    client: Any,
    generation: Generation = GENERATION,
    sites: tuple[str, ...] = ("demo",),
    hide_unknown: tuple[str, ...] = (),
    now_ms: Callable[[], int] = lambda: NOW,
) -> tuple[HistoryWriter, Callable[[str], float | None]]:
    """One consumer's historian, and a look at its metrics."""
    registry: CollectorRegistry = new_registry()
    metrics = ConsumerMetrics(registry, ["view"])
    made = HistoryWriter(client, generation, sites, lambda: PARTITIONS, now_ms, metrics, hide_unknown)
    return made, registry.get_sample_value


async def count(client: Any, views: Views, watermark_ms: int = NOW - 1_000, metas: Any = None) -> None:
    await write(client, GENERATION, PARTITIONS, views, watermark_ms, metas)


def many(articles: int) -> list[tuple[str, str, str, int]]:
    return [("demo", f"/{number:03}", "view", number + 1) for number in range(articles)]


def known(article_id: str) -> dict[str, Any]:
    """A record of the CMS."""
    return {
        "article_id": article_id,
        "status": "published",
        "title": "Known",
        "url": f"https://demo.example{article_id}",
        "published_at": NOW - HOUR_MS,
    }


async def catalogue(client: Any, *records: tuple[str, dict[str, Any]]) -> None:
    shard = CatalogueShard(client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    changes = [
        Change(key.encode(), orjson.dumps({"site_id": "demo", **record}), offset)
        for offset, (key, record) in enumerate(records)
    ]
    assert await shard.advance(state, len(changes), "1:5:7", changes)


async def entry(client: Any, name: ListName = READ, hour: int = HOUR) -> list[str] | None:
    return (await read_ranks(client, GENERATION.id, name, NOW)).get(hour)


async def all_keys(client: Any) -> set[str]:
    return {key.decode() async for key in client.scan_iter(match="*", count=1000)}


async def test_of_two_writers_at_once_the_first_wins(url: str, client: Any) -> None:
    """However they meet: each entry is one writer's, the winner knows it, and nobody changes it afterwards."""
    other = connect(url)
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
    """Whoever writes deletes what is 192 hours old; a list that is not written any more goes by itself, and its index."""
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


async def test_the_first_places_as_published(client: Any) -> None:
    """200 places, without what is taken down, moved articles under their new id, every board and window of every site."""
    views = [*many(300), ("demo", "/old", "view", 300), ("demo", "/150", "comment", 2), ("other", "/o", "view", 1)]
    await count(client, views)
    await catalogue(
        client,
        ("demo//299#editor", {"article_id": "/299", "hidden": True}),
        ("demo//298", known("/298")),
        ("demo//old#alias", {"article_id": "/old", "alias_of": "/000"}),
    )
    made, metric = historian(client)
    assert await made.write_due(NOW)
    expected = ["/000", *(f"/{number}" for number in range(298, 99, -1))]
    assert await entry(client) == await entry(client, ListName("demo", "read", "7d")) == expected
    assert len(expected) == PLACES
    assert await entry(client, ListName("demo", "commented", "24h")) == ["/150"]
    assert await entry(client, ListName("other", "read", "7d")) == ["/o"]
    assert await entry(client, ListName("other", "commented", "24h")) == [], "what enters it next is new"
    assert metric("ranker_history_written_total") == 8


async def test_sites_that_show_known_articles_only(client: Any) -> None:
    """Unknown ones leave before the ranks are counted, as they do in the lists."""
    await count(client, many(3))
    await catalogue(client, ("demo//001", known("/001")))
    assert await historian(client, hide_unknown=("demo",))[0].write_due(NOW)
    assert await entry(client) == ["/001"]


async def test_an_entry_is_what_readers_saw(url: str, client: Any) -> None:
    """The list over HTTP at that moment, place by place."""
    await write(client, SERVED, PARTITIONS, [*many(260), ("demo", "/tie", "view", 200)], NOW - 1_000)
    await activate(client, SERVED, PARTITIONS)
    await catalogue(client, ("demo//250", {"article_id": "/250", "status": "removed"}))
    async with running_reader(url, {"demo": "Demo"}, NOW) as reader:
        published = await reader.ranking(f"/v1/demo/popular/read/24h?limit={PLACES}")
    assert await historian(client, SERVED)[0].write_due(NOW)
    kept = (await read_ranks(client, SERVED.id, READ, NOW))[HOUR]
    assert kept == [item["article_id"] for item in published["items"]]
    assert (len(kept), "/250" in kept) == (PLACES, False)


async def test_several_consumers_do_it_once(client: Any) -> None:
    """The second one finds the hour written, counts no list, and its clock of the history is fresh all the same."""
    clock = [NOW]
    await count(client, many(3))
    first, first_said = historian(client, now_ms=lambda: clock[0])
    second, second_said = historian(client, now_ms=lambda: clock[0])
    assert await first.write_due(NOW)
    await count(client, many(5))
    clock[0] += 60_000
    assert [said("ranker_history_age_seconds") for said in (first_said, second_said)] == [60, 60]
    assert await second.write_due(clock[0])
    assert await entry(client) == ["/002", "/001", "/000"]
    assert [said("ranker_history_written_total") for said in (first_said, second_said)] == [4, 0]
    assert [said("ranker_history_age_seconds") for said in (first_said, second_said)] == [60, 0]


async def test_a_site_without_counts_has_no_history(client: Any) -> None:
    """Configured or named by a shard that once held counts of it."""
    await count(client, [("other", "/o", "view", 1), ("gone", "/g", "view", 1), ("gone", "/g", "view", -1)])
    assert await historian(client)[0].write_due(NOW)
    assert await client.zrange(HistoryKeys(GENERATION.id).lists, 0, -1) == [
        f"other:{window}:{board}".encode() for window in ("24h", "7d") for board in ("commented", "read")
    ]


async def test_nothing_is_settled_before_counting_has_begun(client: Any) -> None:
    """An empty Redis names no sites; that is not the same as having written all of them."""
    made, _ = historian(client, sites=())
    assert not await made.write_due(NOW)
    assert await settled_hour(client, GENERATION.id) is None


async def test_what_failed_is_left_with_its_hour(client: Any) -> None:
    """One site was written when the other could not be: in the next hour both are written anew."""
    await count(client, [*many(2), ("other", "/o", "view", 1)])
    key = HistoryKeys(GENERATION.id).ranks("other", "24h", "read")
    await client.set(key, "no hash")
    made, _ = historian(client)
    with pytest.raises(ResponseError):
        await made.write_due(NOW)
    assert await entry(client) == ["/001", "/000"]
    await client.delete(key)
    await count(client, [*many(3), ("other", "/o", "view", 1)], NOW + HOUR_MS)
    assert await made.write_due(NOW + HOUR_MS)
    assert await entry(client, hour=HOUR + 1) == ["/002", "/001", "/000"]
    assert await entry(client, ListName("other", "read", "24h"), HOUR + 1) == ["/o"]


@pytest.mark.parametrize(
    ("fault", "meta"),
    [
        ("before the hour", {"T": HOUR * HOUR_MS - 1}),
        ("a gap", {"gap_ms": NOW}),
        ("refused for memory", {"refused": 1}),
        ("between two floors", {"floors": "1,1"}),
        ("has not begun", {"format": 0}),
    ],
)
async def test_only_complete_lists_are_written(client: Any, fault: str, meta: dict[str, Any]) -> None:
    """Until the last shard is as the others nothing is written; then, within the half hour, it is."""
    await count(client, many(3), metas={2: meta})
    made, metric = historian(client)
    assert not await made.write_due(NOW), fault
    assert await entry(client) is None
    assert await settled_hour(client, GENERATION.id) is None
    await count(client, many(4))
    assert await made.write_due(NOW + 60_000)
    assert await entry(client) == ["/003", "/002", "/001", "/000"]
    assert metric("ranker_history_written_total") == 4


async def test_what_is_complete_does_not_wait_for_the_rest(client: Any) -> None:
    """A gap two days ago: the day's lists are written, and the week's looked at again, alone and in vain."""
    await count(client, many(2), metas={1: {"gap_ms": NOW - 2 * 86_400_000}})
    made, metric = historian(client)
    assert not await made.write_due(NOW)
    assert await entry(client) == ["/001", "/000"]
    assert await entry(client, ListName("demo", "read", "7d")) is None
    assert not await made.write_due(NOW + 60_000)
    assert metric("ranker_history_written_total") == 2


async def test_an_hour_missed_stays_unknown(client: Any) -> None:
    """From half an hour on nothing is written any more: it would be compared at once, and say that nothing moves."""
    await count(client, many(3), HOUR * HOUR_MS + PATIENCE_MS)
    made, _ = historian(client)
    assert await made.write_due(HOUR * HOUR_MS + PATIENCE_MS)
    assert await entry(client) is None


async def test_after_a_loss_all_is_unknown(client: Any, url: str) -> None:
    """FLUSHALL takes the history; the same hour is written again where it still can be, earlier ones are not invented."""
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
    shards = [await inventory.memory_bytes(client, GENERATION, partition) for partition in range(PARTITIONS)]
    assert row.memory_bytes > sum(shards) + 8 * 100
    assert await operate.drop(client, GENERATION.id) == PARTITIONS
    tombstones = {ShardKeys(GENERATION.id, partition).meta for partition in range(PARTITIONS)}
    assert {key for key in await all_keys(client) if GENERATION.id in key} == tombstones
    assert not await blue.write_due(NOW)
    assert {key for key in await all_keys(client) if GENERATION.id in key} == tombstones
    assert {key for key in await all_keys(client) if GREEN.id in key} == kept


async def test_sites_are_bounded_and_configured_ones_come_first(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever invents sites cannot make the history of one's own disappear."""
    monkeypatch.setattr(writing, "MAX_SITES", 3)
    await count(client, [(site, "/a", "view", 1) for site in ("a", "b", "c", "demo")])
    made, metric = historian(client)
    assert await made.write_due(NOW)
    written = {site for site in ("a", "b", "c", "demo") if await entry(client, ListName(site, "read", "24h"))}
    assert written == {"a", "b", "demo"}
    assert "rank history of 3 sites only" in caplog.text
    assert metric("ranker_history_written_total") == 12


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


async def test_a_historian_goes_on_whatever_happens(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis away, or a key that is not what it should be: said once, tried again, and written when it is right."""
    monkeypatch.setattr(writing, "_TRY_S", (0.001, 0.001))
    away = connect("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnavailableError):
        await historian(away)[0].write_due(NOW)
    await away.aclose()
    await count(client, many(3))
    key = HistoryKeys(GENERATION.id).ranks("demo", "24h", "read")
    await client.set(key, "no hash")
    looked = []

    def now_ms() -> int:
        looked.append(NOW)
        return NOW

    made = HistoryWriter(client, GENERATION, [], lambda: PARTITIONS, now_ms, ConsumerMetrics(new_registry(), []))

    async def looked_often() -> bool:
        return len(looked) > 20

    async def written() -> bool:
        return await settled_hour(client, GENERATION.id) == HOUR

    async with beside(made.run()):
        await until(looked_often, "twentieth look at the clock")
        assert await settled_hour(client, GENERATION.id) is None
        await client.delete(key)
        await until(written, "entry after all")
    assert await entry(client) == ["/002", "/001", "/000"]
    assert caplog.text.count("rank history is not written") == 1
