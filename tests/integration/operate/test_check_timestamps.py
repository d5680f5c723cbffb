"""`ranker check` on records whose timestamps say nothing."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from ranker.core.generation import Generation
from ranker.log import admin
from ranker.operate import check_kafka, topics
from ranker.operate.findings import Finding
from tests.support import defaults
from tests.support.checking import now_ms, of
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.kafka_at import kafka_at

NOW = now_ms()
DAY_MS = 86_400_000
OLD = NOW - 30 * DAY_MS
KEPT = {"message.timestamp.type": "CreateTime", "retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}


@pytest.fixture(params=["ours", "foreign"])
def generation(request: pytest.FixtureRequest) -> Generation:
    ours = Generation(f"stamped-{uuid.uuid4().hex[:8]}", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    return ours if request.param == "ours" else msgspec.structs.replace(ours, source=defaults.source({}))


async def create(bootstrap: str, generation: Generation, partitions: int, config: dict[str, str]) -> None:
    async with admin.connected(kafka_at(bootstrap)) as log:
        await log.create(generation.topic, partitions, 1, config)
        await topics.apply(
            log, [one for one in topics.wanted(generation) if one.name != generation.topic], 1, dry=False
        )


async def write(bootstrap: str, topic: str, partition: int, stamps: Sequence[int]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    event = {"site_id": "demo", "event_type": "view", "article_id": "/a", "occurred_at": NOW, "event_id": "e"}
    try:
        sent = []
        for stamp in stamps:
            value = json.dumps(event).encode()
            sent.append(await producer.send(topic, value, partition=partition, timestamp_ms=stamp))
            if stamp == -1:
                await sent[-1]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def checked(bootstrap: str, generation: Generation) -> list[Finding]:
    return await check_kafka.findings(kafka_at(bootstrap), generation, now_ms, accept_create_time=True)


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ([-1, -1, -1], "of {all} records of {topic} 3 do not say when they were appended: the record at offset 0 of partition 1 has no timestamp (-1)"),
        ([NOW, NOW // 1000, NOW], "offset 1 of partition 1 has the timestamp {seconds}, which in milliseconds is of 1970 (these are seconds, probably)"),
        ([OLD] * 600 + [NOW * 1000] + [OLD] * 400 + [NOW], "offset 600 of partition 1 has the timestamp {us}, which in milliseconds is after 2099"),
    ],
    ids=["all", "some", "amid many"],
)  # fmt: skip
async def test_records_without_append_times_are_a_fault(
    kafka_apache: ApacheKafka, generation: Generation, stamps: list[int], said: str
) -> None:
    """All of them or some, in the second partition: with partition, offset, stamp and fix, and nothing of [source]."""
    await create(kafka_apache.bootstrap, generation, 4, KEPT)
    await write(kafka_apache.bootstrap, generation.topic, 0, [NOW])
    await write(kafka_apache.bootstrap, generation.topic, 1, stamps)
    found = await checked(kafka_apache.bootstrap, generation)
    (fault,) = [text for text in of("fault", found) if "timestamp.type is CreateTime" not in text]
    told = said.format(topic=generation.topic, all=len(stamps) + 1, seconds=NOW // 1000, us=NOW * 1000)
    assert told in fault
    assert "message.timestamp.type=LogAppendTime" in fault
    assert "[source]" not in fault


async def test_a_stamp_from_next_week_is_a_note(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """The settings accept the producers' clocks: that one of them is wrong stops nothing, but is said."""
    await create(kafka_apache.bootstrap, generation, 1, KEPT)
    await write(kafka_apache.bootstrap, generation.topic, 0, [NOW, NOW + 7 * DAY_MS])
    found = await checked(kafka_apache.bootstrap, generation)
    (said,) = [text for text in of("note", found) if "ahead of this machine's clock" in text]
    assert "of 2 records" in said
    assert "offset 1 of partition 0" in said


async def test_a_topic_that_retention_has_emptied_is_not_just_empty(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """Seconds are of 1970, so Kafka deletes them as soon as it looks."""
    await create(kafka_apache.bootstrap, generation, 1, KEPT | {"retention.ms": str(8 * DAY_MS)})
    await write(kafka_apache.bootstrap, generation.topic, 0, [NOW // 1000] * 3)

    async def deleted() -> bool:
        async with admin.connected(kafka_at(kafka_apache.bootstrap)) as log:
            return (await log.samples(generation.topic, 1))[0].begin == 3

    await waiting.until_async("their deletion", deleted, 60.0)
    found = await checked(kafka_apache.bootstrap, generation)
    (said,) = [text for text in of("note", found) if "has deleted every record" in text]
    assert "if the producer gives seconds" in said


async def test_the_embedded_broker_shows_them_too(kafka_embedded: str, generation: Generation) -> None:
    await create(kafka_embedded, generation, 1, {})
    for _ in range(2):  # its end offsets lag by a batch
        await write(kafka_embedded, generation.topic, 0, [NOW // 1000])
    (fault,) = [text for text in of("fault", await checked(kafka_embedded, generation)) if "appended" in text]
    assert "offset 0 of partition 0 has the timestamp" in fault
