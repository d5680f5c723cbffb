"""The sections on Redis: lost, full, failing over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.ports import HOST
from deploy.local.redis import RedisServer
from deploy.local.redis_sentinel import RedisBySentinel
from ranker.service.runbook import Section
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import Site


@pytest.mark.long
async def test_redis_is_lost(new_site: Callable[..., Site], new_redis: Callable[..., RedisServer]) -> None:
    """It is killed, and comes back empty: the log is counted anew, and equals what is recounted."""
    server = new_redis()
    site = new_site(redis_url=server.url)
    engine = site.engine
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(1000)
    await engine.until_counted()
    with Guide(site, Section.REDIS_LOST) as guide:
        server.kill()
        await engine.until("the trouble", lambda: consumer.says("Redis"))
        said = await guide.look()
        assert "Connection refused" in said
        assert "fault  Redis" in said
        shutil.rmtree(server.directory)
        server.directory.mkdir()
        server.start()
        await engine.until_counted()
        said = await guide.run()
    assert "aof_enabled:1" in said
    assert "equal: 1,000 records" in said
    await engine.until("readiness", consumer.ready)
    await engine.check()


@pytest.mark.long  # half a minute
async def test_redis_is_full(new_site: Callable[..., Site], new_redis: Callable[..., RedisServer]) -> None:
    """Views wait while there is no memory; with more of it, and without the old generation, all are counted."""
    server = new_redis()
    site = new_site(redis_url=server.url)
    engine = site.engine
    await engine.create_topic(2)
    first = engine.consume()
    await engine.traffic.send(500)
    await engine.until_counted()
    first.stop()
    old = engine.generation.id
    engine.reconfigure("epoch = 1\n" + engine.config.read_text())
    consumer = engine.consume()
    await engine.until_counted()
    assert engine.ranker("generations", "activate", engine.generation.id).returncode == 0
    await engine.client.config_set("maxmemory", "1mb")
    await engine.traffic.send(2000)
    await engine.until("the trouble", lambda: consumer.says("Redis is out of memory"))
    with Guide(site, Section.REDIS_FULL, OLD=old) as guide:
        said = await guide.look()
        assert "maxmemory:1048576" in said
        assert old in said
        assert f"{old} is dropped" in await guide.run()
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
        said = await guide.run()
    assert '"ready":true' in said
    assert "equal: 2,500 records" in said
    await engine.check()


@pytest.fixture
def by_sentinel(tmp_path: Path) -> Iterator[RedisBySentinel]:
    made = RedisBySentinel(tmp_path / "by-sentinel", sentinels=1)
    made.start()
    yield made
    made.stop()


def _names(by_sentinel: RedisBySentinel) -> dict[str, str]:
    return {"-h sentinel-1 -p 26379": f"-h {HOST} -p {by_sentinel.sentinels[0].port}"}


@pytest.mark.long  # half a minute
async def test_redis_fails_over(new_site: Callable[..., Site], by_sentinel: RedisBySentinel) -> None:
    """The primary is killed under load: commands meanwhile; and afterwards they show the other one, and equal counts."""
    site = new_site(redis_url=by_sentinel.url)
    engine = site.engine
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    primary, replica = by_sentinel.servers
    async with engine.traffic.flowing(per_s=500):
        await engine.until_counted()
        primary.kill()
        with Guide(site, Section.REDIS_FAILS_OVER, **_names(by_sentinel)) as guide:
            said = await guide.look()
        assert f"\n{primary.port}\n" in said or f"\n{replica.port}\n" in said
        assert "ranker_rewinds_total" in said

        async def counts_on() -> bool:
            with replica.client() as client:
                return str(client.info("replication")["role"]) == "master" and await consumer.ready()

        await engine.until("the failover", counts_on, 40.0)
    await engine.until_counted()
    with Guide(site, Section.REDIS_FAILS_OVER, **_names(by_sentinel)) as guide:
        said = await guide.run()
    assert f"\n{replica.port}\n" in said
    assert "ranker_rewinds_total" in said
    assert "\nequal: " in said
    await engine.check()
