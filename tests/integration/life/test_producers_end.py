"""SIGTERM to commands of `producers` that run long, while Kafka hangs: gone within 10 s, with a sentence."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from deploy.local import children, waiting
from deploy.local.kafka_apache import ApacheKafka
from tests.bench import processes
from tests.support.collector_process import PARTITIONS, new_topic
from tests.support.ended import MOST_S, end, hanging, unread_bytes
from tests.support.topics import read

pytestmark = pytest.mark.long

A_BATCH = 1_000
"""More bytes than any request has that is no batch of records."""
Words = Callable[[str, Path], list[str]]


def lines(directory: Path, count: int) -> str:
    now_ms = time.time_ns() // 1_000_000
    file = directory / "access.jsonl"
    with file.open("w") as out:
        out.writelines(
            json.dumps({"occurred_at": now_ms - number, "article_id": f"/{number % 9}"}) + "\n"
            for number in range(count)
        )
    return str(file)


def articles(directory: Path, count: int) -> str:
    file = directory / "articles.jsonl"
    with file.open("w") as out:
        out.writelines(
            json.dumps({"url": f"https://x.example/{number}", "title": "Le bal", "published_at": 1_795_000_000_000})
            + "\n"
            for number in range(count)
        )
    return str(file)


COMMANDS: dict[str, Words] = {
    "articles import": lambda topic, directory: [
        *("articles", "import", articles(directory, 200_000), "--topic", topic),
    ],
    "replay": lambda topic, directory: [
        *("replay", lines(directory, 300_000), "--site", "demo", "--topic", topic),
    ],
    "replay --follow": lambda topic, directory: [
        *("replay", "--follow", "--state", str(directory / "position.json"), lines(directory, 300_000)),
        *("--site", "demo", "--topic", topic),
    ],
    "simulate": lambda topic, _: ["simulate", "--rate", "2000", "--topic", topic],
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_while_kafka_hangs(name: str, kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """A delivery hangs when the signal comes: Kafka has its time, and the sentence says that it was not enough."""

    async def created() -> str | None:
        try:
            return await new_topic(kafka_apache.bootstrap, "ends")
        except (KafkaError, AttributeError):  # the client's, while the broker, which hung before, is out of its cluster
            return None

    topic = await waiting.until_async("a topic", created, 60.0)
    assert topic is not None
    argv = [sys.executable, "-c", "from producers.commands import main; main()", *COMMANDS[name](topic, tmp_path)]
    env = {**processes.environment(), "RANKER_KAFKA_BOOTSTRAP": kafka_apache.bootstrap}
    child = children.start(name, argv, tmp_path / "log", env)

    async def sending() -> bool:
        assert child.returncode() is None, child.tail()
        return len(await read(kafka_apache.bootstrap, topic, PARTITIONS)) > 0

    def hangs() -> bool:
        assert child.returncode() is None, child.tail()
        return unread_bytes(kafka_apache.port) > A_BATCH

    try:
        await waiting.until_async("the first events", sending, 60.0)
        with hanging(kafka_apache):
            if name == "simulate":  # the others send without a pause
                await asyncio.to_thread(waiting.until, "a delivery that hangs", hangs, 20.0)
            assert await end(child, f"{name}, Kafka hangs") < MOST_S
        said = child.tail(100)
        if name == "replay --follow":  # what was not acknowledged is read again by the next one
            assert child.returncode() == 0, said
        else:
            assert child.returncode() == 1, said
            assert "Interrupted, and Kafka has not acknowledged everything" in said
        assert "Traceback" not in said
    finally:
        child.kill()
