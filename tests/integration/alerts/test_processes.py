"""Processes that are away, and a reader that nobody scrapes. An hour is thirty seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.consume.engine import Engine
from tests.support.alerting import at, watching
from tests.support.collector_process import collector
from tests.support.reader_process import reader_process

FindTool = Callable[[str, str], Path]


@pytest.mark.long
async def test_processes_that_are_away(new_engine: Callable[..., Engine], find_tool: FindTool, tmp_path: Path) -> None:
    """One consumer of two is a ticket, none left is a page; so are readers and collectors. They come back."""
    engine = new_engine()
    await engine.create_topic(2)
    consumers = [engine.consume(), engine.consume()]
    await engine.until("readiness", consumers[0].ready, 60.0)
    with ExitStack() as stack:
        reader = stack.enter_context(reader_process(engine.redis_url, tmp_path))
        door = stack.enter_context(collector(engine.bootstrap, engine.topic, tmp_path / "collector"))
        targets = {
            "any-name": [*at(consumers[0].admin), *at(consumers[1].admin)],
            "serve": [],
            "collect": at(door.admin_port),
        }
        rules = watching(find_tool("prometheus", "prometheus"), tmp_path / "rules", targets, 120)
        watch = stack.enter_context(rules)
        await watch.fires("RankerNotScraped")
        watch.prometheus.targets["serve"] = at(reader.admin_port)
        await asyncio.to_thread(watch.prometheus.reload)
        await watch.up()
        await watch.silent("RankerNotScraped", "RankerProcessAway", "RankerRoleAway")
        consumers[0].kill()
        await watch.fires("RankerProcessAway")
        assert "RankerRoleAway" not in watch.prometheus.firing()
        consumers[1].kill()
        reader.child.kill()
        door.child.kill()

        def roles() -> set[str]:
            return {one.labels["role"] for one in watch.prometheus.alerts() if one.name == "RankerRoleAway"}

        await engine.until("pages of all roles", lambda: asyncio.to_thread(lambda: len(roles()) == 3), 60.0)
        again = engine.consume()
        reader.start()
        await asyncio.to_thread(door.start)
        watch.prometheus.targets["any-name"] = at(again.admin)
        await asyncio.to_thread(watch.prometheus.reload)
        await watch.silent("RankerRoleAway", "RankerProcessAway")
