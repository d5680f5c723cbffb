"""SIGTERM to commands of `producers` that run long, while Kafka hangs: gone within 10 s, with a sentence."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local import children, waiting
from deploy.local.kafka_apache import ApacheKafka
from tests.bench import processes
from tests.support.collector_process import PARTITIONS, new_topic
from tests.support.ended import MOST_S, end, hanging
from tests.support.topics import read

pytestmark = pytest.mark.long

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


COMMANDS: dict[str, Words] = {
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
    """In the middle of sending."""
    topic = await new_topic(kafka_apache.bootstrap, "ends")
    argv = [sys.executable, "-c", "from producers.commands import main; main()", *COMMANDS[name](topic, tmp_path)]
    env = {**processes.environment(), "RANKER_KAFKA_BOOTSTRAP": kafka_apache.bootstrap}
    child = children.start(name, argv, tmp_path / "log", env)

    async def sending() -> bool:
        assert child.returncode() is None, child.tail()
        return len(await read(kafka_apache.bootstrap, topic, PARTITIONS)) > 0

    try:
        await waiting.until_async("the first events", sending, 60.0)
        with hanging(kafka_apache):
            assert await end(child, f"{name}, Kafka hangs") < MOST_S
        assert "Traceback" not in child.tail(100)
    finally:
        child.kill()
