"""What docs/privacy.md promises, looked for in everything that is written: Kafka, Redis, the collector's disk, its log."""

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from playwright.async_api import Route

from deploy.local import children, waiting
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.launcher import program
from deploy.local.ports import HOST
from deploy.local.redis import RedisServer
from tests.conftest import without
from tests.support.http import ask
from tests.support.published_scripts import TRACKER
from tests.support.tracked_site import CollectorServer, reading

CHECKOUT = Path(__file__).parents[2]
ORIGIN = "https://www.example.org"
ADDRESS, AGENT = "203.0.113.77", "Mozilla/5.0 (X11; Papyrus 7) Lorgnette/77.0"


@dataclass
class Stack:
    """A collector whose site wants visitors, behind a proxy on this machine, and what it writes to."""

    broker: EmbeddedKafka
    redis_url: str
    collector: CollectorServer

    def read(self, article: str, **headers: str) -> None:
        """A page sends a view, as the proxy hands it on; it is accepted."""
        known = {"Origin": ORIGIN, "Content_Type": "text/plain", "User_Agent": AGENT, "X_Forwarded_For": ADDRESS}
        body = json.dumps({"article_id": article})
        assert ask(self.collector.port, "/v1/events", "POST", body, **(known | headers)).status == 202

    def written(self) -> dict[str, bytes]:
        """All that is in Redis, on the collector's disk (packed and unpacked) and in logs, by where it is."""
        files = [path for path in self.collector.directory.rglob("*") if path.is_file()]
        found = {path.name: path.read_bytes() for path in [*files, self.broker.directory / "kafka.log"]}
        found["the spool's events"] = self.spooled()
        with redis.Redis.from_url(self.redis_url) as client:
            for key in client.scan_iter():
                found[f"Redis {key!r}"] = key + (client.dump(key) or b"")
        return found

    def spooled(self) -> bytes:
        """What the spool's rows hold, from a copy of its files."""
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(self.collector.directory / "spool", copy, dirs_exist_ok=True)
            with contextlib.closing(sqlite3.connect(Path(copy) / "spool.sqlite3")) as database:
                rows = database.execute("SELECT body FROM queue UNION ALL SELECT body FROM aside").fetchall()
        return b"\n".join(zlib.decompress(body) for (body,) in rows)


