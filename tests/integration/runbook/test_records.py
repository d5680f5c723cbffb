"""The sections on records: a partition stopped, records lost, dead letters, a registry away, clocks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.local.ports import HOST, free_port
from ranker.service.runbook import Section
from ranker.store.keys import ShardKeys
from tests.integration.consume.engine import Engine
from tests.support.registry import SchemaRegistry, framed, serving
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import SITE_TOML, Site

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change

HIT = {
    "type": "record",
    "name": "org.example.Hit",
    "fields": [{"name": "path", "type": "string"}, {"name": "at", "type": "long"}],
}
AVRO = (
    SITE_TOML
    + """
[source]
format = "avro"
keys = "other"
fields.article_id = "path"
fields.occurred_at = "at"
constants.site_id = "demo"
constants.event_type = "view"
"""
)


async def _send(engine: Engine, values: list[bytes], partition: int = 0) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=engine.bootstrap)
    await producer.start()
    try:
        await asyncio.gather(*[await producer.send(engine.topic, value, partition=partition) for value in values])
    finally:
        await producer.stop()


async def test_a_partition_is_stopped(new_site: Callable[..., Site]) -> None:
    """Bad records stop it; by hand they are let pass, and lie among the dead letters."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    await _send(engine, [b"no event"] * 2_000)
    await engine.until("the stop", lambda: consumer.says("start with --accept-bad 0:"))
    await engine.traffic.send(500)
    port = free_port()
    with Guide(site, Section.PARTITION_STOPPED, **{"9199": str(port)}) as guide:
        said = await guide.run()
        assert 'partition="0",reason="bad_records"' in said
        assert "start with --accept-bad 0:" in said
        consumer.stop()
        end = (await engine.recount.read())[0]
        by_hand = guide.start(**{"PARTITION:OFFSET": f"0:{end}"})
        await engine.until_counted(60.0)
        said = await guide.run()
        assert '"ready":true' in said
        assert "malformed" in said
        await by_hand.interrupt()
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    await engine.check()


async def test_records_were_lost(new_site: Callable[..., Site]) -> None:
    """Kafka deletes some before they are counted: how many is known, and all else is equal."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    consumer.stop()
    before = (await engine.applied())[0]
    await engine.traffic.send(1_000)
    delete = {TopicPartition(engine.topic, 0): RecordsToDelete(before_offset=before + 20)}
    await engine.admin(lambda admin: admin.delete_records(delete))
    consumer = engine.consume()
    await engine.until_counted()
    with Guide(site, Section.RECORDS_LOST) as guide:
        said = await guide.run()
        assert "ranker_lost_records_total 20.0" in said
        assert "retention.ms=" in said
        said = await guide.run()
    assert "Completed updating config" in said
    assert "\nfault" not in said
    assert "\nequal" in engine.ranker("verify").stdout


async def test_dead_letters(new_site: Callable[..., Site]) -> None:
    """One of the future is sent again when its time has come; what is no event is not."""
    site = new_site()
    engine = site.engine
    await site.begin(0)
    now_ms = int(time.time() * 1000)
    # It has to be 300 s ahead when Kafka appends it, however busy the machine is.
    event = {
        "event_id": "e",
        "event_type": "view",
        "site_id": "demo",
        "article_id": "/a",
        "occurred_at": now_ms + 330_000,
    }
    await _send(engine, [json.dumps(event).encode(), b"no event"])
    await engine.until_counted()
    with Guide(site, Section.DEAD_LETTERS) as guide:
        said = await guide.run()
        assert "future" in said
        assert "malformed" in said

        async def it_is_time() -> bool:
            return time.time() * 1000 > now_ms + 31_000

        await engine.until("its time", it_is_time)
        await guide.run()
    await engine.until_counted()
    assert "resent" in engine.ranker("dead", "list").stdout
    assert sum(await engine.applied()) == 4, "two records, one again, and the end of its transaction"
    await engine.check()


async def test_the_schema_registry_is_away(new_site: Callable[..., Site]) -> None:
    """Records wait for it, and are counted when it is back."""
    site = new_site(config=AVRO)
    engine = site.engine
    registry, port = SchemaRegistry(), free_port()
    registry.add(7, HIT)
    site.engine.more_environ = {"RANKER_REGISTRY_URL": f"http://{HOST}:{port}"}
    await engine.create_topic(2)
    now_ms = int(time.time() * 1000)
    await _send(engine, [framed(7, HIT, {"path": f"/{n % 9}", "at": now_ms}) for n in range(200)])
    consumer = engine.consume()
    await engine.until("waiting", lambda: consumer.says("does not reply"))
    with Guide(site, Section.REGISTRY_AWAY) as guide:
        with serving(registry, port=port):
            said = await guide.look()
            await engine.until_counted()
            await engine.until("readiness", consumer.ready)
            assert "\nequal: 200 records" in engine.ranker("verify").stdout
        assert "partition 0 waits" in said
        assert "org.example.Hit" in said


async def test_clocks_differ(new_site: Callable[..., Site]) -> None:
    """T lies ahead by a day: said by the commands, and gone with the log counted anew."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    consumer.stop()
    for partition in range(4):
        await engine.client.hincrby(ShardKeys(engine.generation.id, partition).meta, "T", 86_400_000)
    consumer = engine.consume()
    await engine.until("the trouble", lambda: consumer.says("T lies 86"))
    with Guide(site, Section.CLOCKS_DIFFER) as guide:
        said = await guide.look()
        assert "T of a partition lies 86" in said
        assert 'ranker_lag_seconds{partition="0"} -86' in said
        consumer = await site.take_over(guide.start())
    assert engine.ranker("check").returncode == 0
    await engine.check()
