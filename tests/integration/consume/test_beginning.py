"""Where a shard begins: the first record that can hold something inside the windows, or what the log still has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from tests.integration.consume.engine import RANKER_TOML, Engine

AHEAD_MS = 300_000
LONGEST_MS = 600_000
DAY_MS = 86_400_000


@pytest.mark.parametrize("per_ms", [1, DAY_MS], ids=["no rules", "rules"])
async def test_the_first_offset(new_engine: Callable[..., Engine], per_ms: int) -> None:
    """By append time, of four logs: old and new records, none, old ones only, and one cut inside the window.

    With rules from the beginning of the bucket on that holds the window's: here a day.
    """
    rules = f'[rules]\npreset = "press"\nrepeat_per_s = {per_ms // 1000}\n' if per_ms > 1 else ""
    engine = new_engine(config=RANKER_TOML + rules)
    # times that the test may choose: the requests to Kafka are the same as with append times
    await engine.create_topic(4, message_timestamp_type="CreateTime")
    now = int(time.time() * 1000)
    reach = LONGEST_MS + (now - LONGEST_MS) % per_ms + AHEAD_MS
    ages_ms = {
        0: [reach + 60_000 * k for k in (9, 5, 2)] + [reach - 60_000 * k for k in (2, 3, 4)] + [1000, 0],
        1: [],
        2: [reach + 60_000 * k for k in (9, 8, 7)],
        3: [50_000, 40_000, 30_000, 20_000],
    }
    async with engine.traffic.producer() as producer:
        for partition, ages in ages_ms.items():
            for age in ages:
                _, value = engine.traffic.view()
                await producer.send_and_wait(
                    engine.topic, partition=partition, value=value, key=b"k", timestamp_ms=now - age
                )
    await engine.recount.read()
    cut = TopicPartition(engine.topic, 3)
    await engine.admin(lambda admin: admin.delete_records({cut: RecordsToDelete(before_offset=2)}))
    engine.consume(environment="development")
    await engine.until_counted()
    found = [await engine.shard(partition) for partition in range(4)]
    assert [shard.n0 for shard in found if shard is not None] == [3, 0, 3, 2]
    gaps = [shard.meta.get("gap_ms") for shard in found if shard is not None]
    assert gaps == [None, None, None, str(now - 30_000)]
    await engine.check()


async def test_an_empty_topic_has_a_clock_all_the_same(engine: Engine) -> None:
    """Without one record T follows the wall clock: an empty list is as fresh as any."""
    engine.consume()
    await engine.until_counted()
    since = int(time.time() * 1000)

    async def fresh() -> bool:
        found = await asyncio.gather(*[engine.shard(partition) for partition in range(2)])
        return all(shard is not None and shard.watermark_ms > since for shard in found)

    await engine.until("clocks that move", fresh)
    await engine.check()
