"""What is counted, on the quiet road: Apache Kafka and the embedded broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ranker import kernel
from tests.integration.consume.engine import RULES_TOML, Engine


async def test_every_count_equals_the_recount(engine: Engine) -> None:
    """Views before the start and while it runs, of every kind a log may hold: totals, sums, slices, counters, T."""
    await engine.traffic.send(3000)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1000):
        await engine.until_counted()
    await engine.until_counted()
    await engine.check()
    assert await consumer.metric("ranker_fold_seam_active") == 1

    async def committed() -> bool:
        group = f"ranker-{engine.generation.id}"
        offsets = await engine.admin(lambda admin: admin.list_consumer_group_offsets(group))
        return {place.partition: at.offset for place, at in offsets.items()} == dict(enumerate(await engine.applied()))

    await engine.until("the group's offsets, for lag tools", committed)


@pytest.mark.parametrize("switch", ["on", "off"])
async def test_both_folds_count(
    new_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    """With the kernel and without, rules with a memory in force; which one it is stands in metrics and in the first line."""
    monkeypatch.setenv(kernel.SWITCH, switch)
    engine = new_engine(config=RULES_TOML)
    await engine.create_topic(2)
    await engine.traffic.send(2000)
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1000):
        await engine.until_counted()
    await engine.until_counted()
    await engine.check()
    is_on = bool(kernel.VERSION) and switch == "on"
    assert await consumer.metric("ranker_fold_kernel", version=kernel.VERSION if is_on else "") == is_on
    assert (await consumer.metric("ranker_declined_records_total") > 0) == is_on, "the traffic has bad records"
    first = consumer.child.log.read_text().splitlines()[0]
    assert ("the kernel folds" in first) == is_on


@pytest.mark.long
async def test_shards_spread_over_a_cluster(new_engine: Callable[..., Engine], redis_cluster_url: str) -> None:
    """Six shards on three Redis nodes, two consumers: equal to the recount."""
    engine = new_engine(redis_url=redis_cluster_url)
    await engine.create_topic(6)
    for consumer in (engine.consume(), engine.consume()):
        await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1500):
        await engine.until_counted()
        await engine.traffic.send(3000)
    await engine.until_counted()
    await engine.check()
    slots = {engine.client.keyslot(f"{{{engine.generation.id}.{partition}}}") * 3 // 16384 for partition in range(6)}
    assert len(slots) > 1


async def test_counts_leave_as_time_passes(engine: Engine) -> None:
    """Without any new record floors move on: counts go from the fine tier to the coarse one, and equality holds."""
    await engine.traffic.send(2000)
    engine.consume()
    await engine.until_counted()

    async def fine_tier_is_empty() -> bool:
        shard = await engine.shard(0)
        assert shard is not None
        return not any(tier == 0 for tier, _ in shard.index) and bool(shard.slices)

    await engine.until("leaving of the short window", fine_tier_is_empty)
    await engine.check()


@pytest.mark.long
async def test_the_embedded_broker_gives_the_same_counts(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """In development, when append times are the producers': equal to the recount all the same."""
    engine = Engine(kafka_embedded, redis_url, tmp_path, session_timeout_ms=10_000, idempotent=False)
    try:
        await engine.create_topic(2)
        await engine.traffic.send(2000)
        engine.consume(environment="development")
        await engine.until_counted(60.0)
        await engine.check()
    finally:
        await engine.close()
