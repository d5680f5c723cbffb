"""What `ranker size` says, beside what real runs take: within 15 %, by kind and in all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from producers.client.producer import Producer
from ranker.connect.kafka import KafkaSettings
from ranker.core.sizing.kafka import record_bytes
from ranker.core.sizing.load import RANDOM, Load
from tests.bench import produce
from tests.bench.sized_events import Drawn
from tests.support import sized_run
from tests.support.secured_run import EMBEDDED_ALONE

WITHIN = 0.15
MATTERS_BYTES = 60_000
"""Smaller kinds are not compared: they are a few keys, and what these take is the server's own."""
QUICK = {
    "one site, paths": (Load(6, 3_000, 40, partitions=2, catalogue=500), False),
    "some sites, short ids, rules": (Load(6, 1_500, 12, partitions=4, sites=5, bots=0.1, repeats=0.15), True),
}
WIDE = {
    "many articles, random ids": (Load(6, 20_000, 120, ids=RANDOM, partitions=2, catalogue=3_000), False),
    "few articles, one shard": (Load(10, 200, 20, partitions=1, catalogue=200), False),
    "many sites": (Load(10, 5_000, 60, partitions=2, sites=50, zipf=0.8), False),
    "rules, paths, many shards": (Load(20, 4_000, 40, partitions=8, bots=0.2, repeats=0.1), True),
    "no skew": (Load(10, 10_000, 30, partitions=4, zipf=0.0), False),
    "much skew, long ids": (Load(20, 10_000, 200, partitions=4, zipf=1.5), True),
    "dense": (Load(60, 2_000, 80, partitions=4, types={"view": 0.8, "share": 0.1, "comment": 0.1}), False),
}


@EMBEDDED_ALONE
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in WIDE)])
async def test_redis_memory(kafka_embedded: str, redis_url: str, tmp_path: Path, name: str) -> None:
    """Each kind that has more than some keys, and used_memory."""
    load, press = (QUICK | WIDE)[name]
    sized = await sized_run.run(kafka_embedded, redis_url, tmp_path, load, press=press)
    errors = sized.errors(MATTERS_BYTES)
    print(name, sized.took, {kind: f"{error:+.1%}" for kind, error in errors.items()})
    assert {"slices", "whole", "history"} <= set(errors)
    assert {kind: round(error, 3) for kind, error in errors.items() if abs(error) > WITHIN} == {}


async def test_kafka_bytes(kafka_apache: ApacheKafka) -> None:
    """A record of the producers' client on disk, at a rate at which batches hold a few events."""
    load = Load(400, 1_000, 40, site_bytes=4, partitions=1, members=1, replicas=1)
    topic, count = "size-bytes", 1_200
    await produce.make_topics(kafka_apache.bootstrap, [topic], 1)
    drawn = Drawn(load, seed=1)
    began = time.monotonic()
    async with Producer(KafkaSettings(kafka_apache.bootstrap), topic=topic, name="collector-1") as producer:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / load.rate - time.monotonic()))
            await producer.send_records([drawn.event(int(time.time() * 1000))])
        await producer.flush()
    (segment,) = kafka_apache.directory.glob(f"**/{topic}-0/*.log")
    assert record_bytes(load) == pytest.approx(segment.stat().st_size / count, rel=WITHIN)
