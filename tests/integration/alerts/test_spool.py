"""A collector whose Kafka stands still: its spool fills, and then its disk. An hour is thirty seconds."""

from __future__ import annotations

import asyncio
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from tests.integration.alerts.conftest import StartWatch
from tests.support.alerting import at
from tests.support.collector_process import SITES, Collector, collector, new_topic

CONFIG = SITES + "\n[collect]\nspool_mb = 32\n"
ARTICLE = "/" + "a" * 400


def body() -> list[dict[str, str]]:
    """As much as one request may hold."""
    return [
        {"event_id": os.urandom(32).hex(), "event_type": "view", "site_id": "server", "article_id": ARTICLE}
        for _ in range(110)
    ]


async def fill(door: Collector) -> None:
    """Send from four clients at once until the spool is nearly full."""

    def post() -> int:
        return door.server(body(), key="key-of-server-0123456789").status

    with ThreadPoolExecutor(4) as clients:
        loop = asyncio.get_running_loop()
        while not await asyncio.to_thread(door.metric, "spool_nearly_full"):
            statuses = set(await asyncio.gather(*(loop.run_in_executor(clients, post) for _ in range(16))))
            assert statuses == {202}, statuses


@pytest.mark.long  # some hundred full requests
async def test_a_spool_that_fills(kafka_apache: ApacheKafka, watch: StartWatch, tmp_path: Path) -> None:
    """Nearly full: a page; no room on the disk: views are refused, another one; Kafka replies: both end."""
    topic = await new_topic(kafka_apache.bootstrap, "alerts-spool")
    with collector(kafka_apache.bootstrap, topic, tmp_path / "collector", CONFIG) as door:
        rules = watch(120, collect=at(door.admin_port))
        await rules.up()
        kafka_apache.suspend()
        await fill(door)
        await rules.fires("RankerSpoolNearlyFull", "RankerKafkaAway")
        process = psutil.Process(door.child.pid)
        held = max(file.stat().st_size for file in door.spool.rglob("*") if file.is_file())
        no_limit = process.rlimit(resource.RLIMIT_FSIZE)
        process.rlimit(resource.RLIMIT_FSIZE, (held // 2, no_limit[1]))

        async def refused() -> bool:
            return (await asyncio.to_thread(door.server, body(), key="key-of-server-0123456789")).status == 503

        await waiting.until_async("A refusal", refused)
        await rules.fires("RankerCollectorRefuses")
        process.rlimit(resource.RLIMIT_FSIZE, no_limit)
        kafka_apache.resume()
        await rules.silent("RankerSpoolNearlyFull", "RankerCollectorRefuses", "RankerKafkaAway")
