"""A topic of page views that is not ours: `ranker topics apply` leaves it alone, `ranker check` says what is missing."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from deploy.local.kafka_apache import ApacheKafka
from ranker.commands import main
from ranker.core.generation import Generation
from ranker.log import admin
from ranker.log.admin import TopicState
from ranker.operate import check_kafka, topics
from ranker.operate.findings import Finding
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.kafka_at import kafka_at, kafka_environ

DAY_MS = 86_400_000
STAMPED = {"message.timestamp.type": "LogAppendTime"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def generation() -> Generation:
    name = f"hits-{uuid.uuid4().hex[:8]}"
    return Generation(name, DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source({"time": "s"}))


async def create(kafka: ApacheKafka, name: str, config: dict[str, str], partitions: int = 3) -> None:
    async with admin.connected(kafka_at(kafka.bootstrap)) as log:
        await log.create(name, partitions, 1, config)


async def state_of(kafka: ApacheKafka, name: str) -> TopicState | None:
    async with admin.connected(kafka_at(kafka.bootstrap)) as log:
        return (await log.topics([name])).get(name)


async def apply(kafka: ApacheKafka, generation: Generation) -> None:
    async with admin.connected(kafka_at(kafka.bootstrap)) as log:
        await topics.apply(log, topics.wanted(generation), 1, dry=False)


async def checked(kafka: ApacheKafka, generation: Generation, *, accept_create_time: bool = False) -> list[Finding]:
    return await check_kafka.findings(
        kafka_at(kafka.bootstrap), generation, now_ms, accept_create_time=accept_create_time
    )


def ranker(kafka: ApacheKafka, folder: Path, topic: str, *arguments: str, more: str = "[source]\n") -> tuple[int, str]:
    config = folder / "ranker.toml"
    config.write_text(f'topic = "{topic}"\n{more}')
    environ = {**kafka_environ(kafka.bootstrap), "RANKER_ENV": "production"}
    result = CliRunner().invoke(main, [*arguments, "--config", str(config)], env=environ)
    return result.exit_code, result.output


async def test_theirs_is_left_alone_and_ours_are_made(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """Few partitions, little retention, their own settings: unchanged, no fault; dead letters and articles are there."""
    theirs = {"retention.ms": str(DAY_MS), "segment.ms": "60000", **STAMPED}
    await create(kafka_apache, generation.topic, theirs)
    before = await state_of(kafka_apache, generation.topic)
    async with admin.connected(kafka_at(kafka_apache.bootstrap)) as log:
        assert [topic.name for topic in topics.wanted(generation)] == [f"{generation.topic}.dead", "articles"]
        await topics.apply(log, topics.wanted(generation), 1, dry=False)
        (outcome,) = await topics.check_foreign(log, generation, accept_create_time=False)
    assert outcome == topics.Outcome(generation.topic, (), ())
    assert await state_of(kafka_apache, generation.topic) == before
    assert await state_of(kafka_apache, f"{generation.topic}.dead") is not None
    findings = await checked(kafka_apache, generation)
    assert [finding.kind for finding in findings] == ["ok", "note", "note", "ok", "ok"]
    assert "keeps records for 1.0 days, less than window 7d" in findings[1].text


async def test_a_fit_topic_is_ok(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """Stamped by the broker, kept for the longest window: nothing to say, but its partitions."""
    await create(kafka_apache, generation.topic, {"retention.ms": str(7 * DAY_MS), **STAMPED})
    await apply(kafka_apache, generation)
    findings = await checked(kafka_apache, generation)
    assert [finding.kind for finding in findings] == ["ok", "ok", "note", "ok", "ok"]
    assert "is empty" in findings[2].text
    assert (
        findings[1].text == f"topic {generation.topic}: 3 partitions, one copy: what is acknowledged is on one broker"
    )


async def test_what_counting_cannot_do_without_is_reported_at_once(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """The producers' times, with how to accept them, and compaction."""
    await create(kafka_apache, generation.topic, {"cleanup.policy": "compact", "retention.ms": "-1"})
    await apply(kafka_apache, generation)
    faults = [finding for finding in await checked(kafka_apache, generation) if finding.kind == "fault"]
    assert len(faults) == 2
    assert "compacted" in faults[0].text
    assert "accept_create_time = true under [kafka] in ranker.toml" in faults[1].fix
    accepted = await checked(kafka_apache, generation, accept_create_time=True)
    assert [finding.kind for finding in accepted] == ["ok", "fault", "note", "note", "ok", "ok"]
    assert "which the settings accept" in accepted[2].text