async def events_of(bootstrap: str, articles: set[str]) -> tuple[dict[str, Any], list[bytes]]:
    """An event of each article in the log, and every record as it is: what the spool sent may be there twice."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    events: dict[str, Any] = {}
    records = []
    try:
        consumer.assign([TopicPartition("page-views", p) for p in consumer.partitions_for_topic("page-views") or ()])
        async with asyncio.timeout(20):
            while events.keys() != articles:
                record = await consumer.getone()
                records.append(repr((record.key, record.value, record.headers)).encode())
                event = orjson.loads(record.value)
                events[event["article_id"]] = event
    finally:
        await consumer.stop()
    return events, records


@pytest.fixture
def stack(tmp_path: Path, redis_server: RedisServer) -> Iterator[Stack]:
    """Its Redis user may do what deploy/README.md says, and nothing else."""
    redis_server.flush()
    try:
        broker = EmbeddedKafka(tmp_path / "kafka")
        ranker = program("ranker")
    except LocalFault as missing:
        without(MissingTool(str(missing)))
    line = re.search(r"^(ACL SETUSER collector .*)$", (CHECKOUT / "deploy" / "README.md").read_text(), re.MULTILINE)
    assert line is not None
    with redis_server.client() as client:
        client.execute_command(*line[1].split())
    config = tmp_path / "ranker.toml"
    config.write_text(f'[sites.demo]\norigins = ["{ORIGIN}"]\nvisitors = true\n[collect]\nproxies = ["{HOST}"]\n')
    broker.start()
    environment = {
        "RANKER_KAFKA_BOOTSTRAP": broker.bootstrap,
        "RANKER_REDIS_URL": redis_server.url.replace("redis://", "redis://collector:SECRET@"),
        "RANKER_WRITE_KEYS": "",
    }
    collector = CollectorServer(tmp_path / "collector", config, environment)
    try:
        children.run("topics", [ranker, "topics", "apply"], tmp_path / "topics.log", environment)
        collector.start()
        yield Stack(broker, redis_server.url, collector)
    finally:
        collector.stop()
        broker.kill()
        with redis_server.client() as client:
            client.execute_command("ACL", "DELUSER", "collector")


async def test_addresses_and_browsers_are_written_nowhere(stack: Stack) -> None:
    """By way of Kafka and by way of the spool; visitors are distinguished all the same, but for those who ask not to be."""
    for article, headers in {
        "/1": {},
        "/2": {},
        "/3": {"X_Forwarded_For": "203.0.113.78"},
        "/4": {"User_Agent": AGENT.replace("77", "78")},
        "/5": {"Sec_GPC": "1"},
    }.items():
        stack.read(article, **headers)
    stack.broker.suspend()
    stack.read("/6")
    assert stack.collector.metric("collector_spool_events") == 1
    in_spool = stack.written()
    stack.broker.resume()
    waiting.until("An empty spool", lambda: stack.collector.metric("collector_spool_events") == 0)
    articles = [f"/{number}" for number in range(1, 7)]
    events, records = await events_of(stack.broker.bootstrap, set(articles))
    one, again, elsewhere, other, private, spooled = (events[article].get("visitor_id") for article in articles)
    assert one == again == spooled
    assert len({one, elsewhere, other}) == 3
    assert private is None
    stack.collector.stop()
    written = (
        {"Kafka": b"\n".join(records)}
        | {f"before: {where}": what for where, what in in_spool.items()}
        | stack.written()
    )
    assert b"/6" in in_spool["the spool's events"], "nothing to look at"
    assert any("ranker:collect:salt:" in where for where in written)
    packed = bytes(map(int, ADDRESS.split(".")))
    for where, what in written.items():
        for sign in (ADDRESS.encode(), b"Lorgnette", b"Papyrus", packed):
            assert sign not in what, f"{sign!r} is in {where}"


def test_the_salt_is_gone_47_hours_after_its_day_began(stack: Stack) -> None:
    """One key for today (and before midnight one for tomorrow), each with its end."""
    with redis.Redis.from_url(stack.redis_url) as client:
        keys = waiting.until("A salt", lambda: list(client.scan_iter("ranker:collect:salt:*")))
        for key in keys:
            seconds, _ = client.time()
            days = [day for day in (seconds // 86_400, seconds // 86_400 + 1) if key.decode().endswith(_date(day))]
            assert client.expiretime(key) == (days[0] + 2) * 86_400 - 3_600


def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}"


async def test_the_refusal_of_the_document_is_one() -> None:
    """docs/privacy.md's button and script: measured until refused, then the tracker is not even loaded; and back."""
    document = (CHECKOUT / "docs" / "privacy.md").read_text()
    (button,) = re.findall(r"```html\n(.*?)```", document, re.DOTALL)
    (script,) = re.findall(r"```js\n(.*?)```", document, re.DOTALL)
    asked: list[str] = []

    async def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        kinds = {"/a": "text/html; charset=utf-8", "/v1/events": "text/plain"}
        bodies = {"/a": f"<!doctype html>{button}", "/js/mesure.js": script, "/tracker.js": TRACKER.current.decode()}
        asked.append(path)
        await route.fulfill(body=bodies.get(path, ""), content_type=kinds.get(path, "text/javascript"))

    async with reading() as context:
        await context.route("**/*", answer)
        page = await context.new_page()
        choice = page.get_by_role("button")
        for _ in range(2):
            async with page.expect_request("**/v1/events"):
                await page.goto(f"{ORIGIN}/a")
            await choice.click()
            assert await choice.inner_text() == "Mesurer de nouveau mes visites"
            asked.clear()
            await page.reload()
            await page.wait_for_load_state("networkidle")
            assert asked == ["/a", "/js/mesure.js"]
            await choice.click()
            assert await choice.inner_text() == "Ne pas mesurer mes visites"
        await page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
        asked.clear()
        await page.reload()
        await page.wait_for_load_state("networkidle")
        assert asked == ["/a", "/js/mesure.js"]
