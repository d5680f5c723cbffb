"""The client against Apache Kafka: idempotent, patient, and clear when the broker is gone for good."""

import asyncio
import os

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.kafka_apache import ApacheKafka
from producers import DeliveryError, Producer

PARTITIONS = 3
RECORDS = [(b"demo/a%d" % (n % 50), b"%07d" % n + b"x" * 200) for n in range(20_000)]


async def new_topic(bootstrap: str) -> str:
    name = f"client.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
    return name


async def read(bootstrap: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Every record from the start to the end that the topic has now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    found = []
    try:
        tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        async with asyncio.timeout(60):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(record.key, record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def test_everything_is_delivered_once_and_in_order(kafka_apache: ApacheKafka) -> None:
    """With a producer id, and in the order of sending for each key."""
    topic = await new_topic(kafka_apache.bootstrap)
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        assert producer.idempotent
        await producer.send_records(RECORDS)
        await producer.flush()
        assert (producer.sent, producer.delivered) == (len(RECORDS), len(RECORDS))
    found = await read(kafka_apache.bootstrap, topic)
    assert sorted(found) == sorted(RECORDS)
    for key in {key for key, _ in RECORDS}:
        values = [value for one, value in found if one == key]
        assert values == sorted(values)


async def test_a_broker_that_pauses_holds_the_sender_back(kafka_apache: ApacheKafka) -> None:
    """While it is silent `send_records` waits instead of filling the memory; afterwards every record is there once."""
    topic = await new_topic(kafka_apache.bootstrap)
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        await producer.send_records(RECORDS[:100])
        await producer.flush()
        kafka_apache.suspend()
        try:
            sending = asyncio.ensure_future(producer.send_records(RECORDS[100:]))
            done, _ = await asyncio.wait({sending}, timeout=2)
            assert not done
            assert producer.delivered == 100
        finally:
            kafka_apache.resume()
        await sending
    assert producer.delivered == len(RECORDS)
    assert sorted(await read(kafka_apache.bootstrap, topic)) == sorted(RECORDS)


async def test_a_broker_that_is_gone_is_told_with_what_was_acknowledged(
    kafka_apache: ApacheKafka,
) -> None:
    """The error says how many records are safe, and nothing is sent after it."""
    topic = await new_topic(kafka_apache.bootstrap)

    async def send() -> None:
        async with Producer(kafka_apache.bootstrap, topic, delivery_s=3.0) as producer:
            await producer.send_records(RECORDS[:100])
            await producer.flush()
            kafka_apache.kill()
            async with asyncio.timeout(60):
                await producer.send_records(RECORDS[100:])
                await producer.flush()

    try:
        with pytest.raises(DeliveryError, match=r"100 of \d+ were acknowledged. Check the broker"):
            await send()
    finally:
        kafka_apache.start()