@pytest.mark.parametrize(
    ("event", "kind", "told"),
    [
        ({}, "ok", "of the newest 9 records of {topic} all can be read"),
        ({"ago_s": 30 * 86_400}, "fault", "6 are too old to be counted | if they are not, time in [source]"),
        ({"article_id": 1.5}, "fault", "6 cannot be counted, such as offset {first}: schema (Expected `int | str`, got `float` - at `$.article_id`)"),
        ({"article_id": "a b"}, "fault", "6 cannot be counted, such as offset {first}: article_id | compare [source]"),
        ({"ago_s": -3_600}, "ok", "all can be read"),
    ],
)  # fmt: skip
async def test_the_newest_records_are_tried(
    kafka_apache: ApacheKafka, generation: Generation, event: dict[str, Any], kind: str, told: str
) -> None:
    """Six such records of nine, in three partitions: a table that does not fit is seen before anything is counted."""
    await create(kafka_apache, generation.topic, STAMPED)
    await apply(kafka_apache, generation)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_apache.bootstrap)
    await producer.start()
    try:
        for number in range(9):
            changed = event if number < 6 else {}
            hit = {
                "site_id": "demo",
                "event_type": "view",
                "article_id": "/a",
                "occurred_at": time.time() - changed.get("ago_s", 0),
                **changed,
            }
            await producer.send_and_wait(generation.topic, json.dumps(hit).encode(), partition=number % 3)
    finally:
        await producer.stop()
    finding = (await checked(kafka_apache, generation))[2]
    assert finding.kind == kind
    assert told.format(topic=generation.topic, first=0) in f"{finding.text} | {finding.fix}"


async def test_few_bad_records_among_the_newest_are_a_note(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """Only the last hundred of a partition are looked at, and what is bad in few of them stops nothing."""
    await create(kafka_apache, generation.topic, STAMPED, partitions=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_apache.bootstrap)
    await producer.start()
    hit = {"site_id": "demo", "event_type": "view", "article_id": "/a", "occurred_at": time.time()}
    values = [b"old and bad"] * 40 + [json.dumps(hit).encode()] * 99 + [b"{"]
    try:
        await asyncio.gather(*[await producer.send(generation.topic, value, partition=0) for value in values])
    finally:
        await producer.stop()
    finding = (await checked(kafka_apache, generation))[2]
    assert finding.kind == "note"
    assert f"of the newest 100 records of {generation.topic} 1 cannot be counted, such as offset 139" in finding.text


async def test_a_missing_topic_is_one_fault(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """It is not ours to create, and asking does not create it."""
    await apply(kafka_apache, generation)
    faults = [finding for finding in await checked(kafka_apache, generation) if finding.kind == "fault"]
    assert [fault.text for fault in faults] == [
        f"topic {generation.topic} does not exist and, having a [source], is not ours to create"
    ]
    assert await state_of(kafka_apache, generation.topic) is None


def test_the_commands(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """apply ends with 1 while theirs cannot be counted, and with 0 once it can; it makes ours in either case."""
    name = f"hits-{uuid.uuid4().hex[:8]}"
    code, said = ranker(kafka_apache, tmp_path, name, "topics", "apply")
    assert code == 1
    assert f"{name}: is missing\n" in said
    assert f"fault: topic {name} does not exist and, having a [source], is not ours to create" in said
    assert f"{name}.dead: created with" in said
    other = f"hits-{uuid.uuid4().hex[:8]}"
    ranker(kafka_apache, tmp_path, other, "topics", "apply", more="")  # ours: stamped by the broker
    assert ranker(kafka_apache, tmp_path, other, "topics", "apply") == (
        0,
        f"{other}: is there\n{other}.dead: is there\narticles: is there\n",
    )
