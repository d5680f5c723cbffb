"""A collector that is killed while Kafka is away: what it sends a second time counts once."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from tests.integration.consume.engine import RANKER_TOML, Engine
from tests.support.collector_process import SITES, Collector, collector
from tests.support.outbox_log import suspend

PRESS = '\n[rules]\npreset = "press"\n'
CONFIG = f'{SITES}[collect]\nproxies = ["127.0.0.0/8"]\n{PRESS}'
READERS = 10
VISIT = [{"article_id": "/a"}, {"article_id": "/b"}, {"article_id": "/a"}]


async def test_what_is_sent_twice_counts_once(
    new_engine: Callable[..., Engine], kafka_apache: ApacheKafka, tmp_path: Path
) -> None:
    """The second time is a spool as it was before Kafka acknowledged: as if killed between that and its mark on disk.

    Each record comes again under the same event_id; a reload is dropped as such, and once.
    """
    engine = new_engine(config=RANKER_TOML + PRESS)
    await engine.create_topic(2)
    with collector(engine.bootstrap, engine.topic, tmp_path / "c", CONFIG, redis_url=engine.redis_url) as running:
        await suspend(kafka_apache)
        try:
            await asyncio.to_thread(visit, running)
            running.child.kill()
        finally:
            kafka_apache.resume()
        shutil.copytree(running.spool, tmp_path / "before")
        for _ in range(2):
            await asyncio.to_thread(send_all, running)
            shutil.rmtree(running.spool)
            shutil.copytree(tmp_path / "before", running.spool)
    engine.consume()
    await engine.until_counted()
    await engine.check()
    log = [record for partition in range(2) for record in engine.recount.records[partition]]
    times = Counter(record.value for record in log)
    assert len(times) == READERS * len(VISIT)
    assert min(times.values()) == 2, "what was on its way to Kafka when it went may come a third time"
    outcomes: Counter[str] = Counter()
    for partition in range(2):
        shard = await engine.shard(partition)
        if shard is not None:
            for (_, window, outcome), count in shard.sums.items():
                outcomes[outcome] += count if window == "long" else 0
    assert outcomes == {"view": 2 * READERS, "!repeat": READERS, "!duplicate": len(log) - len(times)}


def visit(running: Collector) -> None:
    """Readers who each see two articles, and reload one of them."""
    for reader in range(READERS):
        answer = running.page(VISIT, X_Forwarded_For=f"203.0.113.{reader}", User_Agent="Mozilla/5.0 (X11) Firefox/150")
        assert answer.json == {"accepted": len(VISIT)}
    assert running.metric("spool_events") == READERS * len(VISIT)


def send_all(running: Collector) -> None:
    """Starts on the spool as it is, and kills it once Kafka has everything."""
    running.start(CONFIG)
    waiting.until("An empty spool", lambda: running.metric("spool_events") == 0, 30.0)
    running.child.kill()
