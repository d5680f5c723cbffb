"""The client against Apache Kafka: idempotent, patient, and clear when the broker is gone for good."""

import asyncio
from typing import Any

import pytest

from deploy.local.kafka_apache import ApacheKafka
from producers import DeliveryError, Producer
from tests.support.topics import new_topic, read

RECORDS = [(b"demo/a%d" % (n % 50), b"%07d" % n + b"x" * 200) for n in range(20_000)]


def pairs(records: list[Any]) -> list[tuple[bytes, bytes]]:
    return [(record.key, record.value) for record in records]


async def test_everything_is_delivered_once_and_in_order(kafka_apache: ApacheKafka) -> None:
    """With a producer id, and in the order of sending for each key."""
    topic = await new_topic(kafka_apache.bootstrap)
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        assert producer.idempotent
        await producer.send_records(RECORDS)
        await producer.flush()
        assert (producer.sent, producer.delivered) == (len(RECORDS), len(RECORDS))
    found = pairs(await read(kafka_apache.bootstrap, topic))
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
    assert sorted(pairs(await read(kafka_apache.bootstrap, topic))) == sorted(RECORDS)


@pytest.mark.long
async def test_a_broker_that_is_gone_is_reported_with_what_was_acknowledged(
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
