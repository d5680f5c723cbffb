"""The outlet before brokers that pause, die and come back: what was accepted is in the log, in order, and repeats are counted."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeAlias

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from producers.collector.delivery import outbox as module
from producers.collector.delivery.outbox import OutboxFullError
from producers.collector.delivery.spool import CHUNK_EVENTS, Chunk
from tests.support.outlet_process import Out, opened, views

Broker: TypeAlias = ApacheKafka | EmbeddedKafka

PARTITIONS = 3
ROOT = Path(__file__).parents[3]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """The embedded broker, for this test alone."""
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["embedded", "kafka_apache"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    server = request.getfixturevalue(request.param)
    yield server
    server.resume()


@pytest.fixture
async def topic(broker: Broker) -> str:
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


async def until(what: str, condition: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return condition()

    await waiting.until_async(what, ask, 60)


async def suspend(broker: Broker) -> None:
    """Not before all of it has stopped can a test count on its silence."""
    broker.suspend()
    threads = Path(f"/proc/{broker.pid}/task")
    await until("The stop of the broker", lambda: states_of(threads) == {"T"})


def states_of(threads: Path) -> set[str]:
    return {file.read_text().rpartition(")")[2].split()[0] for file in threads.glob("*/stat")}


async def straight(out: Out) -> None:
    await until("The way straight to Kafka", lambda: out.outlet._direct and out.spool.events == 0)


def ids(first: int, count: int) -> set[str]:
    return {str(n) for n in range(first, first + count)}


async def test_events_go_straight_to_a_kafka_that_answers(broker: Broker, topic: str, tmp_path: Path) -> None:
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


async def test_a_broker_that_pauses(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Accepting takes `delivery_s` for those under way and a commit for all others; afterwards all is sent."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        await out.outlet.accept(views(0, 100))
        await suspend(broker)
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
        await until("The notice that Kafka is away", lambda: not out.outlet.kafka_up)
        broker.resume()
        await straight(out)
        await out.outlet.accept(views(2000, 100))
        assert out.value("events_total", to="kafka") == 200
        # Those that were under way, and what the attempts of the meantime had sent.
        assert out.resent >= 900
        resent = out.resent
    await check(broker.bootstrap, topic, ids(0, 2100), resent)


class Stream:
    """Senders that never stop: each sends its next request 10 ms after the one before is accepted."""

    def __init__(self, out: Out) -> None:
        self.accepted: set[str] = set()
        self.slowest_s = 0.0
        self._out = out
        self._stopped = False

    async def __aenter__(self) -> Self:
        self._senders = [asyncio.create_task(self._send(n * 1_000_000)) for n in range(8)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await asyncio.gather(*self._senders)

    async def _send(self, first: int) -> None:
        while not self._stopped:
            began = time.monotonic()
            await self._out.outlet.accept(views(first, 5))
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.accepted |= ids(first, 5)
            first += 5
            await asyncio.sleep(0.01)

    async def more(self, to: str) -> None:
        """Wait for a thousand events more on this way."""
        before = self._out.value("events_total", to=to)
        await until(f"More events to {to}", lambda: self._out.value("events_total", to=to) > before + 1000)


@pytest.mark.parametrize("deaths", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_a_steady_stream_over_the_death_of_the_broker(
    kafka_apache: ApacheKafka, tmp_path: Path, deaths: int
) -> None:
    """Nobody is refused, nobody waits for longer than is promised, and nothing overtakes."""
    topic = await new_topic(kafka_apache.bootstrap)
    async with opened(kafka_apache.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        async with Stream(out) as stream:
            for _ in range(deaths):
                await stream.more("kafka")
                await asyncio.to_thread(kafka_apache.kill)
                await stream.more("spool")
                await asyncio.to_thread(kafka_apache.start)
                await stream.more("kafka")
        resent = out.resent
    await check(kafka_apache.bootstrap, topic, stream.accepted, resent)
    assert stream.slowest_s < 1.0 + module.SWITCH_S + 2.0


async def test_events_go_straight_again_although_they_never_stop(
    embedded: EmbeddedKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk so slow that others come during each commit, the spool would never be empty by itself."""
    topic = await new_topic(embedded.bootstrap)
    async with opened(embedded.bootstrap, topic, tmp_path / "spool", delivery_s=0.5) as out:
        await straight(out)
        take = out.spool._file.take

        def slow_take(done: int, *, more: bool) -> tuple[Chunk, int]:
            time.sleep(0.1)
            return take(done, more=more)

        monkeypatch.setattr(out.spool._file, "take", slow_take)
        async with Stream(out) as stream:
            await stream.more("kafka")
            await suspend(embedded)
            await stream.more("spool")
            embedded.resume()
            await stream.more("kafka")
        resent = out.resent
    await check(embedded.bootstrap, topic, stream.accepted, resent)


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
    said = [record.message for record in caplog.records if record.name == "producers.collector"]
    assert len(said) == 2
    assert said[0].startswith("Events go to the spool until Kafka takes them: ")
    assert said[1] == "Kafka takes events again; the spool is empty"
    assert (await check(bootstrap, name, ids(0, 20), 0)).total() == 20


async def test_a_caller_that_goes_away_takes_nothing_back(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Its numbers are used up: without its events they would be missed."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        await suspend(broker)
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


async def test_the_end_is_soon_and_leaves_the_rest_on_disk(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Also while Kafka hangs with events under way; whoever waits is told that they are accepted."""
    async with opened(broker.bootstrap, topic, tmp_path, delivery_s=30.0) as out:
        await straight(out)
        await suspend(broker)
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
        await suspend(embedded)
        out.spool._room_bytes = 1_000_000
        accepted = 0
        while not out.spool.full:
            await out.outlet.accept(views(accepted, 100))
            accepted += 100
        assert accepted > 500
        with pytest.raises(OutboxFullError, match=r"Kafka is away, and the spool .* is full"):
            await out.outlet.accept(views(accepted, 100))
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
    await suspend(kafka_apache)
    accepted = await asyncio.to_thread(accept_until_killed, kafka_apache.bootstrap, topic, tmp_path)
    kafka_apache.resume()
    second = await asyncio.to_thread(start, kafka_apache.bootstrap, topic, tmp_path, 0)
    try:

        async def some() -> bool:
            return any(await log_of(kafka_apache.bootstrap, topic))

        await waiting.until_async("The first events in the log", some, 60)
    finally:
        second.kill()
        second.communicate()
    async with opened(kafka_apache.bootstrap, topic, tmp_path) as out:
        await straight(out)
        resent = out.resent
    await check(kafka_apache.bootstrap, topic, accepted, resent)
    assert resent <= CHUNK_EVENTS


def start(bootstrap: str, topic: str, directory: Path, count: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.support.outlet_process", bootstrap, topic, str(directory), str(count)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def accept_until_killed(bootstrap: str, topic: str, directory: Path) -> set[str]:
    """What a process has accepted before it is killed in the midst of it."""
    accepted: set[str] = set()
    with start(bootstrap, topic, directory, 60_000) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                accepted |= ids(int(line.split()[1]), 100)
            if len(accepted) >= 40_000 and process.poll() is None:
                process.kill()
    return accepted
