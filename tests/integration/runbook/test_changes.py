"""The sections on planned work: upgrading, other rules, a Redis Cluster, a backup, other secrets, days and weeks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from redis.exceptions import AuthenticationError

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from deploy.local.redis_cluster import RedisCluster
from deploy.local.waiting import until
from ranker.service.runbook import Section
from ranker.store.keys import ShardKeys
from tests.integration.consume.engine import Engine
from tests.support.frozen import DAY_MS, HOUR_MS, FrozenSite, records
from tests.support.runbook_commands import Guide, installed
from tests.support.runbook_site import SITE_TOML, Site
from tests.support.topics import read

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change


async def test_upgrading_and_rolling_back(new_site: Callable[..., Site]) -> None:
    """A version that writes another format: the partition stops, goes on with the old one, and is counted anew beside it."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    metas = [ShardKeys(engine.generation.id, partition).meta for partition in range(4)]
    with Guide(site, Section.UPGRADE) as guide:
        assert "ranker, version" in await guide.run()
        assert (engine.directory / "before.rdb").stat().st_size > 0
        assert "\nequal: " in await guide.run()
        consumer.stop()
        for meta in metas:
            await engine.client.hset(meta, "format", "2")  # as a newer version would
        consumer = engine.consume()
        await engine.until("the stop", lambda: consumer.says("start the version of the software that wrote them"))
        assert await consumer.metric("ranker_partition_stopped", reason="state") == 4
        await site.take_over(guide.start())
    assert "\nequal: " in engine.ranker("verify").stdout
    await engine.check()


async def test_changing_rules(new_site: Callable[..., Site]) -> None:
    """To those of the press, back, and to them for good."""
    site = new_site()
    engine = site.engine
    await site.begin()
    await site.read("/an-article", 100, repeat_key="the-same")
    await engine.until_counted()
    old, old_config = engine.generation.id, engine.directory / "old.toml"
    shutil.copy(engine.config, old_config)
    with Guide(site, Section.CHANGE_RULES, OLD=old) as guide:
        said = await guide.run()
        assert f"{old}  active" in said
        assert "tau-b" in said
        rebuild = guide.start()
        await engine.until("the activation", rebuild.says(" is active"), 60.0)
        keeper = engine.consume(config=old_config)  # of the old generation, for the way back
        await site.take_over(rebuild, keep=keeper)
        new = engine.generation.id
        assert f"{old} is active" in await guide.run()
        assert engine.ranker("generations", "activate", new).returncode == 0
        keeper.stop()
        assert f"{old} is dropped" in await guide.run()
    assert "\nequal: " in engine.ranker("verify").stdout


async def test_moving_to_a_cluster(
    new_site: Callable[..., Site], redis_cluster: RedisCluster, redis_cluster_url: str
) -> None:
    """Another generation is counted there beside the old one, equals the log, and is what a reader shows."""
    site = new_site()
    engine = site.engine
    await site.begin()
    node, port = f"{HOST}:{redis_cluster.nodes[0].port}", str(free_port())
    with Guide(site, Section.REDIS_CLUSTER, **{"node-1:6379": node, "9199": port}) as guide:
        assert "no faults" in await guide.run()
        by_hand = guide.start()
        await engine.traffic.send(500)
        site.ports["by_hand_admin"] = int(port)
        until("it is level", lambda: site.ready("by_hand"), 60.0)
        await engine.until_counted()
        said = await guide.run()
        assert '"ready":true' in said
        assert "\nequal: 1,000 records" in said
        await by_hand.interrupt()
    site.more = {"RANKER_REDIS_URL": redis_cluster_url}
    site.start_reader()
    until("a list of the Cluster", lambda: site.ranking() and site.ranking()["total"] > 0)
    await engine.check()


async def test_restoring_from_a_backup(new_site: Callable[..., Site], new_redis: Callable[..., RedisServer]) -> None:
    """A dump of some time ago takes the place of what Redis has: what it lacks is counted again. Topics come back as files."""
    server = new_redis()
    site = new_site(redis_url=server.url, config=f'{SITE_TOML}[sites.demo.calendar]\nzone = "Europe/Paris"\n')
    engine = site.engine
    consumer = await site.begin()
    async with engine.traffic.producer() as producer:
        await producer.send("articles", b'{"hidden": true}', key=b"demo/an article #editor")
        await producer.send("articles", None, key=b"demo/removed")
    aborted, right = b"a run that was killed", b"the document"
    await _document(engine, aborted, committed=False)
    await _document(engine, right, committed=True)
    with Guide(site, Section.RESTORE) as guide:
        await guide.run()
        backup = (engine.directory / "best-of.backup").read_bytes()
        assert right in backup
        assert aborted not in backup, "it would be the first document of its key, for ever"
        await engine.traffic.send(1_000)
        await engine.until_counted()
        server.stop()
        shutil.move(server.directory / "appendonlydir", engine.directory)
        shutil.copy(engine.directory / "backup.rdb", server.directory / "dump.rdb")
        server.extra = ("--appendonly", "no")
        server.start()

        async def found_older() -> bool:
            return await consumer.metric("ranker_rewinds_total") >= 1

        await engine.until("the older state", found_older)
        await engine.until_counted()
        said = await guide.run()
        assert "loading:0" in said
        assert "\nequal: 1,500 records" in said
        before = [(record.key, record.value) for record in await read(engine.bootstrap, "articles", 1)]
        await guide.run()  # here behind what is there
        after = [(record.key, record.value) for record in await read(engine.bootstrap, "articles", 1)]
    assert after[-len(before) :] == before
    assert (b"demo/removed", None) in before
    await engine.check()


