"""Ten minutes of load with a restart of every process in turn, with windows and rules as they are in production: nobody is called."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.consume.engine import WEEK_TOML, Consumer, Engine
from tests.support.alerting import RULES, at, served_files
from tests.support.collector_process import SITES, Collector, collector
from tests.support.prometheus import Prometheus, scraping
from tests.support.reader_process import ReaderProcess, reader_process

SECONDS = 600.0
SCRAPE_S = 5.0
LIST = "/v1/demo/popular/read/long"
KEY = "key-of-server-0123456789"


@asynccontextmanager
async def again_and_again(what: Callable[[], object], pause_s: float) -> AsyncIterator[None]:
    """Does it beside the block, in a thread; what a process that is restarted refuses is no matter."""

    async def go_on() -> None:
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(what)
            await asyncio.sleep(pause_s)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def request(readers: Sequence[ReaderProcess]) -> None:
    """As a balancer would: the other one if the first does not listen."""
    for reader in readers:
        with contextlib.suppress(OSError):
            reader.get(LIST)
            return


async def restart_each(
    engine: Engine, consumers: list[Consumer], readers: list[ReaderProcess], door: Collector, rules: Prometheus
) -> None:
    """One after the other, each when the one before is ready; consumers come back under another address, as pods do."""
    for number, old in enumerate(consumers):
        await asyncio.to_thread(old.stop)
        consumers[number] = engine.consume()
        rules.targets["consume"] = [one for consumer in consumers for one in at(consumer.admin)]
        await asyncio.to_thread(rules.reload)
        await engine.until("readiness", consumers[number].ready, 60.0)
        await asyncio.sleep(SECONDS / 20)
    for reader in readers:
        reader.child.process.terminate()
        await asyncio.to_thread(reader.until_ended, 20.0)
        reader.start()
        await asyncio.to_thread(reader.until_ready)
        await asyncio.sleep(SECONDS / 20)
    await asyncio.to_thread(door.child.stop, 15.0)
    await asyncio.to_thread(door.start, SITES)


def active_s(rules: Prometheus, began_s: float) -> dict[str, Counter[str]]:
    """How long each alert was pending, and how long it fired, in seconds, by the evaluations."""
    found: dict[str, Counter[str]] = {"pending": Counter(), "firing": Counter()}
    for series in rules.query_range("ALERTS", began_s, time.time(), SCRAPE_S):
        found[series.labels["alertstate"]][series.labels["alertname"]] += round(len(series.points) * SCRAPE_S)
    return found


@pytest.mark.long
async def test_ten_healthy_minutes(
    new_engine: Callable[..., Engine], find_tool: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """No alert fires while every process is restarted under load. Prints how long any was pending."""
    engine = new_engine(session_timeout_ms=10_000, config=WEEK_TOML)
    await engine.create_topic(4)
    consumers = [engine.consume(), engine.consume()]
    await engine.traffic.send(1_000)
    await engine.until_counted(60.0)
    written = tmp_path / "written"
    written.mkdir()
    done = await asyncio.to_thread(engine.ranker, "verify", "--metrics", str(written / "verify.prom"))
    assert done.returncode == 0, done.stderr
    async with AsyncExitStack() as stack:
        text = engine.config.read_text()
        readers = [stack.enter_context(reader_process(engine.redis_url, tmp_path, 2.0, config=text)) for _ in range(2)]
        door = stack.enter_context(collector(engine.bootstrap, engine.topic, tmp_path / "collector"))
        for reader in readers:
            await asyncio.to_thread(reader.until_ready)

        def post() -> None:
            event = {"event_id": os.urandom(8).hex(), "event_type": "view", "site_id": "server", "article_id": "/a"}
            door.server([event], key=KEY)

        await stack.enter_async_context(again_and_again(lambda: request(readers), 0.05))
        await stack.enter_async_context(again_and_again(post, 0.1))
        await stack.enter_async_context(engine.traffic.flowing(100))
        targets = {
            "consume": [one for consumer in consumers for one in at(consumer.admin)],
            "serve": [one for reader in readers for one in at(reader.admin_port)],
            "collect": at(door.admin_port),
            "node": [stack.enter_context(served_files(written))],
        }
        binary = find_tool("prometheus", "prometheus")
        rules = stack.enter_context(scraping(binary, tmp_path / "rules", targets, RULES, SCRAPE_S))
        began_s = time.time()
        await asyncio.sleep(SECONDS / 5)
        await restart_each(engine, consumers, readers, door, rules)
        await asyncio.sleep(max(0.0, began_s + SECONDS - time.time()))
        found = active_s(rules, began_s)
        slow = rules.value("ranker:lists_old:ratio_rate1h")
        failed = rules.value("ranker:lists_not_answered:ratio_rate1h")
        print(
            f"pending, s: {dict(found['pending'])}; lists old: {slow:.2%}; requests for lists that failed: {failed:.3%}"
        )
        assert not found["firing"], found
