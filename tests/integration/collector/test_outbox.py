"""The outbox before brokers that pause, die and come back: what was accepted is in the log, in order, and repeats are counted."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from producers.collector.delivery import outbox as module
from producers.collector.delivery.outbox import OutboxFullError
from producers.collector.delivery.spool import Chunk
from tests.support.outbox_log import Broker, Stream, check, ids, log_of, new_topic, straight, suspend, until
from tests.support.outbox_process import opened, views


async def test_events_go_straight_to_a_kafka_that_answers(broker: Broker, outbox_topic: str, tmp_path: Path) -> None:
    """Each once, nothing on disk, one run of numbers without a hole."""
    async with opened(broker.bootstrap, outbox_topic, tmp_path) as out:
        await straight(out)
        await asyncio.gather(*(out.outbox.accept(views(n, 10)) for n in range(0, 5000, 10)))
        assert out.value("events_total", to="kafka") == 5000
        assert out.value("events_total", to="spool") == 0
        assert out.value("kafka_up") == out.outbox.kafka_up == 1
    counted = await check(broker.bootstrap, outbox_topic, ids(0, 5000), 0)
    assert counted.total() == 5000
    log = [event for events in await log_of(broker.bootstrap, outbox_topic) for event in events]
    assert {event["sequence"] for event in log} == set(range(5000))
    assert len({event["producer_id"] for event in log}) == 1


async def test_a_broker_that_pauses(broker: Broker, outbox_topic: str, tmp_path: Path) -> None:
    """Accepting takes `delivery_s` for those under way and a commit for all others; afterwards all is sent."""
    async with opened(broker.bootstrap, outbox_topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        await out.outbox.accept(views(0, 100))
        await suspend(broker)
        began = time.monotonic()
        await asyncio.gather(*(out.outbox.accept(views(n, 10)) for n in range(100, 1000, 10)))
        assert 0.9 < time.monotonic() - began < 3.0
        assert out.value("events_total", to="spool") == 900
        slowest = 0.0
        for n in range(1000, 2000, 10):
            began = time.monotonic()
            await out.outbox.accept(views(n, 10))
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1.0
        await until("The notice that Kafka is away", lambda: not out.outbox.kafka_up)
        broker.resume()
        await straight(out)
        await out.outbox.accept(views(2000, 100))
        assert out.value("events_total", to="kafka") == 200
        # Those that were under way, and what the attempts of the meantime had sent.
        assert out.resent >= 900
        resent = out.resent
    await check(broker.bootstrap, outbox_topic, ids(0, 2100), resent)


@pytest.mark.parametrize("deaths", [1, 2])
@pytest.mark.long
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
    """Without a broker, then without the topic: each logged once, accepted all the same, and sent when both are there."""
    bootstrap, name = embedded.bootstrap, f"outbox.{os.urandom(4).hex()}"
    embedded.stop()
    async with opened(bootstrap, name, tmp_path / "spool") as out:
        assert not out.outbox.kafka_up
        await out.outbox.accept(views(0, 10))
        assert out.spool.events == 10
        await asyncio.to_thread(embedded.start)
        await out.outbox.accept(views(10, 10))
        await new_topic(bootstrap, name)
        await straight(out)
        assert out.outbox.kafka_up
        assert out.resent == 0
    said = [record.message for record in caplog.records if record.name == "producers.collector"]
    *why, last = said
    assert 1 <= len(why) == len(set(why)) <= 2
    assert all(one.startswith("Events go to the spool until Kafka takes them: ") for one in why)
    assert last == "Kafka takes events again; the spool is empty"
    assert (await check(bootstrap, name, ids(0, 20), 0)).total() == 20


async def test_a_full_spool_refuses_until_kafka_takes_it(embedded: EmbeddedKafka, tmp_path: Path) -> None:
    """Refused events use up no numbers: nothing is missed in the log that was not accepted."""
    topic = await new_topic(embedded.bootstrap)
    async with opened(embedded.bootstrap, topic, tmp_path / "spool", delivery_s=0.5) as out:
        await straight(out)
        await suspend(embedded)
        out.spool._room_bytes = 1_000_000
        accepted = 0
        while not out.spool.full:
            await out.outbox.accept(views(accepted, 100))
            accepted += 100
        assert accepted > 500
        with pytest.raises(OutboxFullError, match=r"Kafka is away, and the spool .* is full"):
            await out.outbox.accept(views(accepted, 100))
        assert out.spool.full
        embedded.resume()
        await straight(out)
        await out.outbox.accept(views(accepted, 100))
        resent = out.resent
    counted = await check(embedded.bootstrap, topic, ids(0, accepted + 100), resent)
    log = [event for events in await log_of(embedded.bootstrap, topic) for event in events]
    assert {event["sequence"] for event in log} == set(range(len(counted)))
