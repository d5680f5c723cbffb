"""A site of a test's own with a calendar, its log with given append times, and `ranker freeze` over it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.waiting import until_async
from ranker.connect.redis import connect
from ranker.core.best_of import TOPIC, Key
from ranker.log.documents import read_documents
from ranker.settings import Settings, load
from ranker.store import generations
from tests.integration.consume.engine import CHECKOUT, RANKER
from tests.support.compared import PARTITIONS, Log
from tests.support.kafka_at import kafka_at, kafka_environ
from tests.support.recount import Raw
from tests.support.redis_at import redis_at

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
TOML = """
topic = "{topic}"
lanes = 8
[boards.read]
view = 1
[boards.engaged]
view = 1
comment = 3
share = 5
[windows.long]
length_s = 172800
grain_s = 3600
[rules]
preset = "press"
repeat_per_s = 1800
grace_s = 1200
[sites.SITE.calendar]
zone = "Europe/Paris"
week_starts = "saturday"
places = 12
"""


def records(
    seed: int, site: str, from_ms: int, to_ms: int, count: int = 700, edges: Sequence[int] = (), around: int = 40
) -> list[Raw]:
    """One partition in the order of append times: on time and late, by hours or days, future, sent again, taken back,
    dropped by every rule, of another site, and bytes that are no event. They come in tens, `around` at each of `edges`.
    """
    rng = random.Random(seed)
    found: list[Raw] = []
    events: list[dict[str, Any]] = []
    moments = [
        *rng.choices(range(from_ms, to_ms), k=count // 10),
        *(edge for edge in edges for _ in range(around // 10)),
    ]
    near = [moment + rng.randrange(-5 * MINUTE_MS, 5 * MINUTE_MS) for moment in moments for _ in range(10)]
    for offset, append_ms in enumerate(sorted([*near, *edges, *(edge - 1 for edge in edges)])):
        late_ms = rng.choice((0, 0, 0, 0, 4 * HOUR_MS, 10 * HOUR_MS, 3 * DAY_MS, -10 * MINUTE_MS))
        occurred_ms = append_ms - int(late_ms * rng.random())
        passed = [edge for edge in edges if append_ms - 2 * DAY_MS < edge <= append_ms + 5 * MINUTE_MS]
        if passed and rng.random() < 0.1:
            occurred_ms = rng.choice(passed) - rng.choice((0, 1))
        event: dict[str, Any] = {
            "event_id": f"e{seed}.{offset}",
            "event_type": rng.choice(("view", "view", "view", "share", "comment")),
            "site_id": rng.choice((site, site, site, site, "other")),
            "article_id": f"/{min(int(rng.paretovariate(0.7)), 40)}",
            "occurred_at": occurred_ms,
            "agent_class": rng.choice(("person", "person", "person", "bot", "internal")),
            "value": rng.choice((1, 1, 1, 1, 2, -1)),
            "repeat_key": rng.choice((None, "u", "v", "w")),
        }
        if events and rng.random() < 0.15:
            event = dict(rng.choice(events[-6:]))
        events.append(event)
        value = b"{" if rng.random() < 0.02 else orjson.dumps(event)
        found.append(Raw(offset, append_ms, None, value))
    return found


class FrozenSite(Log):
    """`definitions` has one, "press"; the site is named `site`."""

    def __init__(
        self, bootstrap: str, redis_url: str, directory: Path, toml: str = TOML, *, site: str = "", exact: bool = True
    ) -> None:
        self.site = site or f"s{os.urandom(4).hex()}"
        self.redis_url = redis_url
        super().__init__(bootstrap, directory, {"press": toml.replace("SITE", self.site)}, exact=exact)

    @property
    def settings(self) -> Settings:
        return load(str(self.config("press")), {**kafka_environ(self.bootstrap)})

    async def begin(self, written: Mapping[int, Sequence[Raw]]) -> None:
        """Creates the topics, writes the log, and has its generation active in Redis."""
        await self.create()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            for name in (TOPIC, "articles"):
                await self._create_compacted(admin, name)
        finally:
            await admin.close()
        await self.write(written)
        await self.activate()

    async def _create_compacted(self, admin: AIOKafkaAdminClient, name: str) -> None:
        config = {"cleanup.policy": "compact", "max.message.bytes": str(8 << 20)}
        if name in await admin.list_topics():
            return
        await admin.create_topics([NewTopic(name, 1, 1, topic_configs=config)])

        async def known() -> bool:
            return name in await admin.list_topics()

        await until_async(f"Topic {name}", known)

    async def activate(self) -> None:
        client = connect(redis_at(self.redis_url))
        try:
            await generations.register(client, self.settings.generation)
            before = await generations.read_active(client)
            await generations.activate(client, self.settings.generation.id, PARTITIONS, before.seq if before else 0)
        finally:
            await client.aclose()

    async def article(self, article_id: str, **fields: Any) -> None:
        """A feed's record on an article."""
        value = {"site_id": self.site, "article_id": article_id, "status": "published", "published_at": 1, **fields}
        await self.say("articles", f"{self.site}/{article_id}", value)

    async def edit(self, article_id: str, **fields: Any) -> None:
        """An editor's record: `hidden`, or `alias_of`."""
        kind = "alias" if "alias_of" in fields else "editor"
        value = {"site_id": self.site, "article_id": article_id, **fields}
        await self.say("articles", f"{self.site}/{article_id} #{kind}", value)

    async def say(self, topic: str, key: str, value: Any) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            packed = None if value is None else orjson.dumps(value)
            await producer.send_and_wait(topic, packed, key.encode(), partition=0)
        finally:
            await producer.stop()

    async def documents(self) -> dict[Key, bytes]:
        """Those of this site."""
        return {
            key: one
            for key, one in (await read_documents(kafka_at(self.bootstrap), lambda _, raw: raw)).items()
            if key.site == self.site
        }

    async def document(self, kind: str, first: str, board: str = "read", revision: int = 1) -> Any:
        return orjson.loads((await self.documents())[Key(self.site, kind, date.fromisoformat(first), board, revision)])

    async def forget(self) -> None:
        """Takes all documents of this site out of the topic, as no command does."""
        for key in await self.documents():
            await self.say(TOPIC, str(key), None)

    @property
    def environ(self) -> dict[str, str]:
        """What its commands get."""
        return {
            "PYTHONPATH": str(CHECKOUT), **kafka_environ(self.bootstrap), "RANKER_REDIS_URL": self.redis_url,
            "RANKER_CONFIG": str(self.config("press")), "RANKER_ENV": "production" if self.exact else "development",
        }  # fmt: skip

    def start(self, *words: str, environ: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        """`ranker freeze …`."""
        environment = {**os.environ, **self.environ, **environ}
        argv = [*RANKER, "freeze", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, env=environment, text=True, **pipes)

    async def freeze(self, *words: str, code: int = 0, environ: Mapping[str, str] = {}) -> tuple[str, str]:
        """To its end; output and errors."""
        process = self.start(*words, environ=environ)
        out, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == code, (out, errors)
        return out, errors

    async def made(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((await self.freeze(*words, "--json"))[0])["made"]
        return found
