"""A log that is another one than was counted: created again, shorter, or its leader lost what was counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.consume.engine import Consumer, Engine
from tests.support.kafka_at import kafka_at
from tests.support.recount import Recount

NOT_THE_LOG = "this is not the log that was counted"


@pytest.mark.long
async def test_a_topic_created_again_stops_its_partitions(engine: Engine) -> None:
    """A log as long with other records: every partition stops, says why and what to do; a new epoch counts it."""
    await engine.traffic.send(1000)
    first = engine.consume()
    await engine.until_counted()
    first.kill()
    before = [await engine.version(partition) for partition in range(2)]
    await _create_again(engine)
    await engine.traffic.send(2000)
    consumer = engine.consume()
    for partition in range(2):
        await engine.until("the stop", lambda p=partition: consumer.says(f"partition {p}: {NOT_THE_LOG}"))  # type: ignore[misc]
    assert await consumer.says("was the topic created again?")
    assert await consumer.says("raise epoch in ranker.toml")
    assert consumer.child.returncode() is None
    assert before == [await engine.version(partition) for partition in range(2)]
    ends = await engine.recount.read()
    for partition in range(2):
        await engine.until("the metrics", lambda p=partition: _stopped(consumer, p, ends[p] - before[p][1]))  # type: ignore[misc]
    engine.reconfigure("epoch = 1\n" + engine.config.read_text())
    second = engine.consume()
    await engine.until("readiness", second.ready)
    await engine.until_counted()
    await engine.check()


async def test_a_topic_created_again_under_a_running_consumer(engine: Engine) -> None:
    """The same while it runs: nothing of the new log is added to the counts of the old one."""
    await engine.traffic.send(1000)
    consumer = engine.consume()
    await engine.until_counted()
    before = [await engine.version(partition) for partition in range(2)]
    await _create_again(engine)
    await engine.traffic.send(3000)
    for partition in range(2):
        await engine.until("the stop", lambda p=partition: consumer.says(f"partition {p}: {NOT_THE_LOG}"), 40.0)  # type: ignore[misc]
    assert before == [await engine.version(partition) for partition in range(2)]


@pytest.mark.long
async def test_a_shorter_log_is_another_one_after_half_a_minute(engine: Engine) -> None:
    """What was counted lies beyond the end: a broker may lag, so it waits 30 s, not ready, and stops then."""
    await engine.traffic.send(1000)
    first = engine.consume()
    await engine.until_counted()
    first.kill()
    await _create_again(engine)
    await engine.traffic.send(100)
    consumer = engine.consume()
    for partition in range(2):
        await engine.until("the stop", lambda p=partition: consumer.says(f"partition {p}: {NOT_THE_LOG}"), 45.0)  # type: ignore[misc]
    assert await consumer.says("and the log ends at")
    ends = await engine.recount.read()
    for partition in range(2):  # nothing of this log is counted
        await engine.until("the metrics", lambda p=partition: _stopped(consumer, p, ends[p]))  # type: ignore[misc]


async def _stopped(consumer: Consumer, partition: int, waiting: int) -> bool:
    """It stands still for this reason and no other, and says how many records wait and for how long."""
    of = {"partition": str(partition)}
    said = await consumer.metric("ranker_partition_stopped", reason="foreign_log", **of)
    every = await consumer.metric("ranker_partition_stopped", **of)
    lag = await consumer.metric("ranker_lag_records", **of)
    return (said, every, lag) == (1, 1, waiting) and await consumer.metric("ranker_lag_seconds", **of) > 0


async def test_a_leader_that_lost_what_was_counted(
    new_engine: Callable[..., Engine], kafka_apache: ApacheKafka
) -> None:
    """
    counted   ├────────── 300 ──────────┤n
    a leader  ├ other records ─────────────────── 600 ─┤    what was not on its disk is gone, and it has grown again

    Its end is never seen below n, and no assignment changes; the first record of its term tells.
    """
    engine = new_engine(session_timeout_ms=60_000)
    await engine.create_topic(1)
    await engine.traffic.send(300)
    consumer = engine.consume()
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    before = await engine.version(0)
    consumer.child.suspend()
    kafka_apache.stop()
    log = kafka_apache.directory / "log"
    for name in ("00000000000000000000.log", "leader-epoch-checkpoint"):
        (log / f"{engine.topic}-0" / name).write_bytes(b"")
    (log / ".kafka_cleanshutdown").unlink()
    kafka_apache.start()
    await engine.traffic.send(600)
    consumer.child.resume()
    await engine.until("the stop", lambda: consumer.says(f"partition 0: {NOT_THE_LOG} (the record at offset 299"), 40.0)
    assert await engine.version(0) == before
    assigned = [line for line in consumer.log() if line["event"] == "assigned"]
    assert len(assigned) == 1, "no rebalance helped"


async def test_a_topic_deleted_under_a_running_consumer(engine: Engine) -> None:
    """Nobody has a partition then, and says so: not ready, with the way out; created again, it is another log."""
    await engine.traffic.send(200)
    consumer = engine.consume()
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    await _delete(engine)
    # in one reading: the group may come together again in between
    words = kafka_at(engine.bootstrap).no_topic(engine.topic)
    await engine.until("the loss of the topic", lambda: consumer.says(words))
    await engine.create_topic(2)
    await engine.traffic.send(2_000)
    for partition in range(2):
        await engine.until("the stop", lambda p=partition: consumer.says(f"partition {p}: {NOT_THE_LOG}"), 40.0)  # type: ignore[misc]
    assert not await consumer.says("does not exist")


async def _create_again(engine: Engine) -> None:
    await _delete(engine)
    await engine.create_topic(2)
    engine.recount = Recount(engine.bootstrap, engine.topic, engine.rules)


async def _delete(engine: Engine) -> None:
    await engine.admin(lambda admin: admin.delete_topics([engine.topic]))

    async def gone() -> bool:
        return engine.topic not in await engine.admin(lambda admin: admin.list_topics())

    await engine.until("the end of the topic", gone)
