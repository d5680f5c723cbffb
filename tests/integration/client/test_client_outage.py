"""The Python client while Kafka is slow or silent, or its loop is held: bounds, and an end in bounded time."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable
from itertools import pairwise
from typing import Any

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until_async
from producers import DeliveryError, Producer
from producers.client.connection import BATCH_BYTES
from producers.simulate.emit import Live, go_live
from producers.simulate.popularity import article_models, invented
from producers.simulate.steady import Steady
from producers.simulate.traffic import Traffic
from tests.support.producing import events, silent, until_stuck, view
from tests.support.topics import new_topic, read


async def test_memory_is_bounded_while_kafka_is_slow(kafka_apache: ApacheKafka) -> None:
    """A sender waits with three batches for a partition; once Kafka goes on, everything is there once, in order."""
    topic = await new_topic(kafka_apache.bootstrap)
    big = [(b"demo/a", b"%06d" % n + b"x" * 1000) for n in range(3000)]
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        await (await producer.send_records([(b"demo/a", b"warm")]))
        with silent(kafka_apache):
            sending = asyncio.ensure_future(producer.send_records(big))
            await until_stuck(producer, sending)
            held = [batch for outbox in producer._outboxes for batch in outbox.batches()]
            assert len(held) == 3
            assert sum(batch.builder.size() for batch in held) <= 3 * BATCH_BYTES
            assert 0 < producer.sent - producer.delivered < 1000
        await (await sending)
    records = await read(kafka_apache.bootstrap, topic)
    assert [record.value for record in records][1:] == [value for _, value in big]


async def test_giving_up_waiting_loses_nothing(kafka_apache: ApacheKafka) -> None:
    """Neither the batch that was waited for, nor a number of an event that found no room."""
    topic = await new_topic(kafka_apache.bootstrap)
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        await (await producer.send(view("/a")))
        with silent(kafka_apache):
            delivery = await producer.send(view("/a"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await delivery

            async def flood() -> None:
                while True:
                    await producer.send(view("/a"))

            flooding = asyncio.ensure_future(flood())
            await until_stuck(producer, flooding)
            flooding.cancel()
            await asyncio.wait({flooding})
        await delivery
        await (await producer.send(view("/a")))
    numbers = [event["sequence"] for event in events(await read(kafka_apache.bootstrap, topic))]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) == producer.delivered > 3


@pytest.mark.parametrize("flooded", [False, True], ids=["one-event", "all-room-taken"])
async def test_a_silent_broker_is_given_up_in_time(kafka_apache: ApacheKafka, flooded: bool) -> None:
    """Every way to wait ends with the same sentence after `delivery_s`, and closing takes no longer than a moment."""
    topic = await new_topic(kafka_apache.bootstrap)
    clock = time.monotonic
    closing_began = 0.0

    async def send() -> None:
        nonlocal closing_began
        async with Producer(kafka_apache.bootstrap, topic, delivery_s=1.5) as producer:
            await (await producer.send(view("/a")))
            stack.enter_context(silent(kafka_apache))
            begun = clock()
            delivery = await producer.send(view("/a"))
            ends: list[Awaitable[Any]] = [delivery, asyncio.ensure_future(producer.flush())]
            if flooded:
                records = [(b"demo/a%d" % (n % 50), b"x" * 1000) for n in range(20_000)]
                ends.append(asyncio.ensure_future(producer.send_records(records)))
            for end in ends:
                with pytest.raises(DeliveryError, match="did not take records"):
                    await end
            assert 1.0 < clock() - begun < 4.0
            with pytest.raises(DeliveryError, match="did not take records"):
                await producer.send(view("/a"))
            closing_began = clock()

    with contextlib.ExitStack() as stack:
        with pytest.raises(DeliveryError, match=r"1 of \d+ were acknowledged. Check the broker, then send again."):
            await send()
        assert clock() - closing_began < 1.0


async def test_a_loop_that_is_held_fails_no_delivery(bootstrap: str) -> None:
    """Wherever its holding catches a batch: what Kafka acknowledged meanwhile is read before time is up."""
    topic = await new_topic(bootstrap)
    async with Producer(bootstrap, topic, delivery_s=0.2) as producer:
        for turns in range(12):
            delivery = await producer.send(view("/a"))
            for _ in range(turns):
                await asyncio.sleep(0)
            time.sleep(0.25)  # noqa: ASYNC251 - what is tested
            await delivery
    assert len(await read(bootstrap, topic)) == 12


async def test_live_traffic_outlives_an_outage(kafka_apache: ApacheKafka) -> None:
    """It says that Kafka is away and when it is back; no event is missing, and those of the outage are made up for."""
    topic = await new_topic(kafka_apache.bootstrap)
    articles = article_models(random.Random(1), invented(random.Random(1), 3, 0, 1))
    said: list[str] = []
    stop = asyncio.Event()
    resume = contextlib.ExitStack()

    async def born(_from_ms: int, _to_ms: int) -> None:
        """Nothing comes out."""

    def say(sentence: str) -> None:
        said.append(sentence)
        resume.close()

    def new() -> Producer:
        return Producer(kafka_apache.bootstrap, topic, name="simulate", delivery_s=1.0)

    async with Steady(new) as line:
        traffic = Traffic(1, "demo", articles, run="r", producer_id=(await line.producer()).producer_id)
        live = asyncio.create_task(go_live(traffic, line, Live(200, 800), stop=stop, publish_articles=born, say=say))
        await until_async("The first events", lambda: asyncio.sleep(0, bool(traffic.kinds)))
        resume.enter_context(silent(kafka_apache))
        assert await live == 800
    found = events(await read(kafka_apache.bootstrap, topic))
    assert {event["sequence"] for event in found} == set(range(800))
    assert "no acknowledgement within 1 s" in said[0]
    assert said[1:] == ["It takes events again; those of the outage follow."]
    times = sorted(event["occurred_at"] for event in found)
    assert max(two - one for one, two in pairwise(times)) < 1000
