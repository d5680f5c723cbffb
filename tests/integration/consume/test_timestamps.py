"""Records whose timestamps say nothing: their partition stops and names the first; nothing before it is skipped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local import waiting
from ranker.log.sample import sample
from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support.reader_process import reader_process
from tests.support.secured_run import EMBEDDED_ALONE

NOW = time.time_ns() // 1_000_000
OLD = NOW - 3_600_000
"""Before the longest window: the first record by time comes after it."""
FEBRUARY_1970 = 31 * 86_400_000
SECONDS, MICROSECONDS, NANOSECONDS = NOW // 1000, NOW * 1000, NOW * 1_000_000
CONFIG = RANKER_TOML.replace("[kafka]", "[kafka]\naccept_create_time = true") + "\n[source]\n"
KEPT = {"message_timestamp_type": "CreateTime", "retention_ms": "-1", "message_timestamp_after_max_ms": str(2**63 - 1)}
"""Retention goes by the same timestamps: seconds are of 1970, and would be deleted at once."""

CASES: list[tuple[str, Sequence[int], int | None, str]] = [
    ("fit", [OLD, NOW, NOW], None, ""),
    ("none", [-1] * 3, 0, "no timestamp (-1)"),
    ("zero", [0] * 3, 0, "the timestamp 0, which in milliseconds is of 1970"),
    (
        "seconds",
        [SECONDS] * 3,
        0,
        f"the timestamp {SECONDS}, which in milliseconds is of 1970 (these are seconds, probably)",
    ),
    ("1970", [FEBRUARY_1970] * 3, 0, "of 1970"),
    ("microseconds", [MICROSECONDS] * 3, 0, "these are microseconds"),
    ("nanoseconds", [NANOSECONDS], 0, "these are nanoseconds"),
    ("the end of time", [NOW, 2**63 - 1], 1, "after 2099"),
    ("seconds amid fit ones", [NOW, NOW, SECONDS, NOW], 2, "seconds"),
    ("none amid fit ones", [NOW, -1, NOW], 1, "no timestamp"),
    ("seconds, where time would skip them", [OLD, OLD, SECONDS, SECONDS, NOW], 2, "seconds"),
    ("none at the end, where time finds nothing", [OLD, OLD, -1], 2, "no timestamp"),
    ("none at first, then fit ones", [-1, OLD, OLD, NOW], 0, "no timestamp"),
    ("one amid many old ones", [OLD] * 700 + [0] + [OLD] * 700 + [NOW], 700, "of 1970"),
    ("microseconds before old ones", [OLD, MICROSECONDS, OLD, NOW], 1, "microseconds"),
]
PACKED = "one amid others of a compressed batch"

LIST = "/v1/demo/popular/read/long"


def of_now(stamp: int) -> int:
    """NOW and OLD as of this moment: NOW is when the tests were collected, in a long run before the longest window."""
    return stamp + time.time_ns() // 1_000_000 - NOW if stamp in (NOW, OLD) else stamp


def view(article: str, stamp: int) -> bytes:
    """It occurred when it was stamped, if that is a time: what is counted before a stop is no dead letter."""
    event = {
        "site_id": "demo",
        "event_type": "view",
        "article_id": article,
        "occurred_at": of_now(stamp if stamp == OLD else NOW),
    }
    return json.dumps(event).encode()


async def write(producer: AIOKafkaProducer, topic: str, partition: int, stamps: Sequence[int]) -> None:
    """-1 alone: the client gives a batch that begins with it the time of its second record."""
    sent = []
    for stamp in stamps:
        sent.append(
            await producer.send(topic, view(f"/{partition}", stamp), partition=partition, timestamp_ms=of_now(stamp))
        )
        if stamp == -1:
            await sent[-1]
    await asyncio.gather(*sent)


async def write_packed(engine: Engine, partition: int, stamps: Sequence[int]) -> None:
    """As one batch."""
    async with engine.traffic.producer(compression_type="gzip") as producer:
        batch = producer.create_batch()
        for stamp in stamps:
            batch.append(timestamp=of_now(stamp), key=None, value=view(f"/{partition}", stamp))
        await (await producer.send_batch(batch, engine.topic, partition=partition))


async def test_a_partition_stops_at_the_first_record_without_an_append_time(
    new_engine: Callable[..., Engine], redis_url: str, tmp_path: Path
) -> None:
    """Each case in a partition of its own: named with offset, stamp and fix, not begun behind it, no dead letter."""
    engine = new_engine(config=CONFIG)
    await engine.create_topic(len(CASES) + 1, **KEPT)
    async with engine.traffic.producer() as producer:
        await asyncio.gather(
            *[write(producer, engine.topic, number, stamps) for number, (_, stamps, _, _) in enumerate(CASES)]
        )
    await write_packed(engine, len(CASES), [NOW, NOW, SECONDS, NOW])
    cases = [*CASES, (PACKED, [], 2, "seconds")]
    consumer = engine.consume()

    async def all_said() -> bool:
        stopped = sum(": the record at offset " in reason for reason in await consumer.reasons() or ())
        return stopped == len(cases) - 1 and (await engine.version(0))[1] == 3

    await engine.until("all stops, and the fit one counted", all_said)
    said = {reason.split(":")[0]: reason for reason in await consumer.reasons() or ()}
    for partition, (name, _, offset, words) in enumerate(cases):
        reason = said.get(f"partition {partition}", "")
        shard = await engine.shard(partition)
        assert shard is not None, name
        if offset is None:
            assert "the record at" not in reason, name
            assert (shard.n0, shard.n) == (1, 3), name
            continue
        assert f"the record at offset {offset} has " in reason, name
        assert words in reason, name
        assert "message.timestamp.type=LogAppendTime" in reason, name
        assert shard.n0 <= shard.n <= offset, name
        assert not {field for field in shard.meta if field.startswith("count:")}, name
        assert await consumer.metric("ranker_partition_stopped", partition=str(partition), reason="timestamp") == 1
        assert any(line["event"] == reason for line in consumer.log()), name
    assert await consumer.metric("ranker_dead_letters_total") == 0
    with reader_process(redis_url, tmp_path, config=engine.config.read_text()) as reader:
        reader.until_ready()
        # the first request waits 3 s for the list, which a busy machine may exceed
        await asyncio.to_thread(waiting.until, "a list", lambda: reader.get(LIST).status == 200, 20.0)
        shown = reader.get(LIST).json
        assert shown["complete"] is False
        assert set(range(1, len(cases))) <= {one["partition"] for one in shown["behind"]}


@pytest.mark.long
async def test_stamps_go_wrong_while_it_counts_and_an_operator_lets_them_pass(
    new_engine: Callable[..., Engine],
) -> None:
    """What came before is counted; with --accept-bad they are dead letters, and what follows is counted too."""
    engine = new_engine(config=CONFIG.replace("[source]", ""))
    await engine.create_topic(2, **KEPT)
    await engine.traffic.send(500)
    consumer = engine.consume()
    await engine.until_counted()
    n = (await engine.applied())[0]
    async with engine.traffic.producer() as producer:
        for stamp in (SECONDS, MICROSECONDS, -1):
            _, value = engine.traffic.view()
            await producer.send_and_wait(engine.topic, value, partition=0, timestamp_ms=stamp)
    await engine.until("the stop", lambda: consumer.says(f"the record at offset {n} has the timestamp {SECONDS}"))
    before = await engine.shard(0)
    assert before is not None
    assert consumer.stop() == 0
    await engine.traffic.send(500)
    accepting = engine.consume("--accept-bad", f"0:{n + 3}")
    await engine.until_counted()
    await engine.until("readiness", accepting.ready)
    after = await engine.shard(0)
    assert after is not None
    assert before.n == n
    assert after.watermark_ms <= time.time_ns() // 1_000_000, "microseconds moved T"
    assert await accepting.metric("ranker_dead_letters_total", reason="timestamp") == 3
    await engine.check()


async def test_stamps_are_named_before_the_kind_of_time_is(new_engine: Callable[..., Engine]) -> None:
    """Without accept_create_time: to accept the producers' times would not help."""
    engine = new_engine(config=RANKER_TOML)
    await engine.create_topic(2, **KEPT)
    async with engine.traffic.producer() as producer:
        await write(producer, engine.topic, 0, [OLD, SECONDS])
        await write(producer, engine.topic, 1, [OLD, NOW])
    consumer = engine.consume()
    await engine.until("the stop", lambda: consumer.says("partition 0: the record at offset 1 has the timestamp"))
    await engine.until("the other", lambda: consumer.says("partition 1: records carry their producer's time"))


@pytest.mark.long
async def test_what_retention_has_deleted_for_its_stamps_is_a_gap(new_engine: Callable[..., Engine]) -> None:
    """Kafka deletes seconds at once, as of 1970: what is gone is not taken for nothing, and lists say so."""
    engine = new_engine(config=CONFIG)
    await engine.create_topic(1, **KEPT | {"retention_ms": "86400000"})
    async with engine.traffic.producer() as producer:
        await write(producer, engine.topic, 0, [SECONDS] * 5)

    async def deleted() -> bool:
        return await first_offset(engine) == 5

    await engine.until("their deletion", deleted, 60.0)
    engine.consume()
    await engine.until_counted()
    shard = await engine.shard(0)
    assert shard is not None
    assert shard.n0 == 5
    assert int(shard.meta["gap_ms"]) >= NOW


async def first_offset(engine: Engine) -> int:
    async with assigned(engine) as (consumer, tp):
        return int((await consumer.beginning_offsets([tp]))[tp])


@contextlib.asynccontextmanager
async def assigned(engine: Engine) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    tp = TopicPartition(engine.topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=engine.bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([tp])
        yield consumer, tp
    finally:
        await consumer.stop()


async def test_a_sample_has_both_ends_and_less_and_less_between(new_engine: Callable[..., Engine]) -> None:
    """All of a short log; of a long one its oldest and newest records, at a bounded number of places."""
    engine = new_engine()
    await engine.create_topic(1)
    async with engine.traffic.producer(transactional_id=f"{engine.topic}-t") as producer:
        await producer.begin_transaction()
        for _ in range(5_000):
            await producer.send(engine.topic, b"{}", partition=0)
        await producer.commit_transaction()
    async with assigned(engine) as (consumer, tp):
        for begin, end in ((0, 1), (3, 500), (0, 1_500)):
            assert {record.offset for record in await sample(consumer, tp, begin, end)} >= set(range(begin, end))
        found = [record.offset for record in await sample(consumer, tp, 0, 5_000)]
        assert len(found) <= 5 * 500
        assert {0, 499, 3_000, 4_000, 4_999} <= set(found)
        assert await sample(consumer, tp, 5_000, 5_001) == [], "the transaction's marker"


@EMBEDDED_ALONE
@pytest.mark.long
async def test_the_embedded_broker_has_them_too(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """It keeps what a producer gives, and knows no search by time."""
    engine = Engine(kafka_embedded, redis_url, tmp_path, config=CONFIG, idempotent=False)
    await engine.create_topic(2)
    try:
        async with engine.traffic.producer() as producer:
            await write(producer, engine.topic, 0, [NOW, SECONDS, NOW])
            await write(producer, engine.topic, 1, [-1, NOW])
        consumer = engine.consume()
        await engine.until(
            "a stop", lambda: consumer.says(f"partition 0: the record at offset 1 has the timestamp {SECONDS}")
        )
        await engine.until(
            "the other", lambda: consumer.says("partition 1: the record at offset 0 has no timestamp (-1)")
        )
        assert max(await engine.applied()) <= 1
    finally:
        await engine.close()
