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
from ranker.core.sizing.load import Load
from tests.bench import produce
from tests.bench.sized_events import Drawn
from tests.support import sized_run
from tests.support.secured_run import EMBEDDED_ALONE

WITHIN = 0.15


@EMBEDDED_ALONE
@pytest.mark.parametrize(
    "name", [*sized_run.QUICK, *(pytest.param(name, marks=pytest.mark.long) for name in sized_run.WIDE)]
)
@pytest.mark.long
async def test_redis_memory(kafka_embedded: str, redis_url: str, tmp_path: Path, name: str) -> None:
    """Each kind that has more than some keys, and used_memory."""
    load, press = (sized_run.QUICK | sized_run.WIDE)[name]
    sized = await sized_run.run(kafka_embedded, redis_url, tmp_path, load, press=press)
    errors = sized.errors(sized_run.MATTERS_BYTES)
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
