"""Start order does not matter: everything comes in any order, says what it waits for, and the lists are right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from deploy.local import children, waiting
from deploy.local.children import Child
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port
from deploy.local.redis import RedisServer, any_binary
from tests.bench import processes
from tests.support.http import ask

CONFIG = """
[sites.demo]
origins = ["https://www.demo.example"]
[kafka]
metadata_max_age_ms = 1000
"""
ORIGIN = "https://www.demo.example"
BEACONS, LINES = 12, 30
ARTICLES = 3


class System:
    """All parts of one installation, each started when its turn comes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kafka = ApacheKafka(directory / "kafka", starts_soon=True)
        self.redis = RedisServer(directory / "redis", any_binary())
        self.ports = {name: free_port() for name in ("consumer", "reader", "collector", "public", "events")}
        self.running: dict[str, Child] = {}
        self.tasks: list[asyncio.Task[None]] = []
        (directory / "ranker.toml").write_text(CONFIG)
        now_ms = time.time_ns() // 1_000_000
        rows = [
            json.dumps({"occurred_at": now_ms - number, "article_id": f"/{number % ARTICLES}"}) + "\n"
            for number in range(LINES)
        ]
        (directory / "access.jsonl").write_text("".join(rows))
        self.parts: Mapping[str, Callable[[], Awaitable[None]]] = {
            "kafka": lambda: asyncio.to_thread(self.kafka.start),
            "redis": lambda: asyncio.to_thread(self.redis.start),
            "topics": self.topics,
            "consumer": self.consumer,
            "reader": self.reader,
            "collector": self.collector,
            "follower": self.follower,
        }

    def start(self, name: str, program: str, *words: str | Path) -> Child:
        argv = [sys.executable, "-W", "error", "-c", f"from {program}.commands import main; main()", *map(str, words)]
        env = {
            **processes.environment(),
            "RANKER_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "RANKER_REDIS_URL": self.redis.url,
            "RANKER_CONFIG": str(self.directory / "ranker.toml"),
        }
        self.running[name] = child = children.start(name, argv, self.directory / f"{name}.log", env)
        return child

    async def topics(self) -> None:
        """As a supervisor runs a one-shot: again, until it has done its work."""

        async def apply() -> None:
            while True:
                child = self.start("topics", "ranker", "topics", "apply")
                while child.returncode() is None:  # noqa: ASYNC110  # of another process
                    await asyncio.sleep(0.05)
                if child.returncode() == 0:
                    return
                await asyncio.sleep(1.0)

        self.tasks.append(asyncio.create_task(apply()))

    async def consumer(self) -> None:
        self.start("consumer", "ranker", "consume", "--admin-port", str(self.ports["consumer"]))

    async def reader(self) -> None:
        ports: list[str | Path] = ["--port", str(self.ports["public"]), "--admin-port", str(self.ports["reader"])]
        self.start("reader", "ranker", "serve", *ports, "--drain-s", "0")

    async def collector(self) -> None:
        ports: list[str | Path] = ["--port", str(self.ports["events"]), "--admin-port", str(self.ports["collector"])]
        spool: list[str | Path] = ["--spool", self.directory / "spool", "--drain-s", "0"]
        self.start("collector", "producers", "collect", *ports, *spool)
        await self.until("the collector", lambda: self.reasons("collector") == [])
        for number in range(BEACONS):  # whatever is away: they are accepted
            event = {"event_type": "view", "site_id": "demo", "article_id": f"/{number % ARTICLES}"}
            body = json.dumps([event])
            reply = await asyncio.to_thread(
                ask, self.ports["events"], "/v1/events", "POST", body, Origin=ORIGIN, Content_Type="text/plain"
            )
            assert reply.status == 202, reply

    async def follower(self) -> None:
        files: list[str | Path] = ["--state", self.directory / "position.json", self.directory / "access.jsonl"]
        self.start("follower", "producers", "replay", "--follow", *files, "--site", "demo")

    def reasons(self, name: str) -> list[str] | None:
        """Why a process is not ready; None while it does not answer."""
        try:
            found: list[str] = ask(self.ports[name], "/readyz").json["reasons"]
        except OSError:
            return None
        return found

    async def until(self, what: str, seen: Callable[[], bool], deadline_s: float = 60.0) -> None:
        async def looked() -> bool:
            dead = [name for name, one in self.running.items() if name != "topics" and one.returncode() is not None]
            assert not dead, f"{dead} ended: {[self.running[name].tail() for name in dead]}"
            return await asyncio.to_thread(seen)

        try:
            await waiting.until_async(what, looked, deadline_s)
        except waiting.NotInTime as late:
            tails = "\n".join(f"{name}: {one.tail(6)}" for name, one in self.running.items())
            raise waiting.NotInTime(f"{late}\n{tails}") from late

    def is_ready(self, name: str) -> bool:
        return self.reasons(name) == []

    async def until_it_says_why(self, name: str) -> None:
        """It is ready, or says what it waits for, in words that it has for that."""
        await self.until(f"{name} to answer", lambda: self.reasons(name) is not None)
        said = await asyncio.to_thread(self.reasons, name) or []
        assert all(any(word in one for word in WAITING[name]) for one in said), said

    def counts(self) -> dict[str, int]:
        """What the reader shows; nothing while it shows none."""
        try:
            reply = ask(self.ports["public"], "/v1/demo/popular/read/24h?limit=10")
        except OSError:
            return {}
        return {one["article_id"]: one["count"] for one in reply.json["items"]} if reply.status == 200 else {}


