"""A topic whose page views stand in keys, headers and timestamps: counted, and sent again as they were. Apache Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support.record_batches import append, batch, record

CONFIG = (
    RANKER_TOML.replace("[kafka]", "[kafka]\naccept_create_time = true")
    + """
[source]
fields.article_id.record = "key"
fields.site_id.header = "site"
fields.occurred_at.header = "at"
constants.event_type = "view"
"""
)


async def test_records_are_counted_and_kept_with_their_headers(new_engine: Callable[..., Engine]) -> None:
    """Their values are nothing that we read. A dead letter has the headers that are read, and so has the record again."""
    engine = new_engine(config=CONFIG)
    await engine.create_topic(1, message_timestamp_type="CreateTime")
    now_ms = time.time_ns() // 1_000_000
    at = str(now_ms).encode()
    async with engine.traffic.producer() as producer:
        for key, site, when in (
            (b"/a", b"demo", at),
            (b"/a", b"demo", at),
            (b"/b", b"Demo", at),
            (b"/c", b"demo", None),
        ):
            headers = [("site", b"x"), ("site", site), ("at", when), ("trace", b"t")]
            await producer.send_and_wait(engine.topic, b"\xff\0 nothing of ours", key, headers=headers)
        hostile = record(0, b"/a", b"v", headers=[(b"\xff", b"x"), (b"site", b"demo"), (b"at", at)])
        await append(producer, engine.topic, 0, batch([hostile], now_ms=now_ms))
    consumer = engine.consume()
    await engine.until("counting", lambda: reached(engine, 5))
    assert await consumer.metric("ranker_events_total", outcome="view") == 3, "the client gives up one of them"
    assert await consumer.metric("ranker_dead_letters_total", reason="site_id") == 1
    assert await consumer.metric("ranker_dead_letters_total", reason="schema") == 1
    shown = await asyncio.to_thread(engine.ranker, "dead", "show")
    assert "header site Demo" in shown.stdout
    assert "header at (null)" in shown.stdout
    assert "trace" not in shown.stdout
    assert "there is no value of the record's header at" in shown.stdout
    verified = await asyncio.to_thread(engine.ranker, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    sent = await asyncio.to_thread(engine.ranker, "dead", "resend", "--all", "--force", "--foreign")
    assert "2 letters sent and marked" in sent.stdout, sent.stderr
    async with AIOKafkaConsumer(bootstrap_servers=engine.bootstrap, auto_offset_reset="earliest") as reader:
        reader.assign([TopicPartition(engine.topic, 0)])
        reader.seek(TopicPartition(engine.topic, 0), 5)
        again = [await reader.getone() for _ in range(2)]
    assert [(one.key, one.value) for one in again] == [(key, b"\xff\0 nothing of ours") for key in (b"/b", b"/c")]
    assert [[one for one in each.headers if one[0] != "resent"] for each in again] == [
        [("site", b"x"), ("site", b"Demo"), ("at", at)],
        [("site", b"x"), ("site", b"demo"), ("at", None)],
    ]


async def reached(engine: Engine, n: int) -> bool:
    return (await engine.applied())[0] >= n
