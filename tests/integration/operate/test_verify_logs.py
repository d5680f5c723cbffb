"""`ranker verify` on another log than was counted: a copy, a changed copy, a shorter one, and one that retention cut."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.local.kafka_embedded import EmbeddedKafka
from ranker.log import stretch
from tests.integration.consume.engine import Engine
from tests.integration.operate.verifying import RULED, counted, equal, found, refused, verify
from tests.support.recount import Raw

MINUTE_MS = 60_000
Altered = Callable[[int, Raw], Raw]


@pytest.fixture
async def other_kafka(tmp_path: Path) -> AsyncIterator[str]:
    """A broker whose topics are the copies of one test."""
    broker = EmbeddedKafka(tmp_path / "copy")
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture
async def engine(new_engine: Callable[..., Engine]) -> Engine:
    """It has counted, and reads its log from the broker whose address it has."""
    made = new_engine(**RULED)
    await made.create_topic(2)
    await counted(made, 3000)
    await made.recount.read()
    return made


async def copy(
    engine: Engine, bootstrap: str, altered: Altered = lambda _partition, record: record, cut: int = 0
) -> None:
    """The log with the offsets and append times that it has: the topic takes the times that it is given."""
    engine.bootstrap = bootstrap
    await engine.create_topic(2, message_timestamp_type="CreateTime")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for partition in range(2):
            records = engine.recount.records[partition]
            assert [record.offset for record in records] == list(range(len(records)))
            for record in records[: len(records) - cut]:
                _, timestamp, key, value, _ = altered(partition, record)
                await producer.send(engine.topic, value, key, partition, timestamp_ms=timestamp)


@pytest.mark.long
async def test_a_copy_is_the_same_log(engine: Engine, other_kafka: str) -> None:
    await copy(engine, other_kafka)
    report = await equal(engine)
    assert report["records"] == 3000


async def test_one_record_is_altered(engine: Engine, other_kafka: str) -> None:
    """One view among thousands becomes another article's: both articles are named, in each list."""
    live = max((record.timestamp, record.offset) for record in engine.recount.records[0])[0]

    def is_chosen(record: Raw) -> bool:
        event = json.loads(record.value or b"{}") if (record.value or b"").startswith(b'{"') else {}
        fit = event.get("event_type") == "view" and event.get("value", 1) == 1 and "agent_class" not in event
        return fit and live - 5 * MINUTE_MS < event["occurred_at"] <= live and record.offset > 500

    chosen = next(record for record in engine.recount.records[0] if is_chosen(record))
    event = json.loads(chosen.value or b"")
    changed = json.dumps(event | {"article_id": "/altered", "event_id": "altered"}).encode()

    def altered(partition: int, record: Raw) -> Raw:
        return record._replace(value=changed) if (partition, record.offset) == (0, chosen.offset) else record

    await copy(engine, other_kafka, altered)
    code, report = await verify(engine)
    assert (code, report["equal"]) == (1, False)
    by_list = {(one["what"], one["article"]): (one["redis"], one["log"]) for one in found(report)}
    assert by_list["list read/long", "/altered"] == ("0", "1")
    assert any(article == event["article_id"] for _, article in by_list) or "!repeat" in str(by_list)
    assert report["partitions"][1]["differences"] == []


@pytest.mark.long
async def test_the_log_is_shorter(engine: Engine, other_kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before what was counted: that is said, with the offsets; a topic with fewer partitions is refused."""
    monkeypatch.setattr(stretch, "_SILENT_S", 3.0)
    await copy(engine, other_kafka, cut=100)
    code, report = await verify(engine)
    assert code == 1
    first = found(report)[0]
    assert first["what"] == "log"
    assert first["log"] == f"the log ends at offset {len(engine.recount.records[0]) - 100}"
    assert first["redis"] == f"{len(engine.recount.records[0])} offsets were counted"


async def test_another_log(engine: Engine, other_kafka: str) -> None:
    engine.bootstrap = other_kafka
    code, message = await refused(engine)
    assert code == 1
    assert "does not exist" in message
    await engine.create_topic(1)
    code, message = await refused(engine)
    assert code == 1
    assert "the lists are made of 2 partitions" in message
    assert "is RANKER_KAFKA_BOOTSTRAP the Kafka that was counted?" in message


HOURS_TOML = """
topic = "{topic}"
lanes = 8

[windows.hour]
length_s = 3600
grain_s = 60

[windows.day]
length_s = 86400
grain_s = 3600

[boards.read]
view = 1

[rules]
preset = "press"

[kafka]
accept_create_time = true
session_timeout_ms = {session_timeout_ms}
"""


@pytest.mark.long
async def test_retention_has_cut_the_log(new_engine: Callable[..., Engine]) -> None:
    """What the deleted records can have counted in is unchecked, by name; a recent count that is changed is found."""
    engine = new_engine(config=HOURS_TOML)
    await engine.create_topic(1, message_timestamp_type="CreateTime")
    now_ms = time.time_ns() // 1_000_000
    async with engine.traffic.producer() as producer:
        for number in range(1200):  # three hours
            at = now_ms - (1200 - number) * 9_000
            view = {"event_id": f"{number}", "event_type": "view", "site_id": "demo", "article_id": f"/a/{number % 7}"}
            value = json.dumps(view | {"occurred_at": at, "repeat_key": f"{number:016x}"}).encode()
            await producer.send(engine.topic, value, f"demo/{view['article_id']}".encode(), 0, timestamp_ms=at)
    engine.traffic.sent = 1200
    consumer = engine.consume()
    await engine.until_counted()
    consumer.stop()
    assert (await equal(engine))["partitions"][0]["unchecked"] == []
    cut = {TopicPartition(engine.topic, 0): RecordsToDelete(before_offset=100)}  # 165 minutes ago
    await engine.admin(lambda admin: admin.delete_records(cut))
    report = await equal(engine)
    (part,) = report["partitions"]
    assert (part["start"], part["records"]) == (100, 1100)
    assert "lists and sums of day" in part["unchecked"]
    assert any("slices of" in what for what in part["unchecked"])
    assert part["compared"] > 0
    shown = engine.ranker("verify").stdout
    assert "unchecked: lists and sums of day" in shown
    assert "\nequal, as far as the log reaches: 1,100 records" in shown
    total = f"ranker:{{{engine.generation.id}.0}}:total:hour:demo:read"
    ((article, count),) = await engine.client.zrange(total, 0, 0, withscores=True)
    await engine.client.zincrby(total, 1, article)
    code, report = await verify(engine)
    (only,) = found(report)
    assert (code, only["what"]) == (1, "list read/hour")
    assert (only["redis"], only["log"]) == (f"{int(count) + 1}", f"{int(count)}")
