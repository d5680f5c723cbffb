"""Articles and a topic of them that a test has for itself, with who follows it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ranker.consume.jobs.copied_topics import THE_CATALOGUE
from ranker.consume.jobs.copy_topic import copy_topic
from ranker.log.copied_topic import CopiedTopic
from ranker.store.keys import CopyKeys
from tests.support.kafka_at import kafka_at


def article(article_id: str, **fields: Any) -> bytes:
    usual = {
        "site_id": "demo",
        "article_id": article_id,
        "status": "published",
        "title": f"Title of {article_id}",
        "url": f"https://demo.example{article_id}",
        "published_at": 1_795_392_000_000,
    }
    return orjson.dumps(usual | fields)


@dataclass
class Topic:
    """An articles topic of the test's own, and who follows it."""

    bootstrap: str
    name: str
    client: Any
    producer: AIOKafkaProducer
    troubles: list[str | None] = field(default_factory=list)

    async def send(self, key: str | bytes, value: bytes | None) -> None:
        raw = key.encode() if isinstance(key, str) else key
        await self.producer.send_and_wait(self.name, value, raw, partition=0)

    async def recreate(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([self.name])
            await until(lambda: self._created(admin), "topic created again")
        finally:
            await admin.close()

    async def _created(self, admin: AIOKafkaAdminClient) -> bool:
        reply = await admin.create_topics([NewTopic(self.name, 1, 1)])
        return all(error[1] == 0 for error in reply.topic_errors)

    def follow(self) -> asyncio.Task[None]:
        return asyncio.create_task(
            copy_topic(
                THE_CATALOGUE,
                lambda: CopiedTopic(kafka_at(self.bootstrap), self.name),
                self.client,
                lambda _, trouble: self.troubles.append(trouble),
            )
        )

    async def stored(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = await self.client.hgetall(CopyKeys(0).values)
        return found


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Waits for a named condition: its first true answer, which must come within 40 s."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if result := await condition():
            return result
        await asyncio.sleep(0.05)
    pytest.fail(f"within 40 s there was no {what}")
