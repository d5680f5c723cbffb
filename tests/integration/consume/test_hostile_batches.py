"""Batches that Kafka takes and that would stop or fill a consumer: bombs, names that are no text, broken packing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import _MemoryRecordsPy

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.consume.engine import RANKER_TOML, Consumer, Engine
from tests.support.record_batches import LOG_APPEND_TIME, append, batch, blanks, message, message_set, record, varint

MEBIBYTE = 1 << 20
NARROW = RANKER_TOML + "unpack_mb = 2\n"
SENDERS = [("\0\x1b[2J/\ud83d", 2**64 - 1), ("a/b/c", 2**63), ("/", 0), ("😀" * 64, 2**53 + 1), ("a/b/c", 2**63 - 1)]
"""(producer_id, sequence) such as only strangers write."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def most_mb(consumer: Consumer) -> float:
    """The largest memory that the process has had."""
    status = Path(f"/proc/{consumer.child.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def sent_by(value: bytes | None, producer: str, sequence: int) -> bytes:
    return json.dumps(json.loads(value or b"") | {"producer_id": producer, "sequence": sequence}).encode()


async def test_batches_that_unpack_to_more_than_the_bound(new_engine: Callable[..., Engine]) -> None:
    """What comes before counts, the first record beyond is a dead letter, the rest is lost, exactly, and lists say so."""
    engine = new_engine(config=NARROW)
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(300)
    views = [engine.traffic.view() for _ in range(6)]
    bomb = [record(n, key, value) for n, (key, value) in enumerate(views)]
    bomb[3] = record(3, b"demo/a", b" " * (5 * MEBIBYTE))
    async with engine.traffic.producer() as producer:
        first = await append(producer, engine.topic, 0, batch(bomb, codec=4, now_ms=now_ms(), sent=True))
        await append(
            producer,
            engine.topic,
            0,
            batch([record(0, None, b" " * (5 * MEBIBYTE))], codec=1, now_ms=now_ms(), sent=True),
        )
    before = await engine.version(0)
    await engine.traffic.send(300)
    await engine.until_counted()
    await engine.check(lost={0: range(first + 4, first + 6)})
    assert (await engine.version(0))[0] != before[0] or before[1] > first, "a gap is a new lineage"
    shard = await engine.shard(0)
    assert shard is not None
    assert now_ms() - 60_000 < int(shard.meta["gap_ms"]) <= now_ms()
    assert await consumer.reasons() == []
    assert await consumer.metric("ranker_lost_records_total") == 2
    assert await consumer.metric("ranker_dead_letters_total", reason="too_large") == 2
    listed = json.loads(engine.ranker("dead", "list", "--json", "--reason", "too_large").stdout)["reasons"]["too_large"]
    assert (listed["letters"], listed["cut"]) == (2, 2)
    # Another lineage of the same records: a rebuild steps over the same ones.
    await engine.client.flushall()
    await engine.until_counted()
    await engine.check(lost={0: range(first + 4, first + 6)})


async def test_a_bomb_costs_the_bound_and_no_more(engine: Engine) -> None:
    """9.8 kB of zstd that come to 300 MB, and five of them in one fetch: the process grows by the bound, not by them."""
    consumer = engine.consume()
    await engine.traffic.send(1000)
    await engine.until_counted()
    before = most_mb(consumer)
    value = 300 * MEBIBYTE
    length = len(varint(0) * 2 + varint(-1) + varint(value) + varint(0)) + 1 + value
    packed = blanks(300, begin=varint(length) + bytes([0]) + varint(0) * 2 + varint(-1) + varint(value), end=varint(0))
    bomb = batch([b""], codec=4, packed=packed, now_ms=now_ms(), sent=True)
    assert len(bomb) < 12_000
    async with engine.traffic.producer() as producer:
        for _ in range(5):
            await append(producer, engine.topic, 0, bomb)
    await engine.traffic.send(1000)

    async def counted() -> bool:
        return (
            await consumer.metric("ranker_dead_letters_total", reason="too_large") == 5
            and min([await consumer.metric("ranker_lag_records", partition=str(p)) for p in range(2)]) == 0
        )

    await engine.until("the letters", counted, 30.0)
    assert await consumer.reasons() == []
    grown = most_mb(consumer) - before
    assert grown < 64 + 64, "the bound, and what it was approached by"


async def test_what_kafka_takes_and_the_client_does_not(engine: Engine) -> None:
    """Names of headers that are no UTF-8, attributes that nobody has defined, senders beyond reason: all are counted."""
    consumer = engine.consume()
    hostile = [
        [record(n, *engine.traffic.view(), headers=[(b"\xff\xfe", b"\0")]) for n in range(3)],
        [record(n, *engine.traffic.view(), attributes=0x80 + n) for n in range(3)],
        [record(n, b"k", sent_by(engine.traffic.view()[1], *who)) for n, who in enumerate(SENDERS)],
    ]
    async with engine.traffic.producer() as producer:
        for records in hostile:
            await append(producer, engine.topic, 0, batch(records, now_ms=now_ms(), sent=True))
            await append(producer, engine.topic, 1, batch(records, codec=3, now_ms=now_ms(), sent=True))
    await engine.traffic.send(200)
    ends: list[int] = []

    async def counted() -> bool:
        ends[:] = await engine.applied()
        return sum(ends) == 2 * sum(map(len, hostile)) + engine.traffic.sent

    await engine.until("counting", counted)
    await engine.until("readiness", consumer.ready)
    assert await consumer.metric("ranker_lost_records_total") == 0


@pytest.mark.long
async def test_a_log_that_an_old_broker_began(
    engine: Engine, kafka_apache: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages of format 1 on the disk of a broker of today, alone and packed: handed out as they are, and counted."""
    # The recount reads by the client's own way in Python: the one in C takes all batches for what the first one is.
    monkeypatch.setattr(fetcher, "MemoryRecords", _MemoryRecordsPy)
    time_ms = now_ms()
    views = [engine.traffic.view() for _ in range(40)]
    alone = [message(n, 1, key, value, time_ms, LOG_APPEND_TIME) for n, (key, value) in enumerate(views[:10])]
    sets = [
        message_set(
            [message(n, 1, *views[first + n], time_ms) for n in range(10)],
            first + 9,
            1,
            codec,
            time_ms,
            LOG_APPEND_TIME,
        )
        for first, codec in ((10, 1), (20, 2), (30, 3))
    ]
    kafka_apache.stop()
    place = kafka_apache.directory / "log" / f"{engine.topic}-0"
    (place / "00000000000000000000.log").write_bytes(b"".join([*alone, *sets]))
    for derived in place.glob("*.*index"):
        derived.unlink()
    (kafka_apache.directory / "log" / ".kafka_cleanshutdown").unlink(missing_ok=True)
    kafka_apache.start()
    consumer = engine.consume()
    await engine.traffic.send(100)  # behind them, in the format of today
    await engine.until_counted()
    assert (await engine.version(0))[1] > 40
    shard = await engine.shard(0)
    assert shard is not None
    assert shard.n0 == 0
    await engine.check()
    assert await consumer.reasons() == []
