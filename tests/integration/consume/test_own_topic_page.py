"""docs/ways-in/own-topic.md: each of its blocks does what the page says; the French page has the same ones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

import schemas
from ranker.core.generation import from_table
from schemas import configuration
from tests.integration.consume.engine import CHECKOUT, Engine
from tests.support.certificates import Authority
from tests.support.registry import SchemaRegistry, framed, serving

PAGE = CHECKOUT / "docs" / "ways-in" / "own-topic.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
(_, RECORD), (_, FIELDS), (_, PRESET), (_, AVRO), (_, REGISTRY), (_, COMMANDS) = BLOCKS
LOG = json.loads(schemas.source_example("caddy"))
HIT = {
    "type": "record",
    "name": "Hit",
    "fields": [
        {
            "name": "page",
            "type": {"type": "record", "name": "Page", "fields": [{"name": "path", "type": "string"}]},
        },
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ],
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[SchemaRegistry, dict[str, str]]]:
    """The page's registry, and what stands for its address and its files."""
    authority = Authority(tmp_path / "ca")
    server = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    (tmp_path / "registry.password").write_text("secret\n")
    with serving(SchemaRegistry(login=("ranker", "secret")), context) as found:
        found.add(7, HIT)
        yield (
            found,
            {
                "https://registry.example.org:8081": found.url,
                "/etc/ranker/registry.password": str(tmp_path / "registry.password"),
                "/etc/ranker/ca.pem": str(authority.ca),
            },
        )


def record() -> tuple[bytes, list[tuple[str, bytes]]]:
    return json.dumps({**json.loads(RECORD), "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}).encode(), []


def line(**request: Any) -> tuple[bytes, list[tuple[str, bytes]]]:
    return json.dumps({**LOG, "ts": time.time(), "request": {**LOG["request"], **request}}).encode(), []


def hit() -> tuple[bytes, list[tuple[str, bytes]]]:
    return framed(7, HIT, {"page": {"path": "/news/harbour"}, "at": time.time_ns() // 1000}), []


@pytest.mark.parametrize(
    ("config", "values", "skipped"),
    [
        pytest.param(
            FIELDS,
            [record, lambda: (record()[0].replace(b'"page",', b'"click",'), [])],
            "event_type",
            id="fields",
            marks=pytest.mark.long,
        ),
        pytest.param(
            PRESET,
            [line, lambda: line(uri="/style.css"), lambda: line(method="POST")],
            "pattern",
            id="preset",
            marks=pytest.mark.long,
        ),
        pytest.param(AVRO, [hit], "", id="avro"),
    ],
)
async def test_each_block(
    new_engine: Callable[..., Engine],
    registry: tuple[SchemaRegistry, dict[str, str]],
    tmp_path: Path,
    config: str,
    values: list[Callable[[], tuple[bytes, list[tuple[str, bytes]]]]],
    skipped: str,
) -> None:
    """The commands of the page with each of its files: one page view is counted, and nothing is a dead letter."""
    engine = new_engine()
    topic = re.search('topic = "(.+)"', config)[1]  # type: ignore[index]
    engine.topic = f"{topic}-{os.getpid()}"
    await engine.create_topic(1, message_timestamp_type="CreateTime")
    async with AIOKafkaProducer(bootstrap_servers=engine.bootstrap) as producer:
        for value, headers in (made() for made in values):
            await producer.send_and_wait(engine.topic, value, headers=headers)
    (tmp_path / "ranker.toml").write_text(config.replace(f'"{topic}"', f'"{engine.topic}"'))
    text = REGISTRY
    for named, ours in registry[1].items():
        text = text.replace(named, ours)
    tool = tmp_path / "ranker"
    tool.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from ranker.commands import main; main()' \"$@\"\n")
    tool.chmod(0o755)
    environ = {**os.environ, **engine.env(), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    shell = partial(subprocess.run, cwd=tmp_path, env=environ, text=True, capture_output=True)
    said = await asyncio.to_thread(shell, ["sh", "-ec", f"{text}\n{COMMANDS.rpartition('ranker consume')[0]}"])
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{engine.topic}: is there" in said.stdout
    assert ("1 are page views" if skipped else "all can be read as page views") in said.stdout
    engine.generation = from_table(configuration.filled(tomllib.loads((tmp_path / "ranker.toml").read_text())))
    engine.more_environ = dict(re.findall(r"export (\w+)=(\S+)", text))
    consumer = engine.consume(config=tmp_path / "ranker.toml")

    async def counted() -> bool:
        return (await engine.applied())[0] >= len(values)

    await engine.until("counting", counted)
    assert await consumer.metric("ranker_events_total", outcome="view") == 1
    assert await consumer.metric("ranker_events_total", outcome="dead") == 0
    assert await consumer.metric("ranker_skipped_records_total", reason=skipped or "none") == bool(skipped)
    verified = await asyncio.to_thread(engine.ranker, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert ("no page views, by [source]: " in verified.stdout) == bool(skipped)
    assert f"{skipped} 1" in verified.stdout or not skipped