@contextlib.asynccontextmanager
async def system(directory: Path) -> AsyncIterator[System]:
    made = System(directory)
    try:
        yield made
    finally:
        for task in made.tasks:
            task.cancel()
        children.stop_all([one for one in made.running.values() if one.returncode() is None], 10.0)
        made.kafka.stop()
        made.redis.stop()


WAITING = {
    "consumer": (
        "Kafka is not available",
        "Redis is not available",
        "does not exist",
        "no partitions",
    ),
    "reader": ("Redis", "generation", "list"),
}
"""What they say while something is not there: one of these."""
FIXED = {
    "processes first": ["reader", "consumer", "follower", "collector", "redis", "kafka", "topics"],
    "Kafka last": ["topics", "redis", "reader", "consumer", "follower", "collector", "kafka"],
}


def orders() -> dict[str, list[str]]:
    names = ["kafka", "redis", "topics", "consumer", "reader", "collector", "follower"]
    seed = int(os.environ.get("SEED", "17"))
    return FIXED | {f"seed {seed}": random.Random(seed).sample(names, len(names))}


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order, id=name, marks=[pytest.mark.long] if name in FIXED else [])
        for name, order in orders().items()
    ],
)
@pytest.mark.long
async def test_the_lists_are_right_whatever_comes_last(order: list[str], tmp_path: Path) -> None:
    """Nothing ends, nothing is restarted; what waits says for what, and logs it once."""
    print(" ".join(order))
    async with system(tmp_path) as made:
        for name in order:
            await made.parts[name]()
            for waits in sorted(WAITING.keys() & made.running.keys()):
                await made.until_it_says_why(waits)
        expected = Counter(f"/{number % ARTICLES}" for number in range(BEACONS))
        expected += Counter(f"/{number % ARTICLES}" for number in range(LINES))
        await made.until("The lists", lambda: made.counts() == dict(expected), 90.0)
        for name in ("consumer", "reader", "collector"):
            await made.until(name, partial(made.is_ready, name))
    for name in ("consumer", "reader", "collector", "follower"):
        lines = (tmp_path / f"{name}.log").read_text().splitlines()
        assert not [line for line in lines if "Traceback" in line]
        # Kafka's client repeats itself every ten seconds (service/logs.py)
        ours = [line for line in lines if '"level":"warning"' in line and '"logger":"aiokafka' not in line]
        most = Counter(json.loads(line)["event"] for line in ours)
        assert not most or max(most.values()) <= 2, most.most_common(3)
        assert made.running[name].returncode() in (0, -15)
