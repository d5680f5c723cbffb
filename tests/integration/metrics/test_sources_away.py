"""Redis and Kafka away, full, emptied; a rebalance: counters never go back, and no gauge stands still meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Engine
from tests.integration.metrics.live import Live, counters, live

OF_REDIS = (
    "ranker_clock_offset_seconds",
    "ranker_store_full",
    "ranker_store_bytes",
    "ranker_redis_memory_used_bytes",
    "ranker_redis_memory_limit_bytes",
    "ranker_strays",
    "ranker_live_slices",
)
OF_LAG = ("ranker_lag_records", "ranker_lag_seconds")
LIST = "/v1/demo/popular/read/short"
MEMORY = 64 << 20


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    with server.client() as plain:
        plain.config_set("maxmemory", MEMORY)
    yield server
    server.stop()


class Watched:
    """Waits for what the consumer's gauges show, and looks that no counter of any process went back meanwhile."""

    def __init__(self, running: Live) -> None:
        self._running = running
        self._last: dict[str, dict[str, float]] = {}

    async def look(self) -> None:
        for process, text in (await self._running.scrape()).items():
            before, now = self._last.get(process, {}), counters(text)
            went_back = {name: (value, now.get(name)) for name, value in before.items() if now.get(name, -1) < value}
            assert not went_back, process
            self._last[process] = now

    async def shows(self, value: float, name: str, **labels: str) -> None:
        consumer = self._running.consumer

        async def shown() -> bool:
            await self.look()
            return await consumer.has(name, **labels) and await consumer.metric(name, **labels) == value

        await self._running.engine.until(f"{name} {value}", shown, 40.0)

    async def absent(self, *names: str) -> None:
        async def gone() -> bool:
            await self.look()
            return not any([await self._running.consumer.has(name) for name in names])

        await self._running.engine.until(f"absence of {names}", gone, 40.0)

    async def present(self, *names: str) -> None:
        async def there() -> bool:
            await self.look()
            return all([await self._running.consumer.has(name) for name in names])

        await self._running.engine.until(f"presence of {names}", there, 40.0)

    async def reader_shows(self, what: str, condition: Callable[[dict[str, float]], bool]) -> None:
        async def shown() -> bool:
            await self.look()
            return condition(self._running.reader_values())

        await self._running.engine.until(what, shown, 40.0)


async def started(running: Live, *, serves: bool = True) -> Watched:
    watched = Watched(running)
    await running.engine.traffic.send(500)
    await running.engine.until_counted()
    await watched.present(*OF_REDIS, *OF_LAG, "ranker_generation_info")
    await watched.shows(1, "ranker_redis_up")
    await watched.shows(1, "ranker_kafka_up")
    if serves:
        await running.until_listed(LIST)
        await watched.reader_shows("the generation", lambda values: values["ranker_generation_info"] == 1)
    return watched


@pytest.mark.long
async def test_redis_away_full_and_emptied(
    new_engine: Callable[..., Engine], own_redis: RedisServer, tmp_path: Path
) -> None:
    """The age of lists grows, and the objective sees it; what Redis would tell is absent; all comes back."""
    engine = new_engine(redis_url=own_redis.url)
    await engine.create_topic(2)
    with live(engine, tmp_path, collects=False) as running:
        watched = await started(running)
        own_redis.suspend()
        try:
            await watched.shows(0, "ranker_redis_up")
            await watched.absent(*OF_REDIS, *OF_LAG)
            await watched.reader_shows(
                "old lists",
                lambda values: values["ranker_redis_up"] == 0 and values["ranker_list_age_seconds"] > 5,
            )
            old = beyond(running)
            await watched.reader_shows("an objective that is missed", lambda _: beyond(running) >= old + 4)
        finally:
            own_redis.resume()
        await watched.present(*OF_REDIS, *OF_LAG)
        await watched.shows(1, "ranker_redis_up")
        await watched.reader_shows("new lists", lambda values: values["ranker_redis_up"] == 1)

        with own_redis.client() as plain:
            plain.config_set("maxmemory", "1")
            await engine.traffic.send(200)
            await watched.shows(2, "ranker_store_full")
            plain.config_set("maxmemory", MEMORY)
            await watched.shows(0, "ranker_store_full")
            await engine.until_counted()
            plain.flushall()
        await engine.until_counted()
        await watched.present(*OF_REDIS, *OF_LAG)
        await watched.look()


def beyond(running: Live) -> float:
    """Observations of lists that were older than the objective allows."""
    values = running.reader_values()
    name = "ranker_list_freshness_seconds"
    return values[f"{name}_count"] - values[f"{name}_bucket le=2.0"]


@pytest.mark.long
async def test_a_rebalance(new_engine: Callable[..., Engine], own_redis: RedisServer, tmp_path: Path) -> None:
    """Series of a partition leave with it; counters stay."""
    engine = new_engine(redis_url=own_redis.url)
    await engine.create_topic(2)
    with live(engine, tmp_path, serves=False, collects=False) as running:
        watched = await started(running, serves=False)
        other = engine.consume()

        async def shared() -> bool:
            await watched.look()
            both = [await one.metric("ranker_gates_open") for one in (running.consumer, other)]
            return both == [1, 1]

        await engine.until("sharing", shared, 40.0)
        await engine.traffic.send(200)
        await engine.until_counted()
        for partition in ("0", "1"):
            for name in (*OF_LAG, "ranker_store_full", "ranker_strays", "ranker_live_slices"):
                has = [await one.has(name, partition=partition) for one in (running.consumer, other)]
                assert sum(has) <= 1, name
        other.stop()
        await engine.until("the return of both", lambda: _has_both(running), 40.0)
        await watched.present(*OF_LAG)


async def _has_both(running: Live) -> bool:
    return await running.consumer.metric("ranker_gates_open") == 2


@pytest.mark.long
async def test_kafka_away(
    new_engine: Callable[..., Engine], own_redis: RedisServer, kafka_apache: ApacheKafka, tmp_path: Path
) -> None:
    """The log's end is not known, so lag is not either; the collector's events wait, and are counted afterwards.

    That it is back is seen while Redis is away, too.
    """
    engine = new_engine(redis_url=own_redis.url)
    await engine.create_topic(2)
    with live(engine, tmp_path) as running:
        watched = await started(running)
        kafka_apache.suspend()
        try:
            await watched.shows(0, "ranker_kafka_up")
            await watched.absent(*OF_LAG)
            await watched.shows(1, "ranker_redis_up")
            await watched.present(*OF_REDIS)
            assert running.collector.page({"event_type": "view", "article_id": "/1"}).status == 202
            assert running.collector.metric("kafka_up") == 0
            await watched.reader_shows("old lists", lambda values: values["ranker_list_age_seconds"] > 5)
            own_redis.suspend()
            await watched.shows(0, "ranker_redis_up")
            kafka_apache.resume()
            await watched.shows(1, "ranker_kafka_up")
            await watched.shows(0, "ranker_redis_up")
        finally:
            own_redis.resume()
            kafka_apache.resume()
        await watched.present(*OF_LAG)

        async def has_brokers() -> bool:
            return bool((await engine.admin(lambda admin: admin.describe_cluster()))["brokers"])

        await engine.until("the broker's return to its cluster", has_brokers, 40.0)
