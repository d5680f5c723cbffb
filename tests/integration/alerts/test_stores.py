"""Redis fills, Kafka stands still, a clock is wrong, the schema registry is away. An hour is thirty seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.alerts.conftest import StartWatch
from tests.integration.consume.engine import CHECKOUT, Engine
from tests.integration.consume.test_registry import CONFIG, Away, in_our_names, send
from tests.support.alerting import at
from tests.support.registry import serving

FACTOR = 120
CLOCK = """\
import time
AHEAD_S = 5
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + AHEAD_S
time.time_ns = lambda: _time_ns() + AHEAD_S * 1_000_000_000
"""


@pytest.mark.long  # most of a minute
async def test_redis_fills_and_kafka_stands_still(
    new_engine: Callable[..., Engine], kafka_apache: ApacheKafka, watch: StartWatch
) -> None:
    """Nearly full: a ticket; full: a page; with room again both end. So does the page about Kafka when it replies."""
    engine = new_engine()
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(500)
    await engine.until("readiness", consumer.ready, 60.0)
    rules = watch(FACTOR, consume=at(consumer.admin))
    used = int((await engine.client.info("memory"))["used_memory"])
    async with engine.traffic.flowing(50):
        await rules.up()
        await engine.client.config_set("maxmemory", used + used // 20)
        await rules.fires("RankerRedisNearlyFull")
        await engine.client.config_set("maxmemory", "1mb")
        await rules.fires("RankerRedisFull")
        await engine.client.config_set("maxmemory", "0")
        await rules.silent("RankerRedisFull", "RankerRedisNearlyFull")
    kafka_apache.suspend()
    await rules.fires("RankerKafkaAway")
    kafka_apache.resume()
    await rules.silent("RankerKafkaAway")


@pytest.mark.long
async def test_a_clock_is_wrong(new_engine: Callable[..., Engine], watch: StartWatch, tmp_path: Path) -> None:
    """A consumer whose clock is 5 s ahead of Redis', until it is started with the right one."""
    engine = new_engine()
    await engine.create_topic(2)
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    engine.more_environ = {"PYTHONPATH": f"{tmp_path / 'clock'}:{CHECKOUT}"}
    wrong = engine.consume()
    rules = watch(FACTOR, consume=at(wrong.admin))
    await rules.up()
    await rules.fires("RankerClocksDiffer")
    wrong.stop()
    engine.more_environ = {}
    right = engine.consume()
    await engine.until("readiness", right.ready, 60.0)
    rules.prometheus.targets["consume"] = at(right.admin)
    rules.prometheus.reload()
    await rules.up()
    await rules.silent("RankerClocksDiffer")


@pytest.mark.long
async def test_the_registry_is_away(new_engine: Callable[..., Engine], watch: StartWatch, tmp_path: Path) -> None:
    """A topic in Avro waits for its schemas until the registry replies."""
    away = Away(tmp_path)
    engine = new_engine(config=CONFIG, translated=in_our_names)
    engine.more_environ = away.environ
    await engine.create_topic(2)
    await send(engine, 100)
    consumer = engine.consume()
    rules = watch(FACTOR, consume=at(consumer.admin))
    await rules.up()
    await rules.fires("RankerRegistryAway")
    with serving(away.registry, port=away.port):
        await rules.silent("RankerRegistryAway")
