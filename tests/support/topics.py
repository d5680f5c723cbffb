"""Topics of a test's own, and what stands in them."""

import asyncio
import os
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.waiting import until_async

PARTITIONS = 3


async def new_topic(
    bootstrap: str, partitions: int = PARTITIONS, name: str = "", config: dict[str, str] | None = None
) -> str:
    """Create a topic, with a name that no other test has if none is given."""
    name = name or f"records.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])

        async def known() -> bool:
            return name in await admin.list_topics()

        # The broker that has made it may tell of it a little later.
        await until_async(f"Topic {name}", known)
    finally:
        await admin.close()
    return name


async def read(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> list[Any]:
    """Every record from the start to the end that the topic has now, in order for each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    found: list[Any] = []
    try:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        async with asyncio.timeout(60):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
    finally:
        await consumer.stop()
    return found
