"""What the Python client promises, on both brokers: delivery results, order, bounds, and an end in bounded time."""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

import schemas
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until_async
from producers import DeliveryError, PageView, Producer, ProducerError
from producers.client.batches import Outbox
from producers.client.connection import BATCH_BYTES
from producers.simulate.emit import Live, go_live
from producers.simulate.popularity import article_models, invented
from producers.simulate.steady import Steady
from producers.simulate.traffic import Traffic
from ranker.core.home import home
from tests.support.topics import PARTITIONS, new_topic, read

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["kafka_embedded", pytest.param("kafka_apache", marks=pytest.mark.slow)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    broker = request.getfixturevalue(request.param)
    address: str = broker if isinstance(broker, str) else broker.bootstrap
    return address


@pytest.fixture(autouse=True)
async def nothing_goes_on() -> AsyncIterator[None]:
    """After a producer is closed none of its tasks is left."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        # What was cancelled ends within the loop's next turns.
        _, left = await asyncio.wait(left, timeout=2)
    assert not left


def view(article: str, **fields: Any) -> PageView:
    return PageView(site_id="demo", article_id=article, **fields)


def events(records: list[Any]) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in records]


async def until_stuck(producer: Producer, sending: asyncio.Future[Any]) -> None:
    """Wait until a sender has filled all that there is room for in one partition."""

    async def stuck() -> bool:
        assert not sending.done()
        return any(all(three(outbox)) for outbox in producer._outboxes)

    await until_async("A sender without room", stuck)


def three(outbox: Outbox) -> list[Any]:
    return [outbox.under_way, outbox.waiting, outbox.filling.builder.closed()]


@contextlib.contextmanager
def silent(broker: ApacheKafka) -> Iterator[None]:
    """The broker keeps its connections and answers nothing."""
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()


async def test_a_delivery_needs_no_flush(bootstrap: str) -> None:
    """When it returns, the event stands in the log: under its key, in its home, numbered."""
    topic = await new_topic(bootstrap)
    async with Producer(bootstrap, topic, name="test") as producer:
        for n in range(5):
            async with asyncio.timeout(10):
                await (await producer.send(view(f"/a{n}")))
            assert producer.delivered == producer.sent == n + 1
        records = await read(bootstrap, topic)
    assert sorted(record.key for record in records) == [b"demo//a%d" % n for n in range(5)]
    for record, event in zip(records, events(records), strict=True):
        assert record.partition == home(record.key, PARTITIONS)
        assert schemas.faults("page-view", event) == []
        assert event["producer_id"] == producer.producer_id
    assert producer.producer_id.startswith("test/")
    assert sorted(event["sequence"] for event in events(records)) == list(range(5))


async def test_whoever_cancels_every_task_ends_the_waiting_too(bootstrap: str) -> None:
    """As programs do that shut down: who waits for a delivery is told, and leaving takes no time."""
    topic = await new_topic(bootstrap)
    others = asyncio.all_tasks()

    async def send() -> None:
        async with asyncio.timeout(10), Producer(bootstrap, topic) as producer:
            delivery = await producer.send(view("/a"))
            await asyncio.sleep(0)  # it is under way
            for task in asyncio.all_tasks() - others:
                task.cancel()
            await delivery

    with pytest.raises(DeliveryError, match="cancelled"):
        await send()


async def test_many_senders_share_batches(bootstrap: str) -> None:
    """Each event is there once, each sender's in its order, numbers without gaps; batches are far fewer than events."""
    topic = await new_topic(bootstrap)
    taken = 0
    async with Producer(bootstrap, topic) as producer:
        carry = producer._connection.client.send_batch

        async def counted(*args: Any, **more: Any) -> Any:
            nonlocal taken
            taken += 1
            return await carry(*args, **more)

        producer._connection.client.send_batch = counted

        async def send(sender: int) -> None:
            for n in range(40):
                delivery = await producer.send(view(f"/{sender}", value=n + 1))
                if n % 2:
                    await delivery

        await asyncio.gather(*(send(sender) for sender in range(50)))
        await producer.flush()
        assert producer.delivered == 2000
    found = events(await read(bootstrap, topic))
    assert sorted(event["sequence"] for event in found) == list(range(2000))
    for sender in range(50):
        assert [e.get("value", 1) for e in found if e["article_id"] == f"/{sender}"] == list(range(1, 41))
    assert taken < 400


async def test_records_of_one_call_travel_together(bootstrap: str) -> None:
    """One batch for each partition, and one delivery for all of them."""
    topic = await new_topic(bootstrap)
    async with Producer(bootstrap, topic) as producer:
        delivery = await producer.send_records((b"demo/a%d" % n, b"{}") for n in range(500))
        held = [len(outbox.filling) for outbox in producer._outboxes]
        assert sum(held) == 500
        await delivery
        await delivery
        assert producer.delivered == 500
        await (await producer.send_records([]))
    assert len(await read(bootstrap, topic)) == 500


async def test_a_record_that_is_too_large_is_told_with_the_fix(kafka_apache: ApacheKafka) -> None:
    """At once, by the delivery; nothing more is sent by this producer."""
    topic = await new_topic(kafka_apache.bootstrap)

    async def send() -> None:
        async with Producer(kafka_apache.bootstrap, topic) as producer:
            await (await producer.send(view("/a")))
            delivery = await producer.send_records([(b"demo/a", b"x" * 2_000_000)])
            async with asyncio.timeout(10):
                with pytest.raises(DeliveryError, match="1 of 2 were acknowledged"):
                    await delivery
            with pytest.raises(DeliveryError, match="too large"):
                await producer.send(view("/a"))

    with pytest.raises(DeliveryError, match=r"a record is too large.*raise max.message.bytes of"):
        await send()
    assert len(await read(kafka_apache.bootstrap, topic)) == 1


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


async def test_an_error_of_the_caller_stands_and_loses_nothing(bootstrap: str) -> None:
    """What was handed over before it is delivered."""
    topic = await new_topic(bootstrap)

    async def send() -> None:
        async with Producer(bootstrap, topic) as producer:
            await producer.send(view("/a"))
            raise LookupError

    with pytest.raises(LookupError):
        await send()
    assert len(await read(bootstrap, topic)) == 1


async def test_a_producer_that_is_not_open_says_so(kafka_embedded: str) -> None:
    """Before, after, and when it is opened twice."""
    topic = await new_topic(kafka_embedded)
    producer = Producer(kafka_embedded, topic)
    with pytest.raises(ProducerError, match="async with Producer"):
        await producer.send(view("/a"))
    async with producer:
        pass
    with pytest.raises(ProducerError, match="async with Producer"):
        await producer.send_records([(b"demo/a", b"{}")])
    with pytest.raises(ProducerError, match="make a new one"):
        async with producer:
            pass


async def test_what_is_no_page_view_is_told_how_to_be_one(kafka_embedded: str) -> None:
    """And the producer goes on: nothing of it was sent, no number used up."""
    topic = await new_topic(kafka_embedded)
    async with Producer(kafka_embedded, topic) as producer:
        fields: Any = {"site_id": "demo", "article_id": "/a"}
        with pytest.raises(TypeError, match=r"send takes a PageView, not a dict; make one: PageView\(\*\*fields\)"):
            await producer.send(fields)
        await producer.send(PageView(**fields))
    assert [event["sequence"] for event in events(await read(kafka_embedded, topic))] == [0]


async def test_what_is_missing_is_said_with_the_fix(kafka_embedded: str) -> None:
    """Kafka, the topic, or a name that metrics can show."""
    with pytest.raises(ProducerError, match=r"cannot be reached at 127.0.0.1:9. Start a broker"):
        async with Producer("127.0.0.1:9"):
            pass
    with pytest.raises(ProducerError, match=r"has no topic nowhere. Create it with: ranker topics apply"):
        async with Producer(kafka_embedded, "nowhere"):
            pass
    with pytest.raises(ValueError, match="'a/b' is no name of a producer"):
        Producer(name="a/b")


async def test_the_example_runs(bootstrap: str) -> None:
    """As docs/producers shows it, in full: its events are in the log, each in its home, numbered without gaps."""
    example = ROOT / "docs" / "producers" / "example.py"
    assert f"```python\n{example.read_text()}```" in (example.parent / "README.md").read_text()
    topic = await new_topic(bootstrap)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(example), bootstrap, topic,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    records = await read(bootstrap, topic)
    found = events(records)
    for record, event in zip(records, found, strict=True):
        assert schemas.faults("page-view", event) == []
        assert record.key == f"demo/{event['article_id']}".encode()
        assert record.partition == home(record.key, PARTITIONS)
    [producer_id] = {event["producer_id"] for event in found}
    assert producer_id.startswith("example/")
    assert sorted(event["sequence"] for event in found) == [0, 1, 2, 3, 4]
    assert out.decode() == f"5 events of {producer_id} are in {topic}\n"


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

    async with contextlib.aclosing(Steady(new)) as line:
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
