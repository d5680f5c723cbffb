"""Every query of every screen is answered by a Prometheus that scrapes the real processes under traffic."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from deploy.grafana.__main__ import DASHBOARDS
from deploy.grafana.building import queries
from deploy.local import waiting
from deploy.local.directories import run_directory
from deploy.local.faults import MissingTool
from tests.conftest import without
from tests.support.deploy_tools import DEPLOY, FindTool
from tests.support.http import ask
from tests.support.prometheus import Prometheus
from tests.support.watched_engine import WatchedEngine

DEAD_STRETCH = 200
STOPPED = 3
"""The partition that the test stops. Another one's consumer reports the producers."""
UNTIL_S = 60.0
pytestmark = pytest.mark.long

ENGLISH = sorted(path for path in DASHBOARDS.glob("*.json") if path.suffixes == [".json"])
"""Another language has the same queries."""
RULES = [DEPLOY / "prometheus" / "recording.rules.yml"]
ALERT = "groups: [{name: test, rules: [{alert: Always, expr: vector(1), labels: {severity: page}}]}]"


@pytest.fixture(scope="module")
def engine(find_tool: FindTool) -> Iterator[WatchedEngine]:
    """Under traffic that gives every count something to count: losses, dead letters, refusals, a stopped partition."""
    binary = find_tool("prometheus", "prometheus")
    with run_directory() as directory:
        rules = directory / "rules.yml"
        rules.write_text(ALERT)
        try:
            watched = WatchedEngine(directory, binary, rules=[rules, *RULES], dead_stretch=DEAD_STRETCH)
        except MissingTool as missing:
            without(missing)
        ended = threading.Event()
        odd = threading.Thread(target=_odd_requests, args=(watched, ended))
        try:
            watched.start()
            watched.simulate("--rate", "100")
            odd.start()
            with watched.read(0.2, streams=1):
                counted = "count(ranker_producer_missing) and sum(ranker_events_total) > 1000"
                waiting.until("Counts", lambda: watched.prometheus.query(counted), UNTIL_S)
                assert watched.verify() == 0
                _failing_answer(watched)
                asyncio.run(_stop_partition(watched.kafka.bootstrap))
                yield watched
        finally:
            ended.set()
            if odd.is_alive():
                odd.join()
            watched.stop()


def _odd_requests(watched: WatchedEngine, ended: threading.Event) -> None:
    while not ended.wait(0.5):
        watched.odd_requests()


def _failing_answer(watched: WatchedEngine) -> None:
    """A list that nobody has asked for yet, while Redis does not reply."""
    watched.redis.suspend()
    try:
        assert ask(watched.readers[0], "/v1/demo/popular/commented/7d").status == 503
    finally:
        watched.redis.resume()


async def _stop_partition(bootstrap: str) -> None:
    """Half of its records and more are no events."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for _ in range(DEAD_STRETCH * 3):
            await producer.send("page-views", b"no event", partition=STOPPED)


def shown(prometheus: Prometheus, expr: str) -> bool:
    """Whether a graph of the last seconds would have a point."""
    expr = expr.removesuffix(" or vector(0)").replace("$__rate_interval", "10s")
    assert "$" not in expr, "a variable of Grafana's that this test does not know"
    return any(not math.isnan(sample.value) for sample in prometheus.query(expr))


@pytest.mark.parametrize("path", ENGLISH, ids=lambda path: path.name)
def test_every_query_of_a_screen_has_data(path: Path, engine: WatchedEngine) -> None:
    """Something, and not NaN alone; without the `or vector(0)` of those that show 0 if nothing is there."""
    waiting_for = set(queries(json.loads(path.read_text())))
    assert len(waiting_for) > 10

    def all_shown() -> bool:
        engine.supervisor.check()
        waiting_for.difference_update([expr for expr in waiting_for if shown(engine.prometheus, expr)])
        return not waiting_for

    try:
        waiting.until("Data for every query", all_shown, UNTIL_S, pause_s=0.5)
    except waiting.NotInTime:
        pytest.fail("without data: " + "; ".join(sorted(waiting_for)))


def test_a_query_without_data_is_found(engine: WatchedEngine) -> None:
    """The test above can fail."""
    assert not shown(engine.prometheus, "sum(ranker_no_such_metric) or vector(0)")
    assert not shown(engine.prometheus, 'sum by (reason) (ranker_partition_stopped{reason="none"})')
    assert shown(engine.prometheus, "sum(ranker_partition_stopped)")
