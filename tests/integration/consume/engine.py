"""The engine under test: a topic of its own, real `ranker consume` processes, and the recount beside them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import redis.asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from deploy.local import children, waiting
from deploy.local.ports import free_port
from ranker.connect.redis import connect
from ranker.core.generation import from_table
from schemas import configuration
from tests.integration.consume import shards
from tests.integration.consume.comparing import compare
from tests.integration.consume.traffic import Traffic
from tests.support.kafka_at import kafka_environ
from tests.support.recount import Recount, Rules
from tests.support.redis_at import redis_at, redis_environ

CHECKOUT = Path(__file__).parents[3]
RANKER = [sys.executable, "-c", "from ranker.commands import main; main()"]
T = TypeVar("T")

RANKER_TOML = """
topic = "{topic}"
lanes = 8
[windows.short]
length_s = 5
grain_s = 1
[windows.long]
length_s = 600
grain_s = 10
[boards.read]
view = 1
[boards.engaged]
view = 1
comment = 3
share = 5
[kafka]
session_timeout_ms = {session_timeout_ms}
metadata_max_age_ms = 300
[consume]
flush_ms = 50
"""
"""Short windows: while a test runs, floors pass over what it counts, and counts move from tier to tier."""

WEEK_TOML = RANKER_TOML.replace("= 5\ngrain_s = 1\n", "= 86400\ngrain_s = 60\n").replace(
    "= 600\ngrain_s = 10\n", "= 604800\ngrain_s = 3600\n"
)
"""Windows as in production, a day and a week."""

RULES_TOML = (
    RANKER_TOML
    + """
