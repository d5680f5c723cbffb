"""A recorded run as a system: its Redis, its log in a Kafka of its own, and today's commands on both."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.redis import RedisServer
from ranker.log import admin
from tests.bench import processes
from tests.support.kafka_at import kafka_at
from tests.support.recorded_run import PARTITIONS, Recording

KEPT = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}
"""As old as the recording is, and with the times that the records had."""


async def copy(recording: Recording, bootstrap: str) -> None:
    """Every record at its own partition and offset, with its own time."""
    async with admin.connected(kafka_at(bootstrap)) as log:
        for topic, partitions in PARTITIONS.items():
            compact = {"cleanup.policy": "compact"} if topic == "articles" else {}
            await log.create(topic, partitions, 1, {**KEPT, **compact, "max.message.bytes": str(8 << 20)})
        await log.create("best-of", 1, 1, {"cleanup.policy": "compact"})
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=8 << 20)
    try:
        await producer.start()
        sent = []
        for topic in PARTITIONS:
            for record in recording.log(topic):
                future = await producer.send(
                    topic,
                    key=record["key"],
                    value=record["value"],
                    partition=record["partition"],
                    timestamp_ms=record["timestamp"],
                    headers=record["headers"],
                )
                sent.append((record["offset"], future))
        for offset, future in sent:
            assert (await future).offset == offset
    finally:
        await producer.stop()


@dataclass(frozen=True)
class Restored:
    """`directory` is for what commands write."""

    recording: Recording
    kafka: EmbeddedKafka
    redis: RedisServer
    directory: Path

    def env(self, more: str = "") -> dict[str, str]:
        """With the recorded configuration, and `more` of it."""
        config = self.directory / "ranker.toml"
        text = self.recording.config.read_text("utf-8")
        config.write_text(f"{text}\n[kafka]\naccept_create_time = true\n{more}", "utf-8")
        return {
            **os.environ,
            **processes.environment(),
            "RANKER_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "RANKER_REDIS_URL": self.redis.url,
            "RANKER_ENV": "development",  # the embedded broker's
            "RANKER_CONFIG": str(config),
        }

    async def run(self, program: str, *words: str, more: str = "") -> tuple[int, str]:
        """Exit code, and all that a command printed."""
        argv = [sys.executable, "-c", f"from {program}.commands import main; main()", *words]
        done: subprocess.CompletedProcess[str] = await asyncio.to_thread(
            subprocess.run, argv, env=self.env(more), capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr
