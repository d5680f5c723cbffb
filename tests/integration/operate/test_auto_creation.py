"""A broker with Kafka's own default, auto.create.topics.enable=true: nothing of ours creates a topic by asking for it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local import children
from deploy.local.kafka_apache import ApacheKafka
from producers.client.producer import Producer
from ranker.core.partial_counts import Rejected
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.errors import LogUnavailableError
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at

PRODUCERS = [sys.executable, "-c", "from producers.commands import main; main()"]


@pytest.fixture
async def engine(new_kafka_apache: Callable[..., ApacheKafka], redis_url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    broker = new_kafka_apache(auto_create_topics_enable="true")
    engine = Engine(broker.bootstrap, redis_url, tmp_path)
    yield engine
    await engine.close()


async def there(engine: Engine) -> set[str]:
    """The topics that are not the broker's own."""
    return {name for name in await engine.admin(lambda admin: admin.list_topics()) if not name.startswith("__")}


@pytest.mark.long
async def test_no_topic_is_created_by_a_request_for_it(engine: Engine) -> None:
    """Missing, each client says so with the command; created, the consumer counts; deleted under it, none comes back."""
    missing = kafka_at(engine.bootstrap).no_topic(engine.topic)
    consumer = engine.consume()
    await engine.until("the sentence", lambda: consumer.says(missing))
    await engine.until("the catalogue's sentence", lambda: consumer.says("topic articles does not exist"))
    for words in (["dead", "list"], ["dead", "show"], ["dead", "resend", "--all"], ["check"]):
        done = engine.ranker(*words)
        assert done.returncode == 1, words
        assert "ranker topics apply" in done.stdout + done.stderr, words
    for words in (["simulate", "--topic", engine.topic], ["articles", "hide", "demo", "a"]):
        child = children.run("producers", [*PRODUCERS, *words], engine.directory / "producers.log", engine.env())
        assert child.returncode() == 1, child.tail()
        assert "ranker topics apply" in child.tail()
    letters = DeadLetters(kafka_at(engine.bootstrap), engine.topic)
    letters._producer.client._request_timeout_ms = 500
    await letters.start()
    try:
        with pytest.raises(LogUnavailableError, match=f"topic {engine.topic}.dead does not exist"):
            await letters.write(0, [Rejected(0, 0, "empty", None, None)])
    finally:
        await letters.stop()
    assert await there(engine) == set()

    assert engine.ranker("topics", "apply").returncode == 0
    engine.partitions = 4
    await engine.traffic.send(200)
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    await engine.check()

    names = sorted(await there(engine))
    assert names == sorted([engine.topic, f"{engine.topic}.dead", "articles"])
    async with Producer(engine.bootstrap, engine.topic) as producer:
        await engine.admin(lambda admin: admin.delete_topics(names))
        await engine.until("the sentence", lambda: consumer.says(missing), 40.0)
        await producer._connection.client.client.force_metadata_update()
        assert await there(engine) == set()