[rules]
preset = "press"
repeat_per_s = 60
grace_s = 300
"""
)
"""With rules that remember minutes: while a test runs, some are settled and forgotten."""

_numbers = itertools.count(1)


class Consumer:
    """One process of `ranker consume`."""

    def __init__(self, child: children.Child, admin_port: int) -> None:
        self.child = child
        self.ended = False
        """It was ended on purpose."""
        self.admin = f"http://127.0.0.1:{admin_port}"

    def kill(self) -> None:
        self.ended = True
        self.child.kill()

    def stop(self) -> int:
        """Ends it as an operator would; returns its exit code."""
        self.ended = True
        self.child.stop(10.0)
        return self.child.process.returncode

    async def reasons(self) -> list[str] | None:
        """Why it is not ready; empty when it is, None while it does not answer."""
        said = await self._get("/readyz")
        return None if said is None else list(json.loads(said)["reasons"])

    async def ready(self) -> bool:
        return await self.reasons() == []

    async def says(self, words: str) -> bool:
        """Whether a reason for not being ready holds these words."""
        return words in " ".join(await self.reasons() or ())

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels; 0 while the process does not answer."""
        return sum(
            sample.value
            for family in text_string_to_metric_families((await self.exposed()).decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def exposed(self) -> bytes:
        """All its metrics, as text; empty while it does not answer."""
        return await self._get("/metrics") or b""

    async def has(self, name: str, **labels: str) -> bool:
        """Whether the family has a series with these labels."""
        return any(
            sample.name == name and labels.items() <= sample.labels.items()
            for family in text_string_to_metric_families((await self.exposed()).decode())
            for sample in family.samples
        )

    def log(self) -> list[dict[str, Any]]:
        """Its log lines so far."""
        return [json.loads(line) for line in self.child.log.read_text().splitlines() if line.startswith("{")]

    async def _get(self, path: str) -> bytes | None:
        def get() -> bytes | None:
            try:
                with urllib.request.urlopen(self.admin + path, timeout=2.0) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    return error.read()
            except OSError:
                return None

        return await asyncio.to_thread(get)


class Engine:
    """`bootstrap` and `redis_url` are the servers; everything else is this engine's own."""

    def __init__(
        self,
        bootstrap: str,
        redis_url: str,
        directory: Path,
        *,
        config: str = RANKER_TOML,
        session_timeout_ms: int = 1_500,
        topic: str | None = None,
        idempotent: bool = True,
        translated: Callable[[bytes | None], bytes | None] | None = None,
        traffic: type[Traffic] = Traffic,
    ) -> None:
        """With a `topic` this is a second engine on the topic of another one."""
        self.bootstrap = bootstrap
        self.redis_url = redis_url
        self.directory = directory
        number = next(_numbers)
        self.topic = topic or f"views-{os.getpid()}-{number}"
        self.config = directory / f"ranker-{number}.toml"
        self.reconfigure(config.format(topic=self.topic, session_timeout_ms=session_timeout_ms))
        self.recount = Recount(bootstrap, self.topic, self.rules, translated)
        self.traffic = traffic(bootstrap, self.topic, idempotent=idempotent)
        self.client: Any = connect(redis_at(redis_url))
        self.partitions = 0
        self.more_environ: dict[str, str] = {}
        """Beside what every program under test gets."""
        self.consumers: list[Consumer] = []

    def reconfigure(self, text: str) -> None:
        """Writes ranker.toml; what is looked at from now on is its generation."""
        self.config.write_text(text)
        self.rules = Rules.read(self.config)
        self.generation = from_table(configuration.filled(tomllib.loads(text)))

    async def close(self) -> None:
        children.stop_all([consumer.child for consumer in self.consumers])
        await self.client.aclose()

    # the topic

    async def create_topic(self, partitions: int = 2, **settings: str) -> None:
        """The topic and its dead letters. `settings` are the topic's, with _ for dots."""
        self.partitions = partitions
        named = {"message.timestamp.type": "LogAppendTime"} | {k.replace("_", "."): v for k, v in settings.items()}
        dead = {"cleanup.policy": "compact,delete"}
        topics = [NewTopic(self.topic, partitions, 1, topic_configs=named)]
        if not self.traffic.sent:
            topics.append(NewTopic(f"{self.topic}.dead", 1, 1, topic_configs=dead))
        await self.admin(lambda admin: admin.create_topics(topics))
        if "articles" not in await self.admin(lambda admin: admin.list_topics()):  # all engines share it
            catalogue = NewTopic("articles", 1, 1, topic_configs={"cleanup.policy": "compact"})
            await self.admin(lambda admin: admin.create_topics([catalogue]))

    async def add_partitions(self, total: int) -> None:
        self.partitions = total
        await self.admin(lambda admin: admin.create_partitions({self.topic: NewPartitions(total)}))

    async def admin(self, work: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return await work(admin)
        finally:
            await admin.close()

    # the consumers

    def consume(self, *options: str, environment: str = "production", config: Path | None = None) -> Consumer:
        """Starts `ranker consume` on this topic."""
        port = free_port()
        number = len(self.consumers)
        argv = [*RANKER, "consume", "--admin-port", str(port), *options]
        child = children.start(
            f"consumer {number}",
            argv,
            self.directory / f"{self.config.stem}-consumer-{number}.log",
            self.env(environment, config),
        )
        self.consumers.append(Consumer(child, port))
        return self.consumers[-1]

    def ranker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of `ranker` to its end."""
        return subprocess.run([*RANKER, *words], env={**os.environ, **self.env()}, capture_output=True, text=True)

    def env(self, environment: str = "production", config: Path | None = None) -> Mapping[str, str]:
        return {
            "PYTHONPATH": str(CHECKOUT),
            **kafka_environ(self.bootstrap),
            **redis_environ(self.redis_url),
            "RANKER_CONFIG": str(config or self.config),
            "RANKER_ENV": environment,
            **self.more_environ,
        }

    # what stands in Redis

    async def shard(self, partition: int) -> shards.Shard | None:
        return await shards.read(self.client, self.generation.id, partition)

    async def version(self, partition: int) -> tuple[str, int]:
        """(lineage, n) of a partition, ("", -1) if it has not begun or Redis does not answer."""
        try:
            lineage, n = await self.client.hmget(f"ranker:{{{self.generation.id}.{partition}}}:meta", "lineage", "n")
        except redis.exceptions.RedisError:
            return "", -1
        return ("", -1) if n is None else (lineage.decode(), int(n))

    async def applied(self) -> list[int]:
        return [(await self.version(partition))[1] for partition in range(self.partitions)]

    # waiting and comparing

    async def until(self, what: str, ask: Callable[[], Awaitable[T]], deadline_s: float = 20.0) -> T:
        """Waits while all consumers live; if it was in vain, reports their last words."""

        async def ask_while_they_live() -> T:
            dead = [c.child.name for c in self.consumers if not c.ended and c.child.returncode() is not None]
            if dead:
                raise waiting.NotInTime(f"{what} cannot happen any more, {', '.join(dead)} ended")
            return await ask()

        try:
            return await waiting.until_async(what, ask_while_they_live, deadline_s)
        except waiting.NotInTime as late:
            last = [consumer for consumer in self.consumers if not consumer.ended][-3:]
            words = [f"{c.child.name}: {await c.reasons()}\n{c.child.tail(12)}" for c in last]
            words.append(f"n: {await self.applied()}")
            raise waiting.NotInTime("\n".join([str(late), *words])) from late

    async def until_counted(self, deadline_s: float = 20.0) -> None:
        """Waits until every shard's n has reached the end of the log as it stands now."""
        ends = await self.recount.read()

        async def counted() -> bool:
            return all(n >= ends[partition] for partition, n in enumerate(await self.applied()))

        await self.until(f"counting up to {ends}", counted, deadline_s)

    async def check(self, lost: Mapping[int, Iterable[int]] | None = None) -> None:
        """Asserts that every shard, as it stands now, equals the recount at its own n and F."""
        await self.recount.read()
        for partition in range(self.partitions):
            shard = await self.shard(partition)
            assert shard is not None, f"partition {partition} has not begun"
            compare(shard, self.recount, partition, self.partitions, (lost or {}).get(partition, ()))
