"""The outlet before brokers that pause, die and come back: what was accepted is in the log, in order, and repeats are counted."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.servers import Server
from producers.collect import outlet as module
from producers.collect.outlet import OutletFullError
from tests.outlets import Out, opened, views

PARTITIONS = 3
ROOT = Path(__file__).parents[2]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """The embedded broker, for this test alone."""
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", "kafka_apache"])
def broker(request: pytest.FixtureRequest) -> Iterator[ApacheKafka | EmbeddedKafka]:
    server = request.getfixturevalue(request.param)
    yield server
    server.resume()


@pytest.fixture
async def topic(broker: ApacheKafka | EmbeddedKafka) -> str:
    return await new_topic(broker.bootstrap)


async def new_topic(bootstrap: str, name: str = "") -> str:
    name = name or f"outlet.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    finally:
        await admin.close()
    return name


async def log_of(bootstrap: str, topic: str) -> list[list[dict[str, object]]]:
    """The events of each partition, from its start to its end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    tps = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    found: list[list[dict[str, object]]] = [[] for _ in tps]
    try:
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        async with asyncio.timeout(60):
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.partition] += [orjson.loads(record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def check(bootstrap: str, topic: str, accepted: set[str], resent: int) -> Counter[object]:
    """All that was accepted is in the log, in the order of its numbers where it stands first; repeats were counted."""
    partitions = await log_of(bootstrap, topic)
    ids = Counter(event["event_id"] for events in partitions for event in events)
    assert accepted <= ids.keys(), f"{len(accepted - ids.keys())} are missing"
    assert ids.total() - len(ids) <= resent
    for events in partitions:
        seen: set[object] = set()
        latest: dict[object, int] = {}
        for event in events:
            if event["event_id"] in seen:
                continue
            seen.add(event["event_id"])
            number = event["sequence"]
            assert isinstance(number, int)
            assert number > latest.get(event["producer_id"], -1)
            latest[event["producer_id"]] = number
    return ids


async def straight(out: Out) -> None:
    async def is_so() -> bool:
        return out.outlet._straight and out.spool.events == 0

    await waiting.until_async("The way straight to Kafka", is_so, 60)


def ids(first: int, count: int) -> set[str]:
    return {str(n) for n in range(first, first + count)}


async def test_events_go_straight_to_a_kafka_that_answers(
    broker: ApacheKafka | EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    """Each once, nothing on disk, one run of numbers without a hole."""
    async with opened(broker.bootstrap, topic, tmp_path) as out:
        await straight(out)
        await asyncio.gather(*(out.outlet.accept(views(n, 10)) for n in range(0, 5000, 10)))
        assert out.value("events_total", to="kafka") == 5000
        assert out.value("events_total", to="spool") == 0
        assert out.value("kafka_up") == out.outlet.kafka_up == 1
    counted = await check(broker.bootstrap, topic, ids(0, 5000), 0)
    assert counted.total() == 5000
    log = [event for events in await log_of(broker.bootstrap, topic) for event in events]
    assert {event["sequence"] for event in log} == set(range(5000))
    assert len({event["producer_id"] for event in log}) == 1


async def test_a_broker_that_pauses(broker: ApacheKafka | EmbeddedKafka, topic: str, tmp_path: Path) -> None:
    """Accepting takes `delivery_s` for those under way and a commit for all others; afterwards all is sent."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        await out.outlet.accept(views(0, 100))
        broker.suspend()
        began = time.monotonic()
        await asyncio.gather(*(out.outlet.accept(views(n, 10)) for n in range(100, 1000, 10)))
        assert 0.9 < time.monotonic() - began < 3.0
        assert out.value("events_total", to="spool") == 900
        slowest = 0.0
        for n in range(1000, 2000, 10):
            began = time.monotonic()
            await out.outlet.accept(views(n, 10))
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0
        await waiting.until_async("The notice that Kafka is away", lambda: _answer(not out.outlet.kafka_up))
        broker.resume()
        await straight(out)
        await out.outlet.accept(views(2000, 100))
        assert out.value("events_total", to="kafka") == 200
        # Those that were under way, and what the attempts of the meantime had sent.
        assert out.resent >= 900
        resent = out.resent
    await check(broker.bootstrap, topic, ids(0, 2100), resent)


async def _answer(value: bool) -> bool:
    return value


async def test_a_steady_stream_over_the_death_of_the_broker(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """Nobody is refused, and events go straight again although they never stop coming."""
    topic = await new_topic(kafka_apache.bootstrap)
    accepted: set[str] = set()
    slowest = 0.0
    stop = False

    async def send(out: Out, first: int) -> None:
        nonlocal slowest
        n = first
        while not stop:
            began = time.monotonic()
            await out.outlet.accept(views(n, 5))
            slowest = max(slowest, time.monotonic() - began)
            accepted.update(ids(n, 5))
            n += 5

    async with opened(kafka_apache.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        senders = [asyncio.create_task(send(out, n * 1_000_000)) for n in range(8)]
        try:
            for _ in range(2):
                sent = len(accepted)
                await waiting.until_async("More events", lambda: _answer(len(accepted) > sent + 1000))
                await asyncio.to_thread(kafka_apache.kill)
                before = out.value("events_total", to="spool")
                await waiting.until_async(
                    "Events in the spool", lambda: _answer(out.value("events_total", to="spool") > before + 1000)
                )
                await asyncio.to_thread(kafka_apache.start)
                before = out.value("events_total", to="kafka")
                await waiting.until_async(
                    "Straight events", lambda: _answer(out.value("events_total", to="kafka") > before + 1000), 60
                )
        finally:
            stop = True
            await asyncio.gather(*senders)
        resent = out.resent
    await check(kafka_apache.bootstrap, topic, accepted, resent)
    assert slowest < 1.0 + module.HANDOVER_S + 2.0


async def test_a_start_without_kafka(embedded: EmbeddedKafka, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a broker, then without the topic: said once, accepted all the same, and sent when both are there."""
    bootstrap, name = embedded.bootstrap, f"outlet.{os.urandom(4).hex()}"
    embedded.stop()
    async with opened(bootstrap, name, tmp_path / "spool") as out:
        assert not out.outlet.kafka_up
        await out.outlet.accept(views(0, 10))
        assert out.spool.events == 10
        await asyncio.to_thread(embedded.start)
        await out.outlet.accept(views(10, 10))
        await new_topic(bootstrap, name)
        await straight(out)
        assert out.outlet.kafka_up
        assert out.resent == 0
    said = [record.message for record in caplog.records if record.name == "producers.collect"]
    assert len(said) == 2
    assert said[0].startswith("Events go to the spool until Kafka takes them: ")
    assert said[1] == "Kafka takes events again; the spool is empty"
    assert (await check(bootstrap, name, ids(0, 20), 0)).total() == 20


async def test_a_caller_that_goes_away_takes_nothing_back(
    broker: ApacheKafka | EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    """Its numbers are used up: without its events they would be missed."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        broker.suspend()
        gone = asyncio.create_task(out.outlet.accept(views(0, 10)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await out.outlet.accept(views(10, 10))
        gone = asyncio.create_task(out.outlet.accept(views(20, 10)))
        await asyncio.sleep(0)
        gone.cancel()
        broker.resume()
        await straight(out)
        resent = out.resent
    await check(broker.bootstrap, topic, ids(0, 30), resent)


async def test_the_end_is_soon_and_leaves_the_rest_on_disk(
    broker: ApacheKafka | EmbeddedKafka, topic: str, tmp_path: Path
) -> None:
    """Also while Kafka hangs with events under way; whoever waits is told that they are accepted."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=30.0) as out:
        await straight(out)
        broker.suspend()
        waiting_ = asyncio.create_task(out.outlet.accept(views(0, 10)))
        await asyncio.sleep(0)
        began = time.monotonic()
    assert time.monotonic() - began < module.STOP_S + 4.0
    await waiting_
    broker.resume()
    async with opened(broker.bootstrap, topic, tmp_path) as out:
        await straight(out)
        assert out.resent == 10
    await check(broker.bootstrap, topic, ids(0, 10), 10)


async def test_a_full_spool_refuses_until_kafka_takes_it(embedded: EmbeddedKafka, tmp_path: Path) -> None:
    """Refused events use up no numbers: nothing is missed in the log that was not accepted."""
    topic = await new_topic(embedded.bootstrap)
    async with opened(embedded.bootstrap, topic, tmp_path / "spool", delivery_s=0.5) as out:
        await straight(out)
        embedded.suspend()
        out.spool._room_bytes = 200_000
        accepted = 0
        with pytest.raises(OutletFullError, match=r"full|limit"):
            while True:
                await out.outlet.accept(views(accepted, 100))
                accepted += 100
        assert accepted > 500
        assert out.spool.full
        embedded.resume()
        await straight(out)
        await out.outlet.accept(views(accepted, 100))
        resent = out.resent
    counted = await check(embedded.bootstrap, topic, ids(0, accepted + 100), resent)
    log = [event for events in await log_of(embedded.bootstrap, topic) for event in events]
    assert {event["sequence"] for event in log} == set(range(len(counted)))


async def test_kill_9_while_spooling_and_while_sending(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """What was accepted is in the log; twice at most what was under way, and the metric says how many."""
    topic = await new_topic(kafka_apache.bootstrap)
    kafka_apache.suspend()
    argv = [sys.executable, "-m", "tests.outlets", kafka_apache.bootstrap, topic, str(tmp_path)]
    accepted: set[str] = set()
    with subprocess.Popen([*argv, "60000"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        for line in first.stdout:
            accepted |= ids(int(line.split()[1]), 100)
            if len(accepted) >= 40_000:
                first.kill()
                break
    kafka_apache.resume()
    with subprocess.Popen([*argv, "0"], cwd=ROOT) as second:

        async def some() -> bool:
            return sum(map(len, await log_of(kafka_apache.bootstrap, topic))) > 0

        await waiting.until_async("The first events in the log", some, 60)
        second.kill()
    async with opened(kafka_apache.bootstrap, topic, tmp_path) as out:
        await straight(out)
        resent = out.resent
    await check(kafka_apache.bootstrap, topic, accepted, resent)
    assert resent <= module.CHUNK_EVENTS
