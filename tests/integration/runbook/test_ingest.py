"""The sections on what comes in: producers, a collector that refuses, its spool."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until
from ranker.service.runbook import Section
from tests.integration.consume.test_loss import send
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import SITE_TOML, Site

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change


async def test_a_producer_loses_events(new_site: Callable[..., Site]) -> None:
    """Ten of its events never came: both commands say so, until they come."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()

    async def missing() -> float:
        return await consumer.metric("ranker_producer_missing", producer="app")

    async with engine.traffic.producer() as producer:
        await send(producer, engine.topic, "app/1", (n for n in range(300) if not 100 <= n < 110))
        await engine.until_counted()
        await engine.until("the loss", missing, 40.0)
        with Guide(site, Section.PRODUCERS) as guide:
            said = await guide.run()
        assert 'ranker_producer_missing{producer="app"} 10.0' in said
        assert "app" in said.partition("\n\n")[2].partition("ranker_producer_")[0]
        await send(producer, engine.topic, "app/1", range(100, 110))

    async def none_missing() -> bool:
        return await missing() == 0

    await engine.until("the end of the loss", none_missing, 40.0)


async def test_the_collector_refuses(new_site: Callable[..., Site]) -> None:
    """A page that ranker.toml does not know is refused; once it does, and after a restart, it is not."""
    site = new_site()
    engine = site.engine
    await site.begin(0)
    site.start_collector()
    until("the collector", lambda: site.ready("collector"))
    assert site.post("/a", Authorization="", Origin="https://www.example.org") == 403
    with Guide(site, Section.COLLECTOR_REFUSES) as guide:
        said = await guide.run()
        assert 'collector_refused_requests_total{reason="foreign_origin"} 1.0' in said
        assert "foreign_origin" in said.rpartition("collector_")[2] or "origin" in said.rpartition("\n")[2]
        said = await guide.run()
        assert "1 article" in said
        site.stop()
        site.reconfigure(SITE_TOML.replace("hosts", 'origins = ["https://www.example.org"]\nhosts'))
        site.start_collector()
        until("the collector", lambda: site.ready("collector"))
    assert site.post("/a", Authorization="", Origin="https://www.example.org") == 202
    await engine.until_counted()
    await engine.check()


async def test_the_spool_fills(new_site: Callable[..., Site], kafka_apache: ApacheKafka) -> None:
    """At its limit it refuses; with a higher one it takes more, and all that was taken is counted."""
    site = new_site(config=f"{SITE_TOML}[collect]\nspool_mb = 32\nkey_events_s = 1000000\n")
    engine = site.engine
    await site.begin(0)
    site.start_collector()
    until("the collector", lambda: site.ready("collector"))
    kafka_apache.suspend()
    body = json.dumps([{"article_id": f"/{'a' * 480}{number}"} for number in range(120)])
    taken = 0

    def full() -> bool:
        nonlocal taken
        status = site.post_body(body)
        taken += 120 * (status == 202)
        return status == 503

    until("a full spool", full, 120.0, 0.0)
    with Guide(site, Section.SPOOL_FILLS, **{"/var/lib/ranker-collect": str(engine.directory / "spool")}) as guide:
        said = await guide.look()
    assert "collector_spool_nearly_full 1.0" in said
    assert "spool_mb = 32" in said
    site.stop()
    site.reconfigure(f"{SITE_TOML}[collect]\nspool_mb = 64\nkey_events_s = 1000000\n")
    site.start_collector()
    until("the collector", lambda: site.ready("collector"))
    assert site.post("/one-more") == 202
    kafka_apache.resume()
    until("an empty spool", lambda: site.metric("collector_spool_events") == 0, 120.0)
    await engine.until_counted(60.0)
    assert sum(await engine.applied()) >= taken + 1
