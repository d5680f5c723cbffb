"""The simple loops that the consumer is measured beside, each in a process of its own.

`python -m tests.bench.plain count|zincrby BOOTSTRAP TOPIC PARTITIONS EVENTS [REDIS_URL]` prints
{"events", "seconds", "cpu_s"}.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

Handle = Callable[[list[Any]], Awaitable[None]]


async def consume(bootstrap: str, topic: str, partitions: int, events: int, handle: Handle | None) -> dict[str, float]:
    """Read `events` records; fetch sizes and isolation are those of `ranker consume`."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_bytes=32 << 20,
    )
    await consumer.start()
    try:
        began, cpu = time.perf_counter(), time.process_time()
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        seen = 0
        while seen < events:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                seen += len(records)
                if handle is not None:
                    await handle(records)
        return {"events": seen, "seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    finally:
        await consumer.stop()


async def main(what: str, bootstrap: str, topic: str, partitions: str, events: str, url: str = "") -> None:
    """Run one loop and print what it took."""
    if what == "count":
        result = await consume(bootstrap, topic, int(partitions), int(events), None)
    else:
        async with Redis.from_url(url) as client:

            async def increment(records: list[Any]) -> None:
                async with client.pipeline(transaction=False) as pipe:
                    for record in records:
                        event = orjson.loads(record.value)
                        pipe.zincrby(f"{event['site_id']}:{event['event_type']}", 1, event["article_id"])
                    await pipe.execute()

            result = await consume(bootstrap, topic, int(partitions), int(events), increment)
    sys.stdout.write(orjson.dumps(result).decode() + "\n")


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
