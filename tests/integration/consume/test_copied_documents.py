"""Documents of periods are copied into Redis as the catalogue is: whole, again after a loss, past what is none."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.kafka_apache import ApacheKafka
from ranker.connect.redis import connect
from ranker.consume.jobs import copy_topic as copying
from ranker.consume.jobs.copied_topics import THE_DOCUMENTS
from ranker.consume.jobs.copy_topic import copy_topic
from ranker.core.best_of import TOPIC
from ranker.log.copied_topic import CopiedTopic
from ranker.store.keys import BEST_OF, CopyKeys
from tests.integration.operate.test_freeze_catalogue import PLAIN, begin
from tests.support.frozen import FrozenSite
from tests.support.kafka_at import kafka_at
from tests.support.reader import until
from tests.support.redis_at import redis_at

KEYS = CopyKeys(0, BEST_OF)


@asynccontextmanager
async def followed(site: FrozenSite, client: Any) -> AsyncIterator[list[str | None]]:
    """The copy goes on during the block; yields its troubles."""
    troubles: list[str | None] = []
    follow = copy_topic(
        THE_DOCUMENTS,
        lambda: CopiedTopic(kafka_at(site.bootstrap), TOPIC),
        client,
        lambda _, trouble: troubles.append(trouble),
    )
    task = asyncio.create_task(follow)
    try:
        yield troubles
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_documents_are_copied(
    kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Level in spite of the mark that ends a transaction; what is no document is left out; after a loss all again."""
    monkeypatch.setattr(copying, "CHECK_S", 0.1)
    site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, PLAIN)
    await begin(site)
    await site.say(TOPIC, f"{site.site}/week/2026-03-28/read/1", {"site": "Other!", "period": {"kind": "month"}})
    await site.freeze("--kind", "week", "--period", "2026-03-28")
    made = {str(key).encode(): document for key, document in (await site.documents()).items()}
    client: Any = connect(redis_at(redis_url))

    async def level() -> bool:
        return bool(await client.hexists(KEYS.meta, "level"))

    async def copied() -> bool:
        found = await client.hgetall(KEYS.values)
        own = {key: zlib.decompress(value) for key, value in found.items() if key.startswith(site.site.encode())}
        return own == made and await level()

    try:
        async with followed(site, client) as troubles:
            await until(copied, "documents")
            await client.flushall()
            await until(copied, "documents again")
            assert set(troubles) == {None}
    finally:
        await client.aclose()
