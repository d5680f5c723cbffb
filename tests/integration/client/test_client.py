"""What the Python client promises, on both brokers: delivery results, order, and what it says of misuse."""

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import schemas
from deploy.local.kafka_apache import ApacheKafka
from producers import DeliveryError, IdRule, InvalidEventError, PageView, Producer, ProducerError
from ranker.core.home import home
from tests.support.producing import events, view
from tests.support.topics import PARTITIONS, new_topic, read

ROOT = Path(__file__).parents[3]


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


async def test_an_address_is_one_article(bootstrap: str) -> None:
    """However it is spelled, by the rule that the producer was given; other ids stay as they are."""
    topic = await new_topic(bootstrap)
    given = ["https://www.example.org/soci%c3%a9t%c3%a9/?utm_source=x", "/soci%C3%A9t%C3%A9", "/société/", "17/"]
    async with Producer(bootstrap, topic) as producer:
        for article_id in given:
            await producer.send(view(article_id))
    async with Producer(bootstrap, topic, ids=IdRule(trailing_slash="keep")) as producer:
        await producer.send(view("/soci%C3%A9t%C3%A9/"))
        with pytest.raises(InvalidEventError, match="longer than 512 bytes"):
            await producer.send(view("/" + "%" * 400))
    found = await read(bootstrap, topic)
    assert Counter(event["article_id"] for event in events(found)) == {"/société": 3, "17/": 1, "/société/": 1}
    assert {record.key for record in found} == {"demo//société".encode(), b"demo/17/", "demo//société/".encode()}


async def test_cancelling_every_task_ends_the_waiting_too(bootstrap: str) -> None:
    """As programs do that shut down: a caller that waits for a delivery gets an error, and leaving takes no time."""
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


@pytest.mark.parametrize("kind", ["CreateTime", "LogAppendTime"])
async def test_a_time_of_ones_own(kafka_apache: ApacheKafka, kind: str) -> None:
    """The records have it, the next ones that of now; a topic with LogAppendTime has the broker's."""
    topic = await new_topic(kafka_apache.bootstrap, config={"message.timestamp.type": kind})
    begin_ms, then_ms = time.time_ns() // 1_000_000, 1_764_000_000_123
    async with Producer(kafka_apache.bootstrap, topic) as producer:
        await producer.send_records([(b"demo/a", b"1")], then_ms)
        await producer.send_records([(b"demo/a", b"2"), (b"demo/a", b"3")], then_ms + 600_000)
        await producer.send_records([(b"demo/a", b"4")])
    times = [record.timestamp for record in await read(kafka_apache.bootstrap, topic)]
    if kind == "CreateTime":
        assert times[:3] == [then_ms, then_ms + 600_000, then_ms + 600_000]
        del times[:3]
    assert all(begin_ms <= at_ms <= time.time_ns() // 1_000_000 for at_ms in times)


async def test_a_record_that_is_too_large_is_reported_with_the_fix(kafka_apache: ApacheKafka) -> None:
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


async def test_what_is_no_page_view_is_refused_with_the_fix(kafka_embedded: str) -> None:
    """And the producer goes on: nothing of it was sent, no number used up."""
    topic = await new_topic(kafka_embedded)
    async with Producer(kafka_embedded, topic) as producer:
        fields: Any = {"site_id": "demo", "article_id": "/a"}
        with pytest.raises(TypeError, match=r"send takes a PageView, not a dict; make one: PageView\(\*\*fields\)"):
            await producer.send(fields)
        with pytest.raises(InvalidEventError, match="1795396624, which looks like seconds; give milliseconds"):
            await producer.send(PageView(**fields, occurred_at=1_795_396_624))
        await producer.send(PageView(**fields))
    assert [event["sequence"] for event in events(await read(kafka_embedded, topic))] == [0]


async def test_what_is_missing_is_reported_with_the_fix(kafka_embedded: str) -> None:
    """Kafka, the topic, or a name that metrics can show."""
    with pytest.raises(ProducerError, match=r"cannot be reached: no connection to 127.0.0.1:9 .*; start Kafka there"):
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
