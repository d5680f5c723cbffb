"""`ranker dead resend` interrupted, killed, twice at once, or before a silent broker: nothing is sent twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter

import pytest
from aiokafka import TopicPartition

from deploy.local import children
from deploy.local.kafka_apache import ApacheKafka
from ranker.log import dead_letter_resender
from ranker.log.dead_letter_resender import opened
from ranker.log.errors import LogRefusedError, LogUnavailableError
from tests.integration.consume.engine import RANKER
from tests.support.dead_letter_topic import HOUR_MS, Topic, event, wrong
from tests.support.kafka_at import kafka_at


@pytest.mark.long
async def test_killed_at_any_moment_nothing_is_sent_twice(apache: Topic) -> None:
    """kill -9 as records of a portion arrive, some times over: in the end every letter is in the log once."""
    now = int(time.time() * 1000)
    total = 6000
    large = b" " * 3000  # a portion takes long enough to be caught in the middle
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now) + large) for n in range(total)])
    for turn, growth in enumerate((1, 1100, 300, 1, 700)):
        argv = [*RANKER, "dead", "resend", "--all"]
        child = children.start(f"resend {turn}", argv, apache.directory / f"resend-{turn}.log", apache.environ)
        try:
            await _grown(apache, child, growth)
        finally:
            child.kill()
    before = len(await apache.records())
    assert 0 < before < total
    last = await apache.ranker("resend", "--all")
    assert f"{total - before:,} letters sent" in last.stdout, last.stderr
    records = Counter(dict(record.headers)["resent"] for record in await apache.records())
    assert records == Counter(f"{apache.name}/0/{n}".encode() for n in range(total))
    assert await apache.counts() == {"future": (total, total)}


async def _grown(topic: Topic, child: children.Child, growth: int) -> None:
    """Returns as soon as so many more records have been written, committed or not."""
    async with topic.consumer(isolation_level="read_uncommitted") as consumer:
        places = [TopicPartition(topic.name, partition) for partition in (0, 1)]
        start = sum((await consumer.end_offsets(places)).values())
        deadline = time.monotonic() + 60.0
        while sum((await consumer.end_offsets(places)).values()) < start + growth:
            assert child.returncode() is None, child.tail(5)
            assert time.monotonic() < deadline, "no more records in a minute"


async def test_ctrl_c_ends_it_in_order(apache: Topic) -> None:
    """The portion under way is finished, and how many were sent is reported, and true."""
    now = int(time.time() * 1000)
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now)) for n in range(20_000)])
    argv = [*RANKER, "dead", "resend", "--all"]
    child = children.start("resend", argv, apache.directory / "resend.log", apache.environ)
    try:
        await _grown(apache, child, 1500)
        os.kill(child.process.pid, signal.SIGINT)
        await asyncio.to_thread(child.process.wait, 30)
    finally:
        child.kill()
    said = (apache.directory / "resend.log").read_text()
    sent = len(await apache.records())
    assert child.process.returncode == 1
    assert f"{sent:,} letters sent and marked to {apache.name}\n" in said
    assert "Traceback" not in said
    assert 0 < sent < 20_000
    assert await apache.counts() == {"future": (20_000, sent)}


async def test_of_two_resends_at_once_the_later_one_sends(apache: Topic) -> None:
    """The earlier one is refused with a sentence, and nothing of its portion is seen."""
    now = int(time.time() * 1000)
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now)) for n in range(6)])
    letters = await apache.letters()
    async with opened(kafka_at(apache.bootstrap), apache.name) as earlier:
        await earlier.send(letters[:2])
        async with opened(kafka_at(apache.bootstrap), apache.name) as later:
            with pytest.raises(LogRefusedError, match="another resend"):
                await earlier.send(letters[2:4])
            await later.send(letters[4:])
    sent = {letter.position for letter in await apache.letters() if letter.resent}
    assert sent == {letter.position for letter in letters[:2] + letters[4:]}
    assert {dict(record.headers)["resent"].decode() for record in await apache.records()} == sent


async def test_a_broker_that_falls_silent_ends_the_portion_in_time(
    apache: Topic, kafka_apache: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while letters are still being handed over: it is reported, instead of waiting until the broker is back."""
    monkeypatch.setattr(dead_letter_resender, "_PORTION_S", 2.0)
    now = int(time.time() * 1000)
    large = b" " * 8000  # more than the client takes before the first are acknowledged
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now) + large) for n in range(100)])
    letters = await apache.letters()
    async with opened(kafka_at(apache.bootstrap), apache.name) as sender:
        await sender.send(letters[:1])
        kafka_apache.suspend()
        try:
            async with asyncio.timeout(10):
                with pytest.raises(LogUnavailableError):
                    await sender.send(letters[1:])
        finally:
            kafka_apache.resume()
