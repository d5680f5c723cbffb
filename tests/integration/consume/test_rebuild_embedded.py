"""`ranker rebuild` on the embedded broker, and what it prints of a list, to the last digit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.consume.engine import Consumer, Engine
from tests.integration.consume.rebuilding import Rebuild
from tests.support.secured_run import EMBEDDED_ALONE

pytestmark = EMBEDDED_ALONE

BLUE_TOML = """
topic = "{topic}"
lanes = 64
[windows.1h]
length_s = 3600
grain_s = 60
[boards.read]
view = 1
[boards.shared]
share = 1
[kafka]
session_timeout_ms = {session_timeout_ms}
"""
GREEN_TOML = (
    BLUE_TOML.replace("[boards.shared]\nshare = 1\n", "[windows.24h]\nlength_s = 86400\ngrain_s = 3600\n")
    + '[rules]\npreset = "press"\n'
)


@pytest_asyncio.fixture
async def engines(kafka_embedded: str, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Engine, Engine]]:
    """One that counts without rules, and one with those of the press on its topic."""
    options: dict[str, Any] = {"session_timeout_ms": 10_000, "idempotent": False}
    blue = Engine(kafka_embedded, redis_url, tmp_path, config=BLUE_TOML, **options)
    green = Engine(kafka_embedded, redis_url, tmp_path, config=GREEN_TOML, topic=blue.topic, **options)
    green.partitions = 2
    await blue.create_topic(2)
    yield blue, green
    await blue.close()
    await green.close()


async def _send(engine: Engine) -> None:
    """Views: five of one reader, three of three, two of a bot, one that was sent twice."""
    views: list[tuple[str, dict[str, str]]] = [
        *(("a", {"repeat_key": "one"}) for _ in range(5)),
        *(("b", {"repeat_key": str(reader)}) for reader in range(3)),
        *(("c", {"agent_class": "bot"}) for _ in range(2)),
        *(("d", {"event_id": "twice"}) for _ in range(2)),
    ]
    now = int(time.time() * 1000)
    async with engine.traffic.producer() as producer:
        for number, (article, more) in enumerate(views):
            event = {"event_id": f"e{number}", "event_type": "view", "site_id": "demo"}
            value = json.dumps({**event, "article_id": article, "occurred_at": now, **more}).encode()
            await producer.send_and_wait(engine.topic, key=f"demo/{article}".encode(), value=value)


async def _counting(engine: Engine) -> Consumer:
    """It has counted them, and goes on."""
    await _send(engine)
    consumer = engine.consume(environment="development")
    await engine.until_counted(60.0)
    await engine.until("readiness", consumer.ready)
    return consumer


@pytest.mark.long
async def test_what_changes(engines: tuple[Engine, Engine]) -> None:
    """Places, totals, what each rule dropped; lists that only one has are named. Then it is activated and ended."""
    blue, green = engines
    await _counting(blue)
    done = await asyncio.to_thread(Rebuild(green, "--json", environment="development").end)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["lists"] == [
        {
            "site": "demo",
            "board": "read",
            "window": "1h",
            "total": {"before": 10, "after": 5},
            "dropped": {"before": {"bot": 2}, "after": {"duplicate": 1, "bot": 2, "internal": 0, "repeat": 4}},
            "entered": [],
            "left": [],
            "moved": [
                {"article_id": "b", "from": 2, "to": 1},
                {"article_id": "d", "from": 3, "to": 2},
                {"article_id": "a", "from": 1, "to": 3},
            ],
        }
    ]
    assert found["only_before"] == [{"board": "shared", "window": "1h"}]
    assert found["only_after"] == [{"board": "read", "window": "24h"}]
    assert found["differences"].keys() == {"windows", "boards", "rules"}
    assert (found["records"], found["places"], found["sites_left_out"]) == (12, 100, False)
    assert found["before"]["rules"] == ["bots@1"]
    assert found["after"]["rules"] == ["duplicate@1", "bots@1", "internal@1", "unique_item@counter-5.1"]

    rebuild = Rebuild(green, "--yes", environment="development")
    await rebuild.until_said("This broker does not report who counts")
    rebuild.interrupt()
    done = await asyncio.to_thread(rebuild.end)
    assert done.returncode == 0, done.stderr
    numbers = " ".join(done.stdout.split("demo read 1h")[1].split())
    assert numbers == "10 5 0 0 3 bot 2 → duplicate 1, bot 2, internal 0, repeat 4"
    assert "demo read 1h\n    1. b  was 2.\n    2. d  was 3.\n    3. a  was 1.\n" in done.stdout
    assert json.loads(await blue.client.get("ranker:active"))["generation"] == green.generation.id
    for engine in engines:
        await engine.check()


@pytest.mark.long
async def test_it_is_active_already(engines: tuple[Engine, Engine]) -> None:
    """This broker reports no names: T that moves shows that somebody counts, T that stands that nobody does."""
    blue, _ = engines
    counting = await _counting(blue)
    done = await asyncio.to_thread(Rebuild(blue, "--yes", environment="development").end)
    assert (done.returncode, done.stderr) == (0, "")
    assert "its T moves, so somebody counts it: nothing to do. This broker cannot show" in done.stdout
    counting.stop()
    again = Rebuild(blue, "--yes", environment="development")
    await again.until_said("T of these partitions has not moved, as if nobody counted: 0, 1")
    await again.until_said("press Ctrl-C once /readyz of each answers 200")
    await _send(blue)
    await blue.until_counted(60.0)
    again.interrupt()
    assert (await asyncio.to_thread(again.end)).returncode == 0
    await blue.check()


@pytest.mark.long
async def test_nothing_is_active(engines: tuple[Engine, Engine]) -> None:
    """There is nothing to compare with; it is built, and activated in the same way."""
    _, green = engines
    await _send(green)
    done = await asyncio.to_thread(Rebuild(green, "--json", environment="development").end)
    assert done.returncode == 0, done.stderr
    assert "no other is active, so there is nothing to compare with" in done.stderr
    assert (json.loads(done.stdout)["before"], json.loads(done.stdout)["lists"]) == (None, [])
    assert await green.client.get("ranker:active") is None
    rebuild = Rebuild(green, "--yes", environment="development")
    await rebuild.until_said(f"{green.generation.id} is active")
    rebuild.interrupt()
    assert (await asyncio.to_thread(rebuild.end)).returncode == 0
    await green.check()