async def _document(engine: Engine, value: bytes, *, committed: bool) -> None:
    """Writes to best-of in a transaction, as `ranker freeze` does."""
    producer = AIOKafkaProducer(bootstrap_servers=engine.bootstrap, transactional_id=f"{engine.topic}-{committed}")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait("best-of", value, key=b"no document of a site")
        await (producer.commit_transaction() if committed else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_rotating_keys_and_salts(
    new_site: Callable[..., Site], new_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    """Redis' password while a consumer counts, also after Redis' restart; a write key that is refused once it is old; today's salt."""
    (tmp_path / "users.acl").touch()
    server = new_redis("--aclfile", str(tmp_path / "users.acl"))
    site = new_site(redis_url=server.url, config=f"{SITE_TOML}visitors = true\n")
    engine = site.engine
    await engine.client.execute_command("ACL", "SETUSER", "consumer", "on", ">first", "~*", "+@all")
    (engine.directory / "redis.password").write_text("first\n")
    engine.more_environ = {
        "RANKER_REDIS_USERNAME": "consumer",
        "RANKER_REDIS_PASSWORD_FILE": str(engine.directory / "redis.password"),
    }
    await site.begin()
    site.start_collector()
    until("the collector", lambda: site.ready("collector"))
    salt = f"ranker:collect:salt:{datetime.now(UTC):%Y-%m-%d}"
    assert await engine.client.get(salt)
    with Guide(site, Section.ROTATE, NEW="second", OLD="first") as guide:
        inode = (engine.directory / "redis.password").stat().st_ino
        assert "OK" in await guide.run()
        assert (engine.directory / "redis.password").stat().st_ino == inode, "a container has this file mounted"
        await engine.client.client_kill_filter(user="consumer")
        await engine.traffic.send(500)
        await engine.until_counted()
        assert "ERR" not in await guide.run()
        server.stop()
        server.start()
        await engine.traffic.send(100)
        await engine.until_counted()
        with pytest.raises(AuthenticationError):
            await engine.client.execute_command("AUTH", "consumer", "first")
        assert "Completed updating config for user ranker-consume" in await guide.run()
        assert engine.ranker("check").returncode == 0
        assert "401" in await guide.run()
        site.stop()
        assert await engine.client.get(salt)
        await guide.run()
    assert await engine.client.get(salt) is None
    await engine.check()


class _Frozen:
    """A site with days that are over, for commands of the page."""

    def __init__(self, frozen: FrozenSite, broker: ApacheKafka) -> None:
        self.frozen, self.topic, self.directory = frozen, frozen.name, frozen.directory
        self._path = installed(frozen.directory / "bin", broker)

    @property
    def environ(self) -> dict[str, str]:
        return self.frozen.environ | {"PATH": self._path}


async def test_a_day_is_missing(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> None:
    """
    log       │ day 0 │▒▒▒ deleted ▒▒│ day 1, afternoon │ day 2 │ …
    documents   there   a hole: by name, not complete      due

    and another revision of day 2.
    """
    frozen = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path)
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    begin_ms = (now_ms // DAY_MS - 4) * DAY_MS
    written = {n: records(n, frozen.site, begin_ms, now_ms - HOUR_MS) for n in range(2)}
    await frozen.begin(written)
    days = [f"{datetime.fromtimestamp((begin_ms + n * DAY_MS) / 1000, UTC):%Y-%m-%d}" for n in range(3)]
    await frozen.freeze("--kind", "day", "--period", days[0])
    for partition, some in written.items():
        afternoon_ms = begin_ms + DAY_MS + 12 * HOUR_MS
        await frozen.delete(partition, next(raw.offset for raw in some if raw.timestamp > afternoon_ms))
    names = {"demo": frozen.site, "2026-11-28": days[1], "2026-11-29": days[2]}
    with Guide(_Frozen(frozen, kafka_apache), Section.PERIODS_MISSING, **names) as guide:
        said = await guide.look()
        assert "Kafka has deleted records" in said
        assert days[1] in said
        await guide.run()
        assert not (await frozen.document("day", days[1]))["complete"]
        assert (await frozen.document("day", days[2]))["complete"]
        await guide.run()
