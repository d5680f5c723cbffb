"""A topic in Avro whose schemas are in a registry: it may be away, and it may lack one. Apache Kafka."""

from __future__ import annotations

import asyncio
import io
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from deploy.local import waiting
from deploy.local.ports import free_port
from tests.integration.consume.engine import RANKER_TOML, Consumer, Engine
from tests.support.registry import SchemaRegistry, framed, serving

PAGE = {"type": "record", "name": "org.example.Page", "fields": [{"name": "path", "type": ["null", "string"]}]}
MOMENT = {"type": "long", "logicalType": "timestamp-micros"}
FIRST = {
    "type": "record",
    "name": "org.example.Hit",
    "fields": [{"name": "page", "type": PAGE}, {"name": "at", "type": MOMENT}],
}
SECOND = {**FIRST, "fields": [{"name": "who", "type": ["null", "string"]}, *FIRST["fields"]]}
SCHEMAS = {7: FIRST, 1_000_042: SECOND}
LOST = 99
CONFIG = (
    RANKER_TOML
    + """
[source]
format = "avro"
keys = "other"
fields.article_id = "page.path"
fields.occurred_at = "at"
fields.agent_class = "who"
constants.site_id = "demo"
constants.event_type = "view"
"""
)
USER, SECRET = "reader", "s3cret-of-the-registry"


