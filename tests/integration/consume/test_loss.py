"""Loss, end to end on Apache Kafka: what a producer never delivered, what it sent again, and who says nothing more."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable

import pytest
from aiokafka import AIOKafkaProducer

from tests.integration.consume.engine import Engine

SKIPPED = {*range(100, 110), 1_024, *range(5_000, 5_006)}
AGAIN = [*range(300, 320), 4_000, 4_000, 7_000, 7_001, 7_002]
FIRST, ALL = 4_000, 9_000


def record(producer_id: str, sequence: int) -> tuple[bytes, bytes]:
    """The event of this sequence: always the same one, so that it lies in the same partition when it comes again."""
    event = {
        "event_id": f"{producer_id}-{sequence}",
        "event_type": "view",
        "site_id": "demo",
        "article_id": f"/{sequence % 97}",
        "occurred_at": int(time.time() * 1000),
        "producer_id": producer_id,
        "sequence": sequence,
    }
    return f"demo/{event['article_id']}".encode(), json.dumps(event).encode()


async def send(producer: AIOKafkaProducer, topic: str, producer_id: str, sequences: Iterable[int]) -> None:
    acknowledged = []
    for sequence in sequences:
        key, value = record(producer_id, sequence)
        acknowledged.append(await producer.send(topic, key=key, value=value))
    await asyncio.gather(*acknowledged)


@pytest.mark.long
async def test_gaps_and_repeats_are_exact_although_a_consumer_dies(new_engine: Callable[..., Engine]) -> None:
    """Four partitions, two consumers, SIGKILL in the middle: the survivor tells 17 missing, 25 repeats, no more ever.

    Another producer stops early: it is silent, and misses nothing. `ranker top` shows both.
    """
    engine = new_engine(session_timeout_ms=1_000)
    await engine.create_topic(4)
    survivor, victim = engine.consume(), engine.consume()
    for consumer in (survivor, victim):
        await engine.until("readiness", consumer.ready)
    most = 0.0

    async def tells(name: str, producer: str) -> float:
        return await survivor.metric(f"ranker_producer_{name}", producer=producer)

    async with engine.traffic.producer() as producer:
        await send(producer, engine.topic, "quiet/1", range(50))
        await send(producer, engine.topic, "collector/1", (s for s in range(FIRST) if s not in SKIPPED))

        async def has_applied() -> bool:
            return await victim.metric("ranker_advance_replies_total", reply="applied") > 0

        await engine.until("a step of the one to be killed", has_applied)
        sending = asyncio.create_task(
            send(producer, engine.topic, "collector/1", (s for s in range(FIRST, ALL) if s not in SKIPPED))
        )
        victim.kill()
        await sending
        await send(producer, engine.topic, "collector/1", AGAIN)
    await engine.until_counted()

    async def told() -> bool:
        nonlocal most
        missing = await tells("missing", "collector")
        most = max(most, missing)
        return (missing, await tells("repeats", "collector")) == (len(SKIPPED), len(AGAIN))

    await engine.until("the loss as it is", told, 60.0)
    assert most == len(SKIPPED), "what was on its way was called missing"

    async with engine.traffic.producer() as producer:
        await send(producer, engine.topic, "collector/1", sorted(SKIPPED))  # late, as from a spool
        await send(producer, engine.topic, "collector/2", range(20))

    async def late_ones_are_in() -> bool:
        return await tells("missing", "collector") == 0 and await tells("silent_seconds", "quiet") > 5

    await engine.until("nothing missing", late_ones_are_in, 60.0)
    assert await tells("repeats", "collector") == len(AGAIN)
    assert (await tells("missing", "quiet"), await tells("repeats", "quiet")) == (0, 0)
    assert await tells("silent_seconds", "collector") < await tells("silent_seconds", "quiet")
    assert await survivor.metric("ranker_producers_untracked") == 0
    await engine.check()

    shown = await asyncio.to_thread(engine.ranker, "top", "--once", "--site", "demo")
    assert shown.returncode == 0, shown.stderr
    rows = {words[0]: words for words in map(str.split, shown.stdout.splitlines()) if words}
    assert rows["collector"][-2:] == ["0", str(len(AGAIN))]
    assert rows["quiet"][-2:] == ["0", "0"]
