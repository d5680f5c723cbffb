"""All processes of one engine as they run in production, what strangers can send them, and their metrics."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import shutil
import subprocess
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import IN_CI
from tests.integration.consume.engine import Consumer, Engine
from tests.support.collector_process import ORIGIN, SITES, Collector, collector
from tests.support.http import ask
from tests.support.reader_process import ReaderProcess, reader_process

PROMTOOL = shutil.which("promtool")
MARK = "zq"
"""In every name that a stranger invents, and in none of ours."""


def check(text: bytes) -> str:
    """What `promtool check metrics` finds: nothing, if all is well."""
    if PROMTOOL is None:
        if IN_CI:
            pytest.fail("promtool is missing (Debian: apt-get install prometheus)")
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True)
    return (done.stdout + done.stderr).decode() + (f"code {done.returncode}" if done.returncode else "")


def series(text: bytes) -> Counter[str]:
    """How many series each family has; one of a histogram is all its buckets together."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {tuple(sorted((k, v) for k, v in one.labels.items() if k != "le")) for one in family.samples}
        found[name] = len(labels)
    return found


def named(text: bytes) -> dict[str, set[str]]:
    """Families with labels that a stranger has named."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for one in family.samples:
            found.setdefault(family.name, set()).update(value for value in one.labels.values() if MARK in value)
    return {name: values for name, values in found.items() if values}


def counters(text: bytes) -> dict[str, float]:
    """Everything that may only grow: counters, and the parts of histograms."""
    return {
        f"{one.name} {sorted(one.labels.items())}": one.value
        for family in text_string_to_metric_families(text.decode())
        if family.type in ("counter", "histogram")
        for one in family.samples
    }


@dataclass
class Live:
    """`reader` and `collector` only if the test wants them."""

    engine: Engine
    consumer: Consumer
    _reader: ReaderProcess | None = None
    _collector: Collector | None = None

    @property
    def reader(self) -> ReaderProcess:
        assert self._reader is not None
        return self._reader

    @property
    def collector(self) -> Collector:
        assert self._collector is not None
        return self._collector

    async def scrape(self) -> dict[str, bytes]:
        """The text of every process' /metrics, as Prometheus 2 requests it."""
        texts = {"consume": await self.consumer.exposed()}
        if self._reader is not None:
            texts["serve"] = ask(self._reader.admin_port, "/metrics").body
        if self._collector is not None:
            texts["collect"] = self._collector.admin("/metrics").body
        return texts

    def reader_values(self) -> dict[str, float]:
        return values_of(ask(self.reader.admin_port, "/metrics").body)

    async def until_listed(self, target: str) -> None:
        """A list is in use from then on."""

        async def listed() -> bool:
            return self.reader.get(target).status == 200

        await self.engine.until(target, listed)


@contextlib.contextmanager
def live(engine: Engine, directory: Path, *, serves: bool = True, collects: bool = True) -> Iterator[Live]:
    """One process of each kind that is wanted, on the engine's topic."""
    running = Live(engine, engine.consume())
    with contextlib.ExitStack() as stack:
        if serves:
            config = engine.config.read_text()
            running._reader = stack.enter_context(reader_process(engine.redis_url, directory, config=config))
        if collects:
            where, redis_url = directory / "c", engine.redis_url
            running._collector = stack.enter_context(
                collector(engine.bootstrap, engine.topic, where, SITES, redis_url=redis_url)
            )
        if serves:
            running.reader.until_ready()
        yield running


def values_of(text: bytes) -> dict[str, float]:
    """The last of each name, without labels but the bound of a bucket."""
    return {
        one.name + (f" le={one.labels['le']}" if "le" in one.labels else ""): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


def invented() -> str:
    return MARK + secrets.token_hex(6)


def record(dice: random.Random) -> tuple[bytes, bytes]:
    """A record of which one thing is a stranger's: site, article, event type, producer, or all of it is garbage."""
    event = {
        "event_id": secrets.token_hex(8), "event_type": "view", "site_id": "demo", "article_id": "/1",
        "occurred_at": time.time_ns() // 1_000_000, "producer_id": f"{invented()}/{secrets.token_hex(4)}", "sequence": 1,
    }  # fmt: skip
    what = dice.choice(("event_type", "site_id", "article_id", "agent_class", "visitor_id", "occurred_at", "value", ""))
    if what == "value":
        event["value"] = dice.choice((-1, 0, 10**12, invented()))
    elif what:
        event[what] = invented()
    if dice.random() < 0.1:
        event["event_type"] = dice.choice(("!bot", "!" + invented(), "late", "dead", "other", ""))
    value = json.dumps(event).encode() if dice.random() < 0.8 else invented().encode()
    return f"{event['site_id']}/{event['article_id']}".encode(), value


async def attack_log(engine: Engine, dice: random.Random, records: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=engine.bootstrap)
    await producer.start()
    try:
        for _ in range(records):
            key, value = record(dice)
            await producer.send(engine.topic, key=key, value=value)
        await producer.flush()
    finally:
        await producer.stop()


def attack_reader(port: int, dice: random.Random, requests: int) -> None:
    """Paths, queries, methods and headers of which some part is a stranger's."""
    known = ["v1", "demo", "popular", "read", "short", "feed.rss", "stream.x", "article", "docs", "definitions", "page"]
    for _ in range(requests):
        parts = [dice.choice((*known, invented())) for _ in range(dice.randint(0, 6))]
        query = urllib.parse.urlencode({dice.choice(("limit", "lang", "render", invented())): invented()})
        method = dice.choice(("GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", invented().upper()))
        target = "/" + "/".join(parts) + f"?{query}" * dice.randint(0, 1)
        with contextlib.suppress(OSError, ValueError):
            ask(
                port,
                target,
                method,
                Accept=invented(),
                Origin=f"https://{invented()}.example",
                If_None_Match=invented(),
            )


def attack_collector(port: int, dice: random.Random, requests: int) -> None:
    """Events, beacons and whatever else, from pages, servers and nowhere."""
    paths = ("/v1/events", "/matomo.php", "/api/event", "/api/send", "/count", "/tracker.js", "/")
    for _ in range(requests):
        event = {"event_type": dice.choice(("view", invented())), "article_id": invented(), "site_id": invented()}
        target = dice.choice((*paths, "/" + invented())) + f"?{invented()}=1&idsite={invented()}" * dice.randint(0, 1)
        headers = {
            "Origin": dice.choice((ORIGIN, f"https://{invented()}.example")),
            "Content_Type": dice.choice(("application/json", "text/plain", invented())),
            "User_Agent": invented(),
        }
        if dice.random() < 0.3:
            headers["Authorization"] = f"Bearer {invented()}"
        method = dice.choice(("POST", "POST", "GET", "HEAD", "OPTIONS", invented().upper()))
        body = dice.choice((json.dumps([event]), json.dumps({"events": [event]}), invented(), ""))
        with contextlib.suppress(OSError, ValueError):
            ask(port, target, method, body, **headers)
