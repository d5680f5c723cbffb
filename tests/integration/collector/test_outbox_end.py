"""The end of an outbox, in order or by kill -9: what was accepted is in the log or on the disk."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from producers.collector.delivery import outbox as module
from producers.collector.delivery.spool import CHUNK_EVENTS
from tests.support.outbox_log import ROOT, Broker, check, ids, log_of, new_topic, straight, suspend
from tests.support.outbox_process import opened, views


async def test_a_caller_that_goes_away_takes_nothing_back(broker: Broker, outbox_topic: str, tmp_path: Path) -> None:
    """Its numbers are used up: without its events they would be missed."""
    async with opened(broker.bootstrap, outbox_topic, tmp_path, delivery_s=1.0) as out:
        await straight(out)
        await suspend(broker)
        gone = asyncio.create_task(out.outbox.accept(views(0, 10)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await out.outbox.accept(views(10, 10))
        gone = asyncio.create_task(out.outbox.accept(views(20, 10)))
        await asyncio.sleep(0)
        gone.cancel()
        broker.resume()
        await straight(out)
        resent = out.resent
    await check(broker.bootstrap, outbox_topic, ids(0, 30), resent)


async def test_the_end_is_soon_and_leaves_the_rest_on_disk(broker: Broker, outbox_topic: str, tmp_path: Path) -> None:
    """Also while Kafka hangs with events under way; those who wait get the answer that they are accepted."""
    async with opened(broker.bootstrap, outbox_topic, tmp_path, delivery_s=30.0) as out:
        await straight(out)
        await suspend(broker)
        waiting_ = asyncio.create_task(out.outbox.accept(views(0, 10)))
        await asyncio.sleep(0)
        began = time.monotonic()
    assert time.monotonic() - began < module.STOP_S + 4.0
    await waiting_
    broker.resume()
    async with opened(broker.bootstrap, outbox_topic, tmp_path) as out:
        await straight(out)
        assert out.resent == 10
    await check(broker.bootstrap, outbox_topic, ids(0, 10), 10)


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
    argv = [sys.executable, "-m", "tests.support.outbox_process", bootstrap, topic, str(directory), str(count)]
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
