"""A topic and its dead letters, and the real command on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import waiting
from ranker.core.partial_counts import Rejected
from ranker.log.dead_letter_reader import DeadLetter, reading
from ranker.log.dead_letter_writer import DeadLetters
from tests.integration.consume.engine import CHECKOUT, RANKER
from tests.support.kafka_at import kafka_at, kafka_environ

HOUR_MS = 3_600_000
UNKNOWN = "unknown_site"


def event(article: str, occurred_ms: int, site: str = "demo") -> bytes:
    fields = {"event_id": article, "event_type": "view", "site_id": site, "article_id": article}
    return json.dumps(fields | {"occurred_at": occurred_ms}).encode()


class Topic:
    """A source topic and its dead letters, under names of their own, and the real command."""

    def __init__(self, bootstrap: str, directory: Path, *, transactional: bool) -> None:
        self.bootstrap = bootstrap
        self.transactional = transactional
        self.directory = directory
        self.name = f"views-{uuid.uuid4().hex[:8]}"
        self.config = directory / "ranker.toml"
        self.config.write_text(f'topic = "{self.name}"\n[rules]\nunknown_sites = "reject"\n[sites.demo]\n')

    async def create(self, **dead: str) -> None:
        settings = {"cleanup.policy": "compact,delete", "retention.ms": "2592000000"} | {
            name.replace("_", "."): value for name, value in dead.items()
        }
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(self.name, 2, 1), NewTopic(f"{self.name}.dead", 4, 1, topic_configs=settings)]
            )
        finally:
            await admin.close()
        await self.until_there()

    async def until_there(self) -> None:
        async def there() -> bool:
            async with self.consumer() as consumer:
                return len(await self.partitions(consumer, f"{self.name}.dead")) == 4

        await waiting.until_async("the topics", there, 20.0)

    async def write(self, rejected: list[Rejected], partition: int = 0) -> None:
        """Letters as the consumer writes them."""
        letters = DeadLetters(kafka_at(self.bootstrap), self.name)
        await letters.start()
        try:
            await letters.write(partition, rejected)
        finally:
            await letters.stop()

    @contextlib.asynccontextmanager
    async def consumer(self, isolation_level: str = "read_committed") -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level=isolation_level,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    @staticmethod
    async def partitions(consumer: AIOKafkaConsumer, name: str) -> list[TopicPartition]:
        cluster = await consumer._client.fetch_all_metadata()
        return [TopicPartition(name, partition) for partition in cluster.partitions_for_topic(name) or ()]

    async def records(self, topic: str | None = None) -> list[ConsumerRecord]:
        """All that is committed in a topic (the source), by a plain client."""
        name = topic or self.name
        found: list[ConsumerRecord] = []
        async with self.consumer() as consumer:
            places = await self.partitions(consumer, name)
            consumer.assign(places)
            for place, end in (await consumer.end_offsets(places)).items():
                while await consumer.position(place) < end:
                    found += (await consumer.getmany(place, timeout_ms=200)).get(place, [])
        return found

    async def letters(self) -> list[DeadLetter]:
        async with reading(kafka_at(self.bootstrap), self.name, lambda _done, _total: None) as log:
            return [letter async for portion in log.portions() for letter in portion]

    @property
    def environ(self) -> dict[str, str]:
        ours = {**kafka_environ(self.bootstrap), "RANKER_CONFIG": str(self.config)}
        return os.environ | ours | {"PYTHONPATH": str(CHECKOUT)}

    async def ranker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`ranker dead …` to its end."""
        argv = [*RANKER, "dead", *words]
        return await asyncio.to_thread(subprocess.run, argv, env=self.environ, capture_output=True, text=True)

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Reason to letters and resent, as `list` has them."""
        listed = await self.ranker("list", "--json")
        assert listed.returncode == 0, listed.stderr
        return {
            reason: (count["letters"], count["resent"])
            for reason, count in json.loads(listed.stdout)["reasons"].items()
        }


def wrong(offset: int, append_ms: int, reason: str, value: bytes, key: bytes | None = b"demo/a") -> Rejected:
    return Rejected(offset, append_ms, reason, key, value)
