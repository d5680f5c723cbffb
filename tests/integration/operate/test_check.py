from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port
from deploy.local.redis import RedisServer
from ranker.commands import main
from ranker.consume.errors import UnfitStoreError
from ranker.consume.jobs.keep_active import ActiveKeeper
from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation
from ranker.log import admin
from ranker.operate import check, topics
from ranker.operate.findings import Finding
from ranker.store import generations, redis_info
from ranker.store.connection import connect
from ranker.store.keys import ShardKeys
from tests.support.shard_writer import activate
from tests.support.stores import STORES


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def off_by(seconds: int) -> Callable[[], int]:
    """This machine's clock, set wrong by so many seconds."""
    return lambda: now_ms() + seconds * 1000


def of(kind: str, findings: list[Finding]) -> list[str]:
    return [f"{finding.subject}: {finding.text} | {finding.fix}" for finding in findings if finding.kind == kind]


@pytest.fixture
def generation() -> Generation:
    return Generation(f"views-{uuid.uuid4().hex[:8]}", DEFAULT_WINDOWS, DEFAULT_BOARDS)


async def apply(bootstrap: str, generation: Generation, views_config: dict[str, str] | None = None) -> None:
    wanted = topics.wanted(generation)
    wanted[0] = replace(wanted[0], config=wanted[0].config | (views_config or {}))
    async with admin.connected(bootstrap) as log:
        await topics.apply(log, wanted, 1, dry=False)


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    opened = connect(request.getfixturevalue(request.param))
    yield opened
    await opened.aclose()


@pytest.fixture
async def single(redis_url: str) -> AsyncIterator[Any]:
    opened = connect(redis_url)
    yield opened
    await opened.config_set("maxmemory-policy", "noeviction")
    await opened.aclose()


@pytest.mark.parametrize("kafka", ["kafka_apache", "kafka_embedded"])
async def test_what_topics_apply_made_is_fit(
    request: pytest.FixtureRequest, generation: Generation, kafka: str
) -> None:
    """After `ranker topics apply`, `ranker check` has nothing to say against Kafka."""
    broker = request.getfixturevalue(kafka)
    bootstrap = broker if isinstance(broker, str) else broker.bootstrap
    await apply(bootstrap, generation)
    findings = await check.kafka(bootstrap, generation, now_ms, accept_create_time=False)
    assert {finding.kind for finding in findings} == {"ok"}
    assert len(findings) == 4


async def test_missing_topics_are_each_a_fault(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """What to do about them is one command."""
    findings = await check.kafka(kafka_apache.bootstrap, generation, now_ms, accept_create_time=False)
    faults = of("fault", findings)
    assert any(f"topic {generation.topic} does not exist | run `ranker topics apply`" in fault for fault in faults)
    assert any(f"topic {generation.topic}.dead does not exist" in fault for fault in faults)


async def test_a_topic_set_otherwise_has_all_its_faults_at_once(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """Retention, compaction and the kind of time."""
    wrong = {"retention.ms": "86400000", "cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    await apply(kafka_apache.bootstrap, generation, wrong)
    findings = await check.kafka(kafka_apache.bootstrap, generation, now_ms, accept_create_time=False)
    faults = of("fault", findings)
    assert len(faults) == 3
    for told in ("retention.ms is 86400000 (1.0 days)", "cleanup.policy is compact", "producers' times instead"):
        assert sum(told in fault for fault in faults) == 1


async def test_create_time_that_is_accepted_is_a_note(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """Then late and future are as right as the producers' clocks, which somebody should know."""
    await apply(kafka_apache.bootstrap, generation, {"message.timestamp.type": "CreateTime"})
    findings = await check.kafka(kafka_apache.bootstrap, generation, now_ms, accept_create_time=True)
    assert of("fault", findings) == []
    assert len(of("note", findings)) == 1


@pytest.mark.parametrize("kafka", ["kafka_apache", "kafka_embedded"])
async def test_times_that_a_broker_does_not_stamp_are_seen_in_the_records(
    request: pytest.FixtureRequest, generation: Generation, kafka: str
) -> None:
    """The embedded broker keeps the setting and does not heed it: a fault, or a note where such times are accepted."""
    broker = request.getfixturevalue(kafka)
    bootstrap = broker if isinstance(broker, str) else broker.bootstrap
    await apply(bootstrap, generation)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for _ in range(3):  # batches: the embedded broker's end offsets lag by one
            await producer.send_and_wait(generation.topic, b"{}", partition=2)
    finally:
        await producer.stop()
    for accepted, kind in ((False, "fault"), (True, "note")):
        findings = await check.kafka(bootstrap, generation, now_ms, accept_create_time=accepted)
        said = [one for one in of(kind, findings) if f"newest records of {generation.topic}" in one]
        assert len(said) == (kafka == "kafka_embedded"), findings
        assert all("RANKER_ENV=development" in one for one in said if kind == "fault")


@pytest.mark.parametrize(("behind_s", "seen"), [(0, False), (60, True)])
async def test_a_broker_ahead_of_us_is_seen(
    kafka_apache: ApacheKafka, generation: Generation, behind_s: int, seen: bool
) -> None:
    """Where the broker stamps records itself, a stamp from our future shows that the clocks are apart."""
    await apply(kafka_apache.bootstrap, generation)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_apache.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(generation.topic, b"{}", partition=2)
    finally:
        await producer.stop()
    findings = await check.kafka(kafka_apache.bootstrap, generation, off_by(-behind_s), accept_create_time=False)
    assert any("ahead of this machine" in fault for fault in of("fault", findings)) is seen


@asynccontextmanager
async def live(bootstrap: str, topic: str) -> AsyncIterator[None]:
    """Records come in while the block runs; the first is there before."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()

    async def send() -> None:
        while True:
            await producer.send_and_wait(topic, b"{}", partition=1)
            await asyncio.sleep(0.02)

    await producer.send_and_wait(topic, b"{}", partition=1)
    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        await producer.stop()


@pytest.mark.parametrize(("our_s", "told"), [(0, None), (1, None), (-1, None), (-4, "ahead of"), (4, "behind")])
async def test_a_broker_with_another_clock_is_seen_by_what_comes_in(
    kafka_apache: ApacheKafka, generation: Generation, our_s: int, told: str | None
) -> None:
    """Either way, and how far: a stamp of which it is known when its record was appended."""
    await apply(kafka_apache.bootstrap, generation)
    async with live(kafka_apache.bootstrap, generation.topic):
        findings = await check.kafka(kafka_apache.bootstrap, generation, off_by(our_s), accept_create_time=False)
    said = [finding for finding in findings if finding.subject == "clocks"]
    assert [finding.kind for finding in said] == (["fault"] if told else [])
    for finding in said:
        told_s = re.fullmatch(r"broker 1: its clock is (\d\.\d) s (ahead of|behind) this machine's", finding.text)
        assert told_s is not None, finding.text
        assert told_s[2] == told
        assert 2 < float(told_s[1]) <= abs(our_s)


async def test_where_nothing_comes_in_a_clock_behind_is_not_seen(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """That is said: a clock is not right because nobody has looked at it."""
    await apply(kafka_apache.bootstrap, generation)
    async with live(kafka_apache.bootstrap, generation.topic):
        pass
    findings = await check.kafka(kafka_apache.bootstrap, generation, off_by(60), accept_create_time=False)
    assert of("fault", findings) == []
    (note,) = of("note", findings)
    assert "whether its clock is behind cannot be seen" in note


@pytest.mark.parametrize(
    ("replicas", "least", "in_sync", "kind", "told"),
    [
        (1, "1", 1, None, "one copy: what is acknowledged is on one broker"),
        (3, "2", 3, None, "3 copies: what is acknowledged is on 2 brokers at least"),
        (3, "2", 2, "note", "2 of its 3 copies in sync: what it acknowledges now is on no others"),
        (2, "1", 1, "note", "1 of its 2 copies in sync"),
        (3, "2", 1, "fault", "1 of its 3 copies in sync: nothing can be written to it"),
        (1, "2", 1, "fault", "fewer copies (1) than min.insync.replicas (2): nothing can be written to it"),
    ],
)
def test_what_an_acknowledged_record_stands_on(
    replicas: int, least: str, in_sync: int, kind: str | None, told: str
) -> None:
    """How many brokers have it at least, and which of the copies are there now."""
    state = admin.TopicState("page-views", 4, replicas, {topics.IN_SYNC: least}, in_sync)
    found = check._out_of_sync(state)
    assert [finding.kind for finding in found] == ([kind] if kind else [])
    assert told in " ".join(finding.text for finding in [check._there("page-views", state), *found])


async def test_no_kafka_is_one_fault(generation: Generation) -> None:
    """With the address that was tried, and where to change it."""
    bootstrap = f"127.0.0.1:{free_port()}"
    (fault,) = of("fault", await check.kafka(bootstrap, generation, now_ms, accept_create_time=False))
    assert bootstrap in fault
    assert "RANKER_KAFKA_BOOTSTRAP" in fault


async def test_every_server_is_looked_at(client: Any) -> None:
    """Redis, Valkey, and each primary of a cluster: product, version, policy and clock."""
    found = await redis_info.servers(client, now_ms)
    names = {one.name for one in found}
    assert len(names) == len(found)
    for one in found:
        assert one.product in ("Redis", "Valkey")
        assert one.version >= (7, 0)
        assert (one.policy, one.loading) == ("noeviction", False)
        assert abs(one.clock_ahead_ms) < 1000
    assert {finding.kind for finding in await check.redis(client, "url", "abc", now_ms)} == {"ok"}


async def test_valkey_is_not_taken_for_an_old_redis(valkey_url: str) -> None:
    """Valkey tells a Redis version for compatibility; it is judged by its own name."""
    opened = connect(valkey_url)
    (one,) = await redis_info.servers(opened, now_ms)
    await opened.aclose()
    assert one.product == "Valkey"
    assert one.version[0] >= 8


async def test_a_policy_that_evicts_is_a_fault(single: Any) -> None:
    """Read from INFO, since CONFIG is often forbidden."""
    await single.config_set("maxmemory-policy", "allkeys-lru")
    (fault,) = of("fault", await check.redis(single, "url", "abc", now_ms))
    assert "maxmemory-policy allkeys-lru" in fault
    assert "noeviction" in fault


async def test_the_consumer_does_not_begin_on_a_redis_that_evicts(single: Any, generation: Generation) -> None:
    """No version tells of an evicted count: nothing is written before the policy is known to be safe."""
    keeper = ActiveKeeper(single, generation, lambda: check.unfit(single, now_ms))
    await single.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(UnfitStoreError, match="noeviction"):
        await keeper.before_opening(4)
    assert await single.keys("*") == []
    await single.config_set("maxmemory-policy", "noeviction")
    await keeper.before_opening(4)
    assert await single.keys("*") != []


async def test_a_replica_is_a_fault(redis_server: RedisServer, redis_url: str) -> None:
    """Counts written there would be refused; the fix is the primary's address."""
    opened = connect(redis_url)
    with redis_server.client() as plain:
        plain.replicaof("127.0.0.1", str(free_port()))
        try:
            (fault,) = of("fault", await check.redis(opened, "url", "abc", now_ms))
        finally:
            plain.replicaof("NO", "ONE")
            await opened.aclose()
    assert "is a replica; RANKER_REDIS_URL has to lead to the primary" in fault


@pytest.mark.parametrize(("off_s", "told"), [(1, None), (-1, None), (30, "30.0 s behind"), (-30, "30.0 s ahead of")])
async def test_clocks_apart_are_a_fault(single: Any, off_s: int, told: str | None) -> None:
    """Beyond two seconds nothing is retired, so the operator hears which way and how far."""
    faults = of("fault", await check.redis(single, "url", "abc", off_by(off_s)))
    assert len(faults) == (told is not None)
    assert told is None or told[:4] in faults[0]
    assert told is None or told.split(" s ")[1] in faults[0]


async def test_an_old_redis_is_a_fault() -> None:
    """Scripts with flags came with 7.0."""
    old = redis_info.Server("", "Redis", (6, 2, 14), "noeviction", loading=False, clock_ahead_ms=0)
    (finding,) = check._server(old)
    assert (finding.kind, "too old" in finding.text) == ("fault", True)


async def test_another_active_generation_is_a_note(single: Any) -> None:
    """These settings count something that readers do not show yet: no fault, but worth knowing."""
    await generations.restore_active(single, generations.Active(3, "0123456789ab", 4))
    (note,) = of("note", await check.redis(single, "url", "abcdef012345", now_ms))
    assert "ranker generations activate abcdef012345" in note
    assert of("note", await check.redis(single, "url", "0123456789ab", now_ms)) == []


async def test_a_user_without_info_is_a_fault(single: Any, redis_url: str) -> None:
    """Where the policy cannot be read nothing is known: said with the right to grant, not as a traceback."""
    await single.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "+get")
    opened = connect(redis_url.replace("redis://", "redis://narrow:pw@"))
    try:
        (fault,) = of("fault", await check.redis(opened, "redis://shown", "abc", now_ms))
    finally:
        await opened.aclose()
        await single.execute_command("ACL", "DELUSER", "narrow")
    assert "+info +time" in fault


@pytest.mark.parametrize(
    ("seconds_behind", "kind", "said"),
    [
        ({0: 61, 1: 60, 2: 0}, "fault", "partition 0 (61 s behind): stands still or catches up"),
        ({0: 3600, 2: 0}, "fault", "partition 0 (3600 s behind), 1 (not begun): stands still or catches up"),
        ({0: 61, 1: 61, 2: 61}, "note", "partition 0 (61 s behind), 1 (61 s behind), 2 (61 s behind)"),
        ({0: 60, 1: 1, 2: 0}, "ok", "3 partitions are level"),
    ],
)
async def test_partitions_that_stand_still_are_named(
    client: Any, generation: Generation, seconds_behind: dict[int, int], kind: str, said: str
) -> None:
    """One of several is a fault; all of them may be on purpose, and a check before the start must not prevent it."""
    now = now_ms()
    assert await check.counting(client, now_ms, 60_000) == []
    await activate(client, generation, 3)
    for partition, seconds in seconds_behind.items():
        await client.hset(ShardKeys(generation.id, partition).meta, mapping={"T": now - seconds * 1000})
    (found,) = await check.counting(client, lambda: now, 60_000)
    assert (found.kind, said in found.text) == (kind, True), found


async def test_no_redis_is_one_fault() -> None:
    """With the address as it may be shown, and where to change it."""
    opened = connect(f"redis://127.0.0.1:{free_port()}")
    (fault,) = of("fault", await check.redis(opened, "redis://shown", "abc", now_ms))
    assert await check.counting(opened, now_ms, 60_000) == []
    await opened.aclose()
    assert "redis://shown" in fault
    assert "RANKER_REDIS_URL" in fault


def test_the_installed_client_is_the_one_the_fold_was_written_for() -> None:
    """With the pinned requirements, batches are folded inside the client."""
    assert [finding.kind for finding in check.versions()] == ["ok"]


def ranker_check(tmp_path: Path, topic: str, **environ: str) -> tuple[int, str]:
    config = tmp_path / "ranker.toml"
    config.write_text(f'topic = "{topic}"\n')
    result = CliRunner().invoke(main, ["check", "--config", str(config)], env=dict(os.environ) | environ)
    return result.exit_code, result.output


def test_the_command_when_all_is_fit(
    kafka_apache: ApacheKafka, redis_url: str, generation: Generation, tmp_path: Path
) -> None:
    """Effective settings, findings, exit code 0."""
    asyncio.run(apply(kafka_apache.bootstrap, generation))
    code, said = ranker_check(
        tmp_path, generation.topic, RANKER_KAFKA_BOOTSTRAP=kafka_apache.bootstrap, RANKER_REDIS_URL=redis_url
    )
    assert code == 0, said
    assert f"topic                   {generation.topic}" in said
    assert said.endswith("\nno faults\n")


def test_the_command_tells_every_fault_at_once(tmp_path: Path) -> None:
    """Neither server there: both are said, secrets are not, exit code 1, no traceback."""
    code, said = ranker_check(
        tmp_path,
        "page-views",
        RANKER_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}",
        RANKER_REDIS_URL=f"redis://:s3cret@127.0.0.1:{free_port()}/0",
    )
    assert code == 1
    assert said.count("\nfault") == 2
    assert said.count("fix: start it") == 2
    assert said.endswith("\n2 faults\n")
    assert "s3cret" not in said
    assert "Traceback" not in said
