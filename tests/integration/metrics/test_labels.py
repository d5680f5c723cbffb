"""What every process tells Prometheus, with traffic behind it: well formed, and bounded whatever strangers send."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.integration.consume.engine import Engine
from tests.integration.metrics.live import (
    Live,
    attack_collector,
    attack_log,
    attack_reader,
    check,
    live,
    named,
    series,
)
from tests.support.metrics_page import declared

PARTITIONS = 2
RECORDS, REQUESTS = 800, 150
BY_PRODUCER = {"ranker_producer_missing", "ranker_producer_repeats", "ranker_producer_silent_seconds"}
MOST = {one.name: one.most * (PARTITIONS if "partition" in one.labels else 1) for one in declared()}


async def until_counted(running: Live) -> None:
    await running.engine.until_counted()
    await running.engine.until("readiness", running.consumer.ready)


async def send_usual(running: Live) -> None:
    """Something of all that is usual."""
    await running.engine.traffic.send(300)
    assert running.collector.page({"event_type": "view", "article_id": "/1"}).status == 202
    await until_counted(running)
    await running.until_listed("/v1/demo/popular/read/short")
    assert running.reader.get("/nothing").status == 404


async def test_metrics_are_well_formed_and_bounded(new_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """promtool finds nothing; an attack through every door brings no name into a label, nor series beyond the bounds."""
    engine = new_engine()
    engine.config.write_text(engine.config.read_text() + "dead_share = 1.0\n")
    await engine.create_topic(PARTITIONS)
    with live(engine, tmp_path) as running:
        await send_usual(running)
        for name, text in (await running.scrape()).items():
            assert check(text) == "", name
        dice = random.Random(7)
        after = []
        for _ in range(2):
            await attack_log(engine, dice, RECORDS)
            attack_reader(running.reader.port, dice, REQUESTS)
            attack_collector(running.collector.port, dice, REQUESTS)
            await send_usual(running)
            await engine.until("report on 100 producers", lambda: _has_others(running))
            after.append(await running.scrape())
        for texts in after:
            for process, text in texts.items():
                assert check(text) == "", process
                assert named(text).keys() <= BY_PRODUCER, process
                found = series(text)
                beyond = {name: number for name, number in found.items() if number > MOST.get(name, 1)}
                assert not beyond, process
        assert await running.consumer.metric("ranker_dead_letters_total") > RECORDS / 10
        assert await running.consumer.metric("ranker_events_total", outcome="other") > 0
        file = tmp_path / "verify.prom"
        verified = engine.ranker("verify", "--metrics", str(file))
        assert check(file.read_bytes()) == "", verified.stdout


async def _has_others(running: Live) -> bool:
    return await running.consumer.has("ranker_producer_repeats", producer="other")
