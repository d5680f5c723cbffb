"""The sections on how views flow: a process away, consumers behind, a viral night, more partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deploy.local.waiting import until
from ranker.service.runbook import Section
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import Site

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change


async def test_a_process_is_away(new_site: Callable[..., Site]) -> None:
    """One consumer is killed, the other one takes its partitions; a third joins them."""
    site = new_site()
    engine = site.engine
    first = await site.begin()
    second = engine.consume()
    await engine.until("readiness", second.ready)
    second.child.kill()  # `$CONSUMER` is the killed one as long as nobody calls it ended on purpose
    with Guide(site, Section.PROCESS_AWAY, ACTIVE=engine.generation.id) as guide:
        said = await guide.look()
        second.ended = True
        assert "no reply" in said
        assert "ranker-consume" in said
        await engine.traffic.send(500)
        await engine.until_counted()
        await engine.until("readiness", first.ready)
        third = engine.consume()
        await engine.until("readiness", third.ready)
    await engine.check()


async def test_consumers_are_behind(new_site: Callable[..., Site]) -> None:
    """A backlog that was sent while none ran: the commands show it, and it goes."""
    site = new_site()
    engine = site.engine
    first = await site.begin()
    first.stop()
    await engine.traffic.send(3_000)
    consumer = engine.consume()
    await engine.until_counted()

    async def committed() -> bool:
        return await consumer.metric("ranker_lag_records") == 0

    await engine.until("no lag", committed)
    with Guide(site, Section.CONSUMERS_BEHIND, ACTIVE=engine.generation.id) as guide:
        said = await guide.run()
    assert "ranker_lag_records{partition=" in said
    assert "CURRENT-OFFSET" in said
    assert "ranker_step_duration_seconds_count" in said
    await engine.check()


async def test_a_viral_night(new_site: Callable[..., Site]) -> None:
    """All views are of one article, so in one partition: the lag goes, and the count is right."""
    site = new_site()
    engine = site.engine
    await site.begin()
    site.start_reader()
    until("a list", site.ranking)
    views = 20_000
    sending = asyncio.create_task(site.read("/viral", views))
    with Guide(site, Section.VIRAL_NIGHT) as guide:
        said = await guide.run()
    assert 'ranker_lag_seconds{partition="0"}' in said
    assert "ranker_list_age_seconds" in said
    assert "maxmemory:0" in said
    await sending
    await engine.until_counted()
    until("the article", lambda: site.ranking()["items"][0]["count"] == views)
    await engine.check()


async def test_adding_partitions(new_site: Callable[..., Site]) -> None:
    """Twice as many, while views come in; nothing is restarted."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    with Guide(site, Section.ADD_PARTITIONS) as guide:
        await guide.run()
        engine.partitions = 8
        await engine.traffic.send(2_000)

        async def all_open() -> bool:
            return await consumer.metric("ranker_gates_open") == 8

        await engine.until("the new partitions", all_open, 40.0)
        await engine.until_counted()

        async def marked() -> bool:
            return await consumer.metric("ranker_strays") > 0

        await engine.until("the strays", marked)
        said = await guide.run()
    assert "ranker_gates_open 8.0" in said
    assert "shards   8, " in said
    assert "\nequal: 2,500 records" in said
    await engine.check()
