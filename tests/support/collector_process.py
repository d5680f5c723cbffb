"""Collectors as processes of their own, as they run in production: start, send, kill, look at what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import children, waiting
from deploy.local.ports import HOST, free_port
from tests.bench import processes
from tests.support.http import Answer, ask
from tests.support.kafka_at import kafka_environ
from tests.support.redis_at import redis_environ

PARTITIONS = 4
ORIGIN = "https://www.demo.example"
KEY = "key-of-demo-0123456789"
OTHER_KEY = "key-of-other-0123456789"
SITES = """
[sites.demo]
origins = ["https://www.demo.example"]
hosts = ["views.demo.example"]
[sites.demo.beacons]
matomo = 3
plausible = "demo.example"
umami = "2f1b6d0e-8c1a-4d6e-9b1f-0a7c5e3d9f42"
goatcounter = "stats.demo.example"
[sites.other]
origins = ["https://other.example"]
public_types = ["share"]
[sites.server]
"""


@dataclass
class Collector:
    """`producers collect` on ports that stay the same over restarts. `directory` holds its configuration, log and spool."""

    bootstrap: str
    topic: str
    directory: Path
    redis_url: str | None = None
    drain_s: float = 0
    host: str = HOST
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)

    @property
    def log(self) -> Path:
        return self.directory / "collector.log"

    @property
    def spool(self) -> Path:
        return self.directory / "spool"

    def start(self, config: str = SITES) -> None:
        file = self.directory / "ranker.toml"
        file.write_text(config)
        argv = [
            *(sys.executable, "-W", "error", "-c", "from producers.commands import main; main(prog_name='producers')"),
            *("collect", "--config", file, "--topic", self.topic, "--spool", self.spool, "--host", self.host),
            *("--port", self.port, "--admin-port", self.admin_port, "--drain-s", self.drain_s),
        ]
        env = {
            **processes.environment(),
            **kafka_environ(self.bootstrap),
            "RANKER_WRITE_KEYS": f"demo={KEY},other={OTHER_KEY},server=key-of-server-0123456789",
            **(redis_environ(self.redis_url) if self.redis_url else {"RANKER_REDIS_URL": ""}),
        }
        self.child = children.start("collector", list(map(str, argv)), self.log, env)
        waiting.until("The collector's start", self._listens, 30.0)

    def _listens(self) -> bool:
        assert self.child.returncode() is None, self.child.tail()
        with contextlib.suppress(ConnectionError):
            return self.ask("GET", "/").status == 200
        return False

    def ask(self, method: str, target: str, body: bytes | str | None = None, **headers: str) -> Answer:
        """One request on a connection of its own, with exactly these headers (underscores are hyphens) and a Host."""
        return ask(self.port, target, method, body, host=self.host, **headers)

    def page(self, events: Any, **headers: str) -> Answer:
        """What a page of site demo sends."""
        return self.post(events, **({"Origin": ORIGIN, "Content_Type": "text/plain;charset=UTF-8"} | headers))

    def server(self, events: Any, key: str = KEY, **headers: str) -> Answer:
        """What a server with a write key sends."""
        return self.post(events, Authorization=f"Bearer {key}", **headers)

    def post(self, events: Any, **headers: str) -> Answer:
        body = events if isinstance(events, (bytes, str)) else json.dumps(events)
        return self.ask("POST", "/v1/events", body, **({"Content_Type": "application/json"} | headers))

    def admin(self, path: str) -> Answer:
        return ask(self.admin_port, path)

    def metric(self, name: str, **labels: str) -> float:
        """A sample of /metrics; 0 if it is not there yet."""
        wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
        pattern = rf"^collector_{name}{re.escape('{' + wanted + '}') if wanted else ''} (\S+)$"
        found = re.search(pattern, self.admin("/metrics").body.decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextmanager
def collector(bootstrap: str, topic: str, directory: Path, config: str = SITES, **options: Any) -> Iterator[Collector]:
    """A collector that listens, killed with the block if it has not ended before."""
    directory.mkdir(parents=True, exist_ok=True)
    running = Collector(bootstrap, topic, directory, **options)
    try:
        running.start(config)
        yield running
    finally:
        if hasattr(running, "child"):
            running.child.kill()


async def new_topic(bootstrap: str, name: str) -> str:
    """A topic of its own, with a random end to its name."""
    topic = f"{re.sub(r'[^a-zA-Z0-9._-]', '.', name)[:150]}.{os.urandom(3).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()
    return topic


@dataclass(frozen=True)
class Record:
    partition: int
    key: bytes
    value: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.value))


async def records(bootstrap: str, topic: str, count: int, *, at_least: bool = False) -> list[Record]:
    """All records of a topic once there are `count` of them; more are as much a failure as fewer, unless `at_least`."""
    async with _consumer(bootstrap, topic) as consumer:
        found: list[Record] = []

        async def enough() -> bool:
            batches = await consumer.getmany(timeout_ms=50)
            found.extend(
                Record(partition.partition, one.key, one.value) for partition, batch in batches.items() for one in batch
            )
            return len(found) >= count and not batches

        await waiting.until_async(f"{count} records", enough)
        assert at_least or len(found) == count, [record.value for record in found]
        return found


@contextlib.asynccontextmanager
async def _consumer(bootstrap: str, topic: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield consumer
    finally:
        await consumer.stop()


def fields(event: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in names)