def in_our_names(value: bytes | None) -> bytes | None:
    """The recount's own reading of a record."""
    if not value or value[0] or (number := int.from_bytes(value[1:5], "big")) not in SCHEMAS:
        return None
    plain = json.loads(json.dumps(SCHEMAS[number]).replace('"logicalType"', '"was"'))
    try:
        hit: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), plain, None)
    except EOFError:
        return None
    event = {"event_id": "e", "event_type": "view", "site_id": "demo", "article_id": hit["page"]["path"]}
    more = {"agent_class": hit["who"]} if hit.get("who") else {}
    return json.dumps({**event, "occurred_at": hit["at"] // 1000, **more}).encode()


class Away:
    """The registry behind a port at which it may be served or not."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.registry = SchemaRegistry(login=(USER, SECRET))
        self.registry.add(7, FIRST)
        without = {**SECOND, "fields": [SECOND["fields"][0], {"name": "page", "type": "Page"}, SECOND["fields"][2]]}
        self.registry.add(
            1_000_042, without, references=[{"name": "org.example.Page", "subject": "page", "version": 2}]
        )
        self.registry.refer("page", 2, PAGE)
        password = directory / "registry-password"
        password.write_text(SECRET)
        self.environ = {
            "RANKER_REGISTRY_URL": f"http://127.0.0.1:{self.port}",
            "RANKER_REGISTRY_USERNAME": USER,
            "RANKER_REGISTRY_PASSWORD_FILE": str(password),
        }


@pytest.fixture
def away(tmp_path: Path) -> Away:
    return Away(tmp_path)


async def send(engine: Engine, count: int, *more: bytes, partition: int | None = None) -> None:
    rng = random.Random(count)
    async with engine.traffic.producer() as producer:
        for number in range(count):
            schema = rng.choice(list(SCHEMAS))
            hit = {"page": {"path": f"/{rng.randrange(40)}"}, "at": time.time_ns() // 1000}
            if schema != 7:
                hit["who"] = rng.choice((None, "bot", "person"))
            await producer.send(engine.topic, framed(schema, SCHEMAS[schema], hit), partition=number % 2)
        for value in more:
            await producer.send(engine.topic, value, partition=partition)
        await producer.flush()


@pytest.mark.long
async def test_a_registry_that_is_away_is_waited_for(new_engine: Callable[..., Engine], away: Away) -> None:
    """Said in readiness, metric and log; when it is there, counting goes on by itself, and every count is exact."""
    engine = new_engine(config=CONFIG, translated=in_our_names)
    engine.more_environ = away.environ
    await engine.create_topic(2)
    await send(engine, 400, b"{}", b"\0\0\0\0\7\2", partition=0)
    consumer = engine.consume()
    await engine.until("waiting", lambda: consumer.says(f"127.0.0.1:{away.port} does not reply"))
    await engine.until("both partitions", lambda: number_away(consumer, 2))
    await engine.until("lag", lambda: consumer.metric("ranker_lag_records"))
    with serving(away.registry, port=away.port):
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
        requested = list(away.registry.requests)
        await send(engine, 400)
        await engine.until_counted()
        await engine.check()
        assert await consumer.metric("ranker_registry_away") == 0
        assert await consumer.metric("ranker_dead_letters_total", reason="magic_byte") == 1
        assert await consumer.metric("ranker_dead_letters_total", reason="schema") == 1
        assert set(requested) == {"/schemas/ids/7", "/schemas/ids/1000042", "/subjects/page/versions/2"}
        assert away.registry.requests == requested, "a schema is asked for once"
        shown = await asyncio.to_thread(engine.ranker, "dead", "show")
        assert "begins with the byte 123, and not with the byte 0" in shown.stdout
        assert "the bytes are not those of schema 7" in shown.stdout
        checked = await asyncio.to_thread(engine.ranker, "check")
        assert re.search("ok +schema registry: replies; 2 schemas", checked.stdout)
        verified = await asyncio.to_thread(engine.ranker, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
    log = consumer.child.log.read_text()
    assert '"waiting"' in log
    for said in (log, shown.stdout, checked.stdout, verified.stdout):
        assert SECRET not in said
    shown = await asyncio.to_thread(engine.ranker, "dead", "show")
    assert (shown.returncode, shown.stdout.count("reason "), "fault" in shown.stdout) == (0, 2, False)
    assert f"why they cannot be read is not shown: the schema registry at 127.0.0.1:{away.port}" in shown.stderr
    position = re.search(rf"^{engine.topic}/0/[0-9]+$", shown.stdout, re.MULTILINE)
    assert position is not None
    raw = await asyncio.to_thread(engine.ranker, "dead", "show", "--raw", position[0])
    assert (raw.returncode, raw.stdout in ("{}", "\0\0\0\0\7\2"), raw.stderr) == (0, True, "")
    for command in (("check",), ("verify",), ("dead", "resend", "--all", "--dry-run")):
        failed = await asyncio.to_thread(engine.ranker, *command)
        assert failed.returncode == 1
        assert f"the schema registry at 127.0.0.1:{away.port} does not reply (Connection refused)" in (
            failed.stdout + failed.stderr
        )
        assert SECRET not in failed.stdout + failed.stderr


@pytest.mark.long
async def test_a_schema_that_it_lacks_stops_the_partition(new_engine: Callable[..., Engine], away: Away) -> None:
    """With offset, number and fix; the other goes on. Accepted by hand it is a dead letter, and to all who read again."""
    engine = new_engine(config=CONFIG, translated=in_our_names)
    engine.more_environ = away.environ
    await engine.create_topic(2)
    with serving(away.registry, port=away.port):
        await send(engine, 100, b"\0" + LOST.to_bytes(4, "big") + b"\2/", partition=0)
        consumer = engine.consume()
        sentence = f"partition 0: the record at offset 50 names schema {LOST}, which the schema registry does not have"
        await engine.until("stopping", lambda: consumer.says(sentence), 30.0)
        assert await consumer.metric("ranker_partition_stopped", reason="schema") == 1
        await send(engine, 100)
        await engine.until("the other partition", lambda: reached(engine, 1, 100))
        assert (await engine.applied())[0] <= 50
        consumer.stop()
        accepted = engine.consume("--accept-bad", "0:51")
        await engine.until_counted(30.0)
        await engine.check()
        assert await accepted.metric("ranker_dead_letters_total", reason="unknown_schema") == 1
        for words in (("verify",), ("compare", "--config", str(engine.config), "--rules", "press")):
            refused = await asyncio.to_thread(engine.ranker, *words)
            assert refused.returncode == 1
            assert f"names schema {LOST}" in refused.stderr
            assert "--accept-bad 0:" in refused.stderr
            taken = await asyncio.to_thread(engine.ranker, *words, "--accept-bad", "0:51")
            assert taken.returncode == 0, taken.stdout + taken.stderr
        shown = await asyncio.to_thread(engine.ranker, "dead", "show", "--reason", "unknown_schema")
        assert f"fault  the schema registry has no schema {LOST}; see that RANKER_REGISTRY_URL" in shown.stdout
        dry = await asyncio.to_thread(engine.ranker, "dead", "resend", "--all", "--dry-run")
        assert "still rejected (unknown_schema)" in dry.stdout


async def number_away(consumer: Consumer, partitions: int) -> bool:
    return await consumer.metric("ranker_registry_away") == partitions


async def reached(engine: Engine, partition: int, n: int) -> bool:
    return (await engine.applied())[partition] >= n


def test_a_consumer_without_a_registry_says_so(new_engine: Callable[..., Engine]) -> None:
    engine = new_engine(config=CONFIG)
    consumer: Consumer = engine.consume()
    waiting.until("its end", lambda: consumer.child.returncode() is not None, 10.0)
    assert 'RANKER_REGISTRY_URL: source.format = "avro" needs the schema registry' in consumer.child.log.read_text()
    consumer.ended = True
