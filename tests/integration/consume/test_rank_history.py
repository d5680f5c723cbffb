"""When the rank history is written, and what: complete lists as readers saw them."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from ranker.connect.redis import connect
from ranker.consume.jobs import write_history as writing
from ranker.consume.jobs.write_history import PATIENCE_MS, HistoryWriter
from ranker.core.generation import ListName
from ranker.core.times import HOUR_MS
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.errors import StoreUnavailableError
from ranker.store.history import PLACES, read_ranks, settled_hour
from ranker.store.keys import HistoryKeys
from tests.support.history_shards import (
    GENERATION,
    HOUR,
    NOW,
    PARTITIONS,
    READ,
    catalogue,
    count,
    entry,
    historian,
    known,
    many,
)
from tests.support.reader import GENERATION as SERVED
from tests.support.reader import beside, running_reader, until
from tests.support.redis_at import redis_at
from tests.support.shard_writer import activate, write
from tests.support.stores import STORES

pytestmark = pytest.mark.parametrize("url", STORES, indirect=True)
"""Redis, Valkey, and a Redis Cluster: every promise below holds on each."""


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


async def test_sites_are_bounded_and_configured_ones_come_first(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that invents sites cannot make the history of one's own disappear."""
    monkeypatch.setattr(writing, "MAX_SITES", 3)
    await count(client, [(site, "/a", "view", 1) for site in ("a", "b", "c", "demo")])
    made, metric = historian(client)
    assert await made.write_due(NOW)
    written = {site for site in ("a", "b", "c", "demo") if await entry(client, ListName(site, "read", "24h"))}
    assert written == {"a", "b", "demo"}
    assert "rank history of 3 sites only" in caplog.text
    assert metric("ranker_history_written_total") == 12


async def test_a_historian_goes_on_whatever_happens(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Redis away, or a key that is not what it should be: logged once, tried again, and written when it is right."""
    monkeypatch.setattr(writing, "_TRY_S", (0.001, 0.001))
    away = connect(redis_at("redis://127.0.0.1:1/0"))
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

    made = HistoryWriter(client, GENERATION, {}, lambda: PARTITIONS, now_ms, ConsumerMetrics(new_registry(), []))

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
