"""The sections on Kafka: lost, slow, a topic created again or with wrong settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until
from ranker.service.runbook import Section
from tests.integration.consume.engine import Engine
from tests.support.recount import Recount
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import Site

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change


async def _counted(site: Site) -> Engine:
    """A system with a collector, whose consumer has counted some views."""
    await site.begin()
    site.start_collector()
    until("the collector", lambda: site.ready("collector"))
    return site.engine


async def test_kafka_is_lost(new_site: Callable[..., Site], kafka_apache: ApacheKafka) -> None:
    """What the collector took meanwhile is on its disk, then in the log, and counted."""
    site = new_site()
    engine = await _counted(site)
    with Guide(site, Section.KAFKA_LOST) as guide:
        kafka_apache.kill()
        assert [site.post(f"/a/{number}") for number in range(5)] == [202] * 5
        until("the spool", lambda: site.metric("collector_spool_events") == 5)
        said = await guide.look()
        assert "fault  Kafka" in said
        assert "collector_kafka_up 0.0" in said
        assert "collector_spool_events 5.0" in said
        kafka_apache.start()
        until("an empty spool", lambda: site.metric("collector_spool_events") == 0, 60.0)
        await engine.until_counted(60.0)
        said = await guide.run()
    assert "Partition:" not in said
    assert "\nequal: 505 records" in said
    await engine.check()


async def _waits(site: Site, long_s: float) -> bool:
    """Whether an event has been on the collector's disk for so long."""
    return await asyncio.to_thread(site.metric, "collector_spool_oldest_seconds") > long_s


async def test_kafka_is_slow(new_site: Callable[..., Site], kafka_apache: ApacheKafka) -> None:
    """It stands still for a while with its connections open: events wait on the disk, and are counted."""
    site = new_site()
    engine = await _counted(site)
    kafka_apache.suspend()
    assert site.post("/a") == 202
    until("the spool", lambda: site.metric("collector_spool_oldest_seconds") > 1)
    with Guide(site, Section.KAFKA_SLOW) as guide:
        looking = asyncio.create_task(guide.look())
        await engine.until("a while", lambda: _waits(site, 20.0))
        kafka_apache.resume()  # the commands, which began while it stood still, go on
        said = await looking
    assert "fault  Kafka" in said
    until("an empty spool", lambda: site.metric("collector_spool_events") == 0, 60.0)
    with Guide(site, Section.KAFKA_SLOW) as guide:
        said = await guide.run()
    assert "1 broker at" in said
    assert "Partition:" not in said
    assert "collector_kafka_up 1.0" in said
    assert "ranker_freshness_seconds_count" in said
    await engine.until_counted()
    await engine.check()


async def test_a_topic_was_created_again(new_site: Callable[..., Site]) -> None:
    """Its partitions stop; the new log is counted as another generation."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    await engine.admin(lambda admin: admin.delete_topics([engine.topic]))

    async def gone() -> bool:
        return engine.topic not in await engine.admin(lambda admin: admin.list_topics())

    await engine.until("the deletion", gone)
    await engine.create_topic(4)
    engine.recount = Recount(engine.bootstrap, engine.topic, engine.rules)
    await engine.traffic.send(3000)
    for partition in range(4):
        words = f"partition {partition}: this is not the log that was counted"
        await engine.until("the stop", lambda words=words: consumer.says(words), 40.0)  # type: ignore[misc]
    with Guide(site, Section.TOPIC_RECREATED) as guide:
        said = await guide.run()
        assert "this is not the log that was counted" in said
        assert f"{engine.topic}: set" in said
        await site.take_over(guide.start())
        said = await guide.run()
    assert "\nequal: 3,000 records" in said
    assert "\nfault" not in said
    await engine.check()


async def test_a_topic_has_wrong_settings(new_site: Callable[..., Site]) -> None:
    """Those that counts need are set, and `ranker check` is content."""
    site = new_site()
    engine = site.engine
    await engine.create_topic(2, message_timestamp_type="CreateTime", cleanup_policy="compact")
    said = engine.ranker("check").stdout
    assert "fault  Kafka" in said
    with Guide(site, Section.TOPIC_SETTINGS) as guide:
        assert "would be" in await guide.look()
        said = await guide.run()
    assert "ok     Kafka" in said
    assert "\nfault" not in said
