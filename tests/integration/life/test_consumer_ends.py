"""SIGTERM to `ranker consume`: not ready, its partitions given back, and gone within 10 s, whatever is away."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Consumer, Engine
from tests.support.ended import MOST_S, end, hanging

pytestmark = [pytest.mark.usefixtures("redis_url"), pytest.mark.long]


async def counting(new_engine: Callable[..., Engine], backlog: int) -> tuple[Engine, Consumer]:
    """A consumer that has joined, and begun on a backlog."""
    engine = new_engine()
    await engine.create_topic(4)
    await engine.traffic.send(backlog)
    consumer = engine.consume()

    async def begun() -> bool:
        return sum(await engine.applied()) > -4

    await engine.until("counting", begun)
    return engine, consumer


async def leave(consumer: Consumer, what: str) -> None:
    consumer.ended = True
    assert await end(consumer.child, f"consume, {what}") < MOST_S
    assert consumer.child.returncode() == 0
    assert "Traceback" not in consumer.child.log.read_text()


async def test_in_the_middle_of_a_backlog(new_engine: Callable[..., Engine]) -> None:
    """The next consumer goes on at once, and counts what is left, each record once."""
    engine, consumer = await counting(new_engine, 20_000)
    async with engine.traffic.flowing(500):
        await leave(consumer, "backlog and traffic")
    engine.consume()
    await engine.until_counted(60.0)
    await engine.check()


async def test_while_redis_hangs(new_engine: Callable[..., Engine], redis_server: RedisServer) -> None:
    """A step is under way whose reply never comes."""
    engine, consumer = await counting(new_engine, 5_000)
    async with engine.traffic.flowing(500):
        with hanging(redis_server):
            await engine.until("the trouble", lambda: consumer.says("Redis"), 20.0)
            await leave(consumer, "Redis hangs")


async def test_while_kafka_hangs(new_engine: Callable[..., Engine], kafka_apache: ApacheKafka) -> None:
    """The group cannot be left in order: its session ends instead."""
    engine, consumer = await counting(new_engine, 5_000)
    with hanging(kafka_apache):
        await engine.until("the trouble", lambda: consumer.says("Kafka is not available"), 20.0)
        await leave(consumer, "Kafka hangs")


async def test_while_both_hang(
    new_engine: Callable[..., Engine], kafka_apache: ApacheKafka, redis_server: RedisServer
) -> None:
    """As when a network is cut."""
    engine, consumer = await counting(new_engine, 5_000)
    with hanging(kafka_apache, redis_server):
        await engine.until("the trouble", lambda: consumer.says("not available"), 20.0)
        await leave(consumer, "Kafka and Redis hang")


@pytest.mark.parametrize("kafka_answers", [True, False])
async def test_while_it_waits_for_kafka(new_engine: Callable[..., Engine], kafka_answers: bool) -> None:
    """It waits from its start on: for one that is not there, or whose port takes connections and says nothing."""
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1] if kafka_answers else free_port()
        engine = new_engine()
        engine.bootstrap = f"{HOST}:{port}"
        consumer = engine.consume()
        await engine.until("the sentence", lambda: consumer.says("Kafka is not available"), 30.0)
        assert sum("Kafka is not available" in line["event"] for line in consumer.log()) <= 2  # the catalogue's, too
        assert await consumer.has("ranker_kafka_up")
        assert await consumer.metric("ranker_kafka_up") == 0
        await leave(consumer, f"waiting for a Kafka that {'is silent' if kafka_answers else 'is not there'}")


async def test_while_it_waits_for_redis(new_engine: Callable[..., Engine]) -> None:
    """Joined, and no gate can open."""
    engine = new_engine(redis_url=f"redis://{HOST}:{free_port()}/0")
    await engine.create_topic()
    consumer = engine.consume()
    await engine.until("the sentence", lambda: consumer.says("Redis is not available"), 30.0)
    await leave(consumer, "waiting for Redis")


async def test_a_second_signal_ends_it_at_once(new_engine: Callable[..., Engine], kafka_apache: ApacheKafka) -> None:
    """As the first would have, had it no work to end."""
    engine, consumer = await counting(new_engine, 100)
    with hanging(kafka_apache):
        await engine.until("the trouble", lambda: consumer.says("Kafka is not available"), 20.0)
        consumer.child.process.terminate()

        async def told() -> bool:
            return await consumer.says("asked to end")

        await engine.until("not being ready", told)
        consumer.ended = True
        assert await end(consumer.child, "consume, second signal") < MOST_S / 4
