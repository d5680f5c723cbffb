"""Values in a schema registry's frame, and in other forms: named by `ranker check` and by `ranker dead show`."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from deploy.local.kafka_apache import ApacheKafka
from tests.integration.operate.test_foreign_topics import create, ranker
from tests.support.dead_letter_topic import Topic, event, wrong

FRAMED = b"\0" + struct.pack(">i", 7) + b"\x08view\x08demo\x04/a\xf2\xc0\x01"
SAID = "in a schema registry's frame (Confluent: a byte 0, schema 7, then Avro or Protobuf)"
FIX = 'read it with format = "avro" in [source], if it is Avro, or have it written as plain JSON'


async def test_a_dead_letter_shows_what_it_is(apache: Topic) -> None:
    """With what to do, beside its bytes; a cut one and one of no known form as before."""
    await apache.write(
        [wrong(0, 1_795_900_000_000, "malformed", FRAMED), wrong(1, 1_795_900_000_001, "malformed", b"{")]
    )
    shown = await apache.ranker("show", "--reason", "malformed")
    assert shown.returncode == 0
    assert f"fault  {SAID}; {FIX}" in shown.stdout
    assert "fault  Input data was truncated\n" in shown.stdout


@pytest.mark.parametrize(("source", "framed", "kind"), [("[source]\n", 3, "fault"), ("", 3, "fault"), ("", 1, "note")])
async def test_the_check_names_them(
    kafka_apache: ApacheKafka, tmp_path: Path, source: str, framed: int, kind: str
) -> None:
    """On a topic that is not ours, and on one of ours that somebody else writes to."""
    name = f"values-{time.time_ns()}"
    await create(kafka_apache, name, {"message.timestamp.type": "LogAppendTime"}, partitions=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_apache.bootstrap)
    await producer.start()
    try:
        for number in range(5):
            value = FRAMED if number < framed else event("/a", time.time_ns() // 1_000_000)
            await producer.send_and_wait(name, value, partition=0)
    finally:
        await producer.stop()
    _, said = await asyncio.to_thread(ranker, kafka_apache, tmp_path, name, "check", more=source)
    (line,) = [line for line in said.splitlines() if "schema registry" in line]
    assert line.startswith(kind)
    assert f"of the newest 5 records of {name} {framed} cannot be counted, such as offset 0" in line
    assert SAID in line
    assert FIX in said
