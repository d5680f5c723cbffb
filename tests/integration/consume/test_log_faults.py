"""A log that is not what it was: cut by retention, grown, stamped by producers, with transactions, away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from deploy.local.kafka_apache import ApacheKafka
from ranker.log import admin
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at


async def test_retention_that_passed_what_comes_next(engine: Engine) -> None:
    """The records it took are counted as lost, exactly; a new lineage, the time of the gap, and counting goes on."""
    await engine.traffic.send(1000)
    first = engine.consume()
    await engine.until_counted()
    first.kill()
    lineages = [(await engine.version(partition))[0] for partition in range(2)]
    n = (await engine.applied())[0]
    await engine.traffic.send(2000)
    await engine.recount.read()
    beginning = n + 321
    await _delete_before(engine, 0, beginning)
    consumer = engine.consume()
    async with engine.traffic.flowing(per_s=500):
        await engine.until_counted()
    await engine.until_counted()
    await engine.check(lost={0: range(n, beginning)})
    cut, whole = await engine.shard(0), await engine.shard(1)
    assert cut is not None
    assert whole is not None
    assert cut.meta["lineage"] != lineages[0]
    assert whole.meta["lineage"] == lineages[1]
    after_gap = next(record for record in engine.recount.records[0] if record.offset >= beginning)
    assert int(cut.meta["gap_ms"]) == after_gap.timestamp
    assert "gap_ms" not in whole.meta
    assert await consumer.metric("ranker_gaps_total") == 1
    assert await consumer.metric("ranker_lost_records_total") == beginning - n


@pytest.mark.long
async def test_retention_that_passes_a_running_consumer(engine: Engine, new_engine: Callable[..., Engine]) -> None:
    """Suspended while retention goes by: as above, without a restart."""
    await engine.traffic.send(1000)
    consumer = engine.consume()
    await engine.until_counted()
    n = (await engine.applied())[0]
    consumer.child.suspend()
    await engine.traffic.send(2000)
    ends = await engine.recount.read()
    await _delete_before(engine, 0, ends[0] - 10)
    consumer.child.resume()
    await engine.until_counted()
    await engine.traffic.send(500)
    await engine.until_counted()
    shard = await engine.shard(0)
    assert shard is not None
    lost = int(shard.meta.get("count:lost", "0"))
    # what the client had fetched before it slept is counted before the gap
    first_lost = ends[0] - 10 - lost
    assert n <= first_lost
    await engine.check(lost={0: range(first_lost, ends[0] - 10)})


async def _delete_before(engine: Engine, partition: int, offset: int) -> None:
    place = TopicPartition(engine.topic, partition)
    await engine.admin(lambda admin: admin.delete_records({place: RecordsToDelete(before_offset=offset)}))


async def test_partitions_added_while_three_consumers_run(engine: Engine) -> None:
    """New shards begin, articles that moved are marked as strays, lists report it, and the sum over shards is exact."""
    await engine.until("readiness", engine.consume().ready)
    # The first leads the group. The others would not look for added partitions by themselves for ten minutes, and one
    # of them at least will have a partition that was there before.
    idle = engine.directory / "idle.toml"
    idle.write_text(engine.config.read_text().replace("metadata_max_age_ms = 300", "metadata_max_age_ms = 600000"))
    for consumer in (engine.consume(config=idle), engine.consume(config=idle)):
        await engine.until("readiness", consumer.ready)
    async with engine.traffic.flowing(per_s=1000):
        await engine.until_counted()
        await engine.add_partitions(3)

        async def begun() -> bool:
            return min(await engine.applied()) >= 0

        await engine.until("new shards", begun)
    async with engine.traffic.flowing(per_s=1000):  # by the new homes
        await engine.until_counted()

    async def marked() -> bool:
        found = [await engine.shard(partition) for partition in range(3)]
        return all(shard is not None and shard.meta["P"] == "3" for shard in found)

    await engine.until("strays made for three partitions", marked)
    await engine.until_counted()
    await engine.check()
    assert b'"partitions":3' in await engine.client.get("ranker:active")
    old = await engine.shard(0)
    assert old is not None
    assert old.strays


@pytest.mark.long
async def test_producers_times_are_refused_in_production(new_engine: Callable[..., Engine]) -> None:
    """A topic with CreateTime stops with the way out; development, or the setting, accepts it."""
    engine = new_engine()
    await engine.create_topic(2, message_timestamp_type="CreateTime")
    await engine.traffic.send(500)
    careful = engine.consume()
    await engine.until("the stop", lambda: careful.says("CreateTime"))
    assert await careful.says("message.timestamp.type=LogAppendTime")
    assert await careful.says("accept_create_time = true")
    assert await careful.says("the embedded broker ignores the former, so set RANKER_ENV=development")
    assert max(await engine.applied()) <= 0
    careful.stop()
    lenient = engine.consume(environment="development")
    await engine.until_counted()
    lenient.stop()
    engine.reconfigure(engine.config.read_text().replace("[kafka]\n", "[kafka]\naccept_create_time = true\n"))
    engine.consume()
    await engine.traffic.send(500)
    await engine.until_counted()
    await engine.check()


async def test_aborted_transactions_are_not_counted(engine: Engine) -> None:
    """Committed, aborted and open ones, in turn: n passes the first two with their markers and waits for the last."""
    consumer = engine.consume()
    async with engine.traffic.producer(transactional_id=f"{engine.topic}-a") as producer:
        for round_ in range(6):
            await producer.begin_transaction()
            await engine.traffic.send_by(producer, 100)
            await (producer.commit_transaction() if round_ % 2 else producer.abort_transaction())
        await engine.until_counted()
        await engine.check()
        await producer.begin_transaction()
        await _send_one(producer, engine)
        await engine.traffic.send(200)  # by another producer: behind the open one, so they wait

        async def clocks_stand_still() -> bool:
            return min([await consumer.metric("ranker_lag_seconds", partition=str(p)) for p in range(2)]) > 4

        await engine.until("the lag of clocks that stand still", clocks_stand_still)
        now = [await engine.shard(partition) for partition in range(2)]
        await producer.commit_transaction()
    await engine.recount.read()
    for partition in range(2):
        one = now[partition]
        assert one is not None
        waited = [r.timestamp for r in engine.recount.records[partition] if r.offset >= one.n]
        assert one.watermark_ms <= min(waited, default=one.watermark_ms), "T says more than is counted"
    await engine.until_counted()
    await engine.check()


async def _send_one(producer: AIOKafkaProducer, engine: Engine) -> None:
    for partition in range(2):
        _, value = engine.traffic.view()
        await producer.send_and_wait(engine.topic, partition=partition, key=b"k", value=value)


@pytest.mark.long
async def test_a_broker_gone_for_longer_than_its_clients_wait(engine: Engine, kafka_apache: ApacheKafka) -> None:
    """Killed, its port closed, until the catalogue has given up (40 s): logged once, soon, and the process goes on."""
    await engine.traffic.send(1000)
    consumer = engine.consume()
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    before = len(consumer.log())
    kafka_apache.kill()
    await engine.until("the trouble", lambda: consumer.says("Kafka is not available: no answer within 5 s"), 12.0)

    async def given_up() -> bool:
        return any("topic articles is not copied: Kafka is not available" in line["event"] for line in consumer.log())

    await engine.until("the catalogue's new start", given_up, 70.0)
    lines = consumer.log()[before:]
    assert sum(line["event"].startswith("Kafka is not available") for line in lines) == 1
    of_client = Counter(line["event"].split(" ")[0] for line in lines if line["logger"].startswith("aiokafka"))
    assert of_client.total() < 100, of_client
    kafka_apache.start()
    await engine.traffic.send(500)
    await engine.until_counted()
    await engine.until("readiness", consumer.ready, 40.0)
    assert consumer.child.returncode() is None
    assert consumer.stop() == 0
    await engine.check()


@pytest.mark.long
async def test_a_compacted_topic_is_not_just_another_log(new_engine: Callable[..., Engine]) -> None:
    """Compaction has deleted the last counted record: said, with what to set."""
    engine = new_engine()
    small = {"segment_ms": "100", "min_cleanable_dirty_ratio": "0.001", "max_compaction_lag_ms": "200"}
    await engine.create_topic(1, cleanup_policy="compact", **small)
    await _send_one_key(engine, 3)
    consumer = engine.consume()
    await engine.until_counted()
    consumer.stop()

    async def compacted() -> bool:
        await _send_one_key(engine, 1)  # a record rolls the segment, and only rolled ones are compacted
        async with admin.connected(kafka_at(engine.bootstrap)) as log:
            return bool((await log.samples(engine.topic, 1))[0].records[0].offset > 2)

    await engine.until("the compaction", compacted, 60.0)
    again = engine.consume()
    await engine.until("the stop", lambda: again.says("the record at offset 2 is not the one that was counted"))
    assert await again.says("it is gone, and the next one is at ")
    assert await again.says("If the topic has cleanup.policy=compact, Kafka has deleted it")


async def _send_one_key(engine: Engine, count: int) -> None:
    async with engine.traffic.producer() as producer:
        for _ in range(count):
            _, value = engine.traffic.view()
            await producer.send_and_wait(engine.topic, partition=0, key=b"one", value=value or b"{}")
