"""Records that stop a partition, are dead letters, are lost, or never came. An hour is thirty seconds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.alerts.conftest import StartWatch
from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support import checking
from tests.support.alerting import at, served_files
from tests.support.compared import PARTITIONS
from tests.support.frozen import DAY_MS, FrozenSite, records

FACTOR = 120
IMPATIENT = RANKER_TOML + "dead_stretch = 100\n"


async def send(engine: Engine, values: Iterable[bytes]) -> None:
    """All to partition 0."""
    async with engine.traffic.producer() as producer:
        for value in values:
            await producer.send(engine.topic, value, partition=0)
        await producer.flush()


@pytest.mark.long
async def test_bad_records(new_engine: Callable[..., Engine], watch: StartWatch) -> None:
    """They stop their partition until an operator accepts them; then they are many dead letters, until half an hour ago."""
    engine = new_engine(config=IMPATIENT)
    await engine.create_topic(2)
    first = engine.consume()
    rules = watch(FACTOR, consume=at(first.admin))
    await send(engine, [b"{"] * 150)
    await rules.fires("RankerPartitionStopped")
    said = " ".join(await first.reasons() or ())
    offer = re.search(r"--accept-bad (0:\d+)", said)
    assert offer, said
    first.stop()
    second = engine.consume("--accept-bad", offer[1])
    rules.prometheus.targets["consume"] = at(second.admin)
    rules.prometheus.reload()
    await rules.fires("RankerDeadLetters")
    await rules.silent("RankerPartitionStopped", "RankerDeadLetters")


@pytest.mark.long  # Kafka needs half a minute to delete
async def test_records_that_kafka_deleted(new_engine: Callable[..., Engine], watch: StartWatch) -> None:
    """While no consumer ran; reported by the next one, for an hour."""
    engine = new_engine()
    await engine.create_topic(2)
    first = engine.consume()
    await engine.traffic.send(500)
    await engine.until_counted(60.0)
    first.stop()
    await engine.traffic.send(500)
    n = (await engine.version(0))[1]
    deleted = {TopicPartition(engine.topic, 0): RecordsToDelete(before_offset=n + 50)}
    await engine.admin(lambda admin: admin.delete_records(deleted))
    second = engine.consume()
    rules = watch(FACTOR, consume=at(second.admin))
    await rules.fires("RankerRecordsLost")
    await rules.silent("RankerRecordsLost")


@pytest.mark.long  # a minute until a producer is silent
async def test_producers(new_engine: Callable[..., Engine], watch: StartWatch) -> None:
    """One event of a producer is missing until it arrives; a producer that sends all day falls silent for a while."""
    engine = new_engine()
    await engine.create_topic(1)
    consumer = engine.consume()
    run = os.urandom(4).hex()

    def event(sequence: int) -> bytes:
        said = {"event_id": f"{run}-{sequence}", "event_type": "view", "site_id": "demo", "article_id": "/a"}
        more = {"occurred_at": round(time.time() * 1000), "producer_id": f"web/{run}", "sequence": sequence}
        return json.dumps(said | more).encode()

    async def speak() -> None:
        async with engine.traffic.producer() as producer:
            for sequence in range(10_000):
                if sequence != 3:
                    await producer.send_and_wait(engine.topic, event(sequence), partition=0)
                await asyncio.sleep(0.5)

    speaking = asyncio.create_task(speak())
    rules = watch(FACTOR, consume=at(consumer.admin))
    await rules.fires("RankerProducerLoses")
    speaking.cancel()
    with suppress(asyncio.CancelledError):
        await speaking
    await rules.fires("RankerProducerSilent")
    await send(engine, [event(3)])
    await rules.silent("RankerProducerLoses", "RankerProducerSilent")


@pytest.mark.long  # half a minute of reading and freezing a log
async def test_periods(kafka_apache: ApacheKafka, redis_url: str, watch: StartWatch, tmp_path: Path) -> None:
    """`ranker freeze` fails because Redis is away; the next run makes what is due."""
    site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path)
    now_ms = checking.now_ms()
    await site.begin({n: records(n, site.site, now_ms - 3 * DAY_MS, now_ms, 300) for n in range(PARTITIONS)})
    (tmp_path / "written").mkdir()
    metrics = ("--kind", "day", "--metrics", str(tmp_path / "written" / "freeze.prom"))
    with served_files(tmp_path / "written") as address:
        rules = watch(720, node=[address])
        await rules.up()
        await site.freeze(*metrics, code=1, environ={"RANKER_REDIS_URL": "redis://127.0.0.1:1/0"})
        await rules.fires("RankerPeriodsMissing")
        await site.freeze(*metrics)
        await rules.silent("RankerPeriodsMissing")
