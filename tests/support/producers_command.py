"""The real `producers` command, and what it wrote."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.kafka_at import kafka_environ

PARTITIONS = 4
ROOT = Path(__file__).parents[2]


async def run(bootstrap: str, *args: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, output and error output of `producers ARGS`."""
    process = await start(bootstrap, *args)
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def start(bootstrap: str, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        "from producers.commands import main; main(prog_name='producers')",
        *args,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **kafka_environ(bootstrap), "PYTHONPATH": str(ROOT)},
    )


async def read(bootstrap: str, topic: str, count: int, partitions: int = PARTITIONS) -> list[Any]:
    """The first `count` records of a topic, partition by partition; fails if they do not come within a minute."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    found: list[Any] = []
    try:
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        async with asyncio.timeout(60):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        # Nothing may follow: one more look, until the broker says that it has no more.
        for records in (await consumer.getmany(timeout_ms=300)).values():
            found += records
    finally:
        await consumer.stop()
    return found
