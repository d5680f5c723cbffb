"""The three objectives: lists get old, are not answered, are wrong. An hour is thirty seconds, or five."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support.alerting import at, served_files, watching
from tests.support.reader_process import ReaderProcess, reader_process

FindTool = Callable[[str, str], Path]
SERVE = "\n[serve]\nstale_after_s = 1\ngone_after_s = 3\n"
LIST = "/v1/demo/popular/read/long"
OLD = ("RankerListsOld", "RankerListsNotAnswered", "RankerRedisAway")
OFTEN = ("RankerListsOftenOld", "RankerListsOftenNotAnswered")


@asynccontextmanager
async def requested(reader: ReaderProcess) -> AsyncIterator[None]:
    """Twenty requests a second for a list, whatever is answered."""

    async def request() -> None:
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(reader.get, LIST)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(request())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.long
async def test_old_lists_and_failed_requests(
    new_engine: Callable[..., Engine], redis_server: RedisServer, find_tool: FindTool, tmp_path: Path
) -> None:
    """Redis stands still: pages. It goes on: they end, and the tickets some hours later."""
    prometheus = find_tool("prometheus", "prometheus")
    engine = new_engine(config=RANKER_TOML + SERVE)
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(500)
    await engine.until("readiness", consumer.ready, 60.0)
    async with AsyncExitStack() as stack:
        text = engine.config.read_text()
        reader = stack.enter_context(reader_process(engine.redis_url, tmp_path, config=text))
        await asyncio.to_thread(reader.until_ready)
        assert (await asyncio.to_thread(reader.get, LIST)).status == 200  # a list that was never shown has no age
        targets = {"consume": at(consumer.admin), "serve": at(reader.admin_port)}
        await stack.enter_async_context(requested(reader))
        hours, days = (
            stack.enter_context(watching(prometheus, tmp_path / name, targets, factor))
            for name, factor in (("hours", 120), ("days", 720))
        )
        await stack.enter_async_context(engine.traffic.flowing(20))
        await hours.up()
        await hours.silent(*OLD)
        redis_server.suspend()
        await hours.fires(*OLD)
        await days.fires(*OFTEN)
        redis_server.resume()
        await hours.silent(*OLD)
        await days.silent(*OFTEN)


@pytest.mark.long
async def test_wrong_counts_and_a_recount_that_fails(
    new_engine: Callable[..., Engine], find_tool: FindTool, tmp_path: Path
) -> None:
    """A count that somebody changed is found by `ranker verify`; it is mended; a run without a result is a ticket."""
    engine = new_engine()
    await engine.create_topic(2)
    consumer = engine.consume()
    await engine.traffic.send(500)
    await engine.until_counted(60.0)
    written = tmp_path / "written"
    written.mkdir()
    sums = f"ranker:{{{engine.generation.id}.0}}:sums"

    async def verify(*words: str) -> int:
        done: Any = await asyncio.to_thread(engine.ranker, "verify", "--metrics", str(written / "verify.prom"), *words)
        return int(done.returncode)

    with served_files(written) as address:
        targets = {"consume": at(consumer.admin), "node": [address]}
        with watching(find_tool("prometheus", "prometheus"), tmp_path / "rules", targets, 720) as watch:
            assert await verify() == 0
            await watch.up()
            await watch.silent("RankerCountsDiffer")
            await engine.client.hincrby(sums, "demo:long:view", 1)
            assert await verify() == 1
            await watch.fires("RankerCountsDiffer")
            await engine.client.hincrby(sums, "demo:long:view", -1)
            assert await verify() == 0
            await watch.silent("RankerCountsDiffer", "RankerVerifyNotRunning")
            assert await verify("--site", "nobody") == 2
            await watch.fires("RankerVerifyNotRunning")
            assert await verify() == 0
            await watch.silent("RankerVerifyNotRunning")
