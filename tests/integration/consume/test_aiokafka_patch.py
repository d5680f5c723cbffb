"""Chunks made inside the client beside a plain client: the same records, over transactions, control batches and holes."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher

from deploy.local import waiting
from ranker.log import aiokafka_patch
from ranker.log.consumer import PageViewLog
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at

Seen = tuple[int, int, bytes | None, bytes | None]
"""Offset, append time, key, value."""
ROUNDS = 25


@pytest.fixture(params=["seam", "plain"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Through the seam, and as with a client that the seam does not know."""
    monkeypatch.setattr(fetcher.PartitionRecords, "_unpack_records", aiokafka_patch._original)
    if request.param == "plain":
        monkeypatch.setattr(aiokafka_patch, "_KNOWN_SOURCE", "another version")
    return str(request.param)


async def test_every_way_of_reading_gives_the_same_records(engine: Engine, path: str) -> None:
    """From random places, chunks join without a hole and hold what a plain read_committed client sees there."""
    await _write_difficult_log(engine)
    place = TopicPartition(engine.topic, 0)
    plain, end = await _read_plainly(engine.bootstrap, place)
    assert len(plain) < end, "no hole, nothing to show"
    rand = random.Random(path)
    assigned = asyncio.Event()
    log = PageViewLog(kafka_at(engine.bootstrap), engine.topic, f"ranker-{engine.topic}-{path}", 7)
    await log.start(lambda: None, lambda _: assigned.set())
    try:
        await asyncio.wait_for(assigned.wait(), 20)
        assert log.patch_active == (path == "seam")
        for round_ in range(ROUNDS):
            start = 0 if round_ == 0 else rand.randrange(end)
            stop = end if round_ == 0 else rand.randrange(start, end) + 1
            await _compare(log, plain, start, stop)
    finally:
        await log.stop()


async def _compare(log: PageViewLog, plain: list[Seen], start: int, stop: int) -> None:
    """Reads [start, stop) or somewhat more, as the consumer does: what does not join is dropped and sought again."""
    expected = start
    log.seek(0, start)

    async def read_on() -> bool:
        nonlocal expected
        for chunk in (await log.poll([0], 100)).get(0, []):
            if chunk.start != expected:
                log.seek(0, expected)
                break
            assert chunk.error is None
            assert not chunk.create_time
            between = [seen for seen in plain if chunk.start <= seen[0] < chunk.end]
            assert [(r.offset, r.timestamp, r.key, r.value) for r in chunk.records] == between
            expected = chunk.end
        return expected >= stop

    await waiting.until_async(f"reading from {start} to {stop}", read_on, 20.0)


async def _write_difficult_log(engine: Engine) -> None:
    """Two producers with transactions, open at the same time, one without; small batches, compressed ones, broken values."""
    rand = random.Random(5)

    async def send(producer: AIOKafkaProducer, count: int) -> None:
        sent = []
        for _ in range(count):
            key, value = engine.traffic.view()
            sent.append(await producer.send(engine.topic, partition=0, key=key, value=value))
        await asyncio.gather(*sent)

    async with (
        engine.traffic.producer(transactional_id=f"{engine.topic}-a", compression_type="gzip") as one,
        engine.traffic.producer(transactional_id=f"{engine.topic}-b") as other,
        engine.traffic.producer() as plain,
    ):
        for round_ in range(15):
            transactions = [one] if round_ % 3 == 0 else [one, other]
            for producer in transactions:
                await producer.begin_transaction()
            for producer in rand.sample([*transactions, plain], 2):
                await send(producer, rand.randint(1, 20))
            await send(transactions[0], rand.randint(1, 20))
            for producer in transactions:
                # one that ends without having sent anything leaves no marker, as it should
                await (producer.abort_transaction() if rand.random() < 0.5 else producer.commit_transaction())
        await send(plain, 5)


async def _read_plainly(bootstrap: str, place: TopicPartition) -> tuple[list[Seen], int]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        seen: list[Seen] = []
        while await consumer.position(place) < end:
            records = (await consumer.getmany(place, timeout_ms=100)).get(place, [])
            seen += [(record.offset, record.timestamp, record.key, record.value) for record in records]
    finally:
        await consumer.stop()
    return seen, end
