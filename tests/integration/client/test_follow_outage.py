"""Following a log while Kafka is away: nothing is lost, and it is said once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until_async
from producers import Producer
from producers.replay import following
from producers.replay.following import Follower
from producers.replay.position import Position
from producers.replay.replaying import Rules
from producers.replay.summary import Summary
from tests.support.followed_log import write
from tests.support.producing import silent
from tests.support.topics import new_topic, read

pytestmark = pytest.mark.slow


async def test_kafka_away_is_waited_for(
    kafka_apache: ApacheKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines that were under way are sent again with their numbers; the position moves only with acknowledgements."""
    monkeypatch.setattr(following, "RETRY_S", 0.2)
    topic = await new_topic(kafka_apache.bootstrap)
    log, state, said = tmp_path / "access.log", tmp_path / "position.json", list[str]()
    position, summary, stop = Position(state, topic), Summary(), asyncio.Event()
    follower = Follower([log], "auto", Rules("demo"), position, summary, said.append)
    write(log, range(3))
    work = asyncio.create_task(follower.run(lambda: Producer(kafka_apache.bootstrap, topic, delivery_s=1.5), stop))

    async def sent(count: int) -> bool:
        return summary.sent == count or work.done()

    async def told() -> bool:
        return any("Kafka did not take records" in one for one in said)

    try:
        await until_async("The first lines", lambda: sent(3))
        before = state.read_bytes()
        with silent(kafka_apache):
            write(log, range(3, 10))
            await until_async("The sentence about Kafka", told)
            assert state.read_bytes() == before
            write(log, range(10, 12))
        await until_async("All lines", lambda: sent(12))
    finally:
        stop.set()
        await work
        position.close()
    assert sum("Trying again every" in one for one in said) == 1
    assert said[-1] == "Kafka takes events again."
    events = [orjson.loads(record.value) for record in await read(kafka_apache.bootstrap, topic)]
    by_id = {event["event_id"]: event for event in events}
    assert sorted(event["article_id"] for event in by_id.values()) == sorted(f"/a{n}" for n in range(12))
    assert sorted(event["sequence"] for event in by_id.values()) == list(range(12))


async def test_a_signal_while_kafka_is_away_ends_in_time(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """What was not acknowledged is sent at the next start, under the ids that it had."""
    topic = await new_topic(kafka_apache.bootstrap)
    log, state = tmp_path / "access.log", tmp_path / "position.json"
    write(log, range(3))
    position, summary, stop = Position(state, topic), Summary(), asyncio.Event()
    follower = Follower([log], "auto", Rules("demo"), position, summary, lambda _: None)
    work = asyncio.create_task(follower.run(lambda: Producer(kafka_apache.bootstrap, topic), stop))

    async def sent() -> bool:
        return summary.sent == log.read_text().count("\n") or work.done()

    async def under_way() -> bool:
        return follower._batch is not None and bool(follower._batch.records)

    await until_async("The first lines", sent)
    before = state.read_bytes()
    with silent(kafka_apache):
        write(log, ["late"])
        await until_async("A batch under way", under_way)
        began = time.monotonic()
        stop.set()
        await work
        assert time.monotonic() - began < 13  # systemd's patience is 15 s
    position.close()
    assert state.read_bytes() == before
    await new_topic(kafka_apache.bootstrap)  # until the broker answers again
    position, summary, stop = Position(state, topic), Summary(), asyncio.Event()
    follower = Follower([log], "auto", Rules("demo"), position, summary, lambda _: None)
    work = asyncio.create_task(follower.run(lambda: Producer(kafka_apache.bootstrap, topic), stop))

    async def sent_late() -> bool:
        return summary.sent == 1 or work.done()

    await until_async("The late line", sent_late)
    stop.set()
    await work
    position.close()
    events = [orjson.loads(record.value) for record in await read(kafka_apache.bootstrap, topic)]
    assert {event["article_id"] for event in events} == {"/a0", "/a1", "/a2", "/alate"}
    assert len({event["event_id"] for event in events}) == 4


async def test_kafka_that_was_never_there_is_waited_for(tmp_path: Path) -> None:
    """It is said at once, so that a wrong address shows; nothing is passed over."""
    log, state, said = tmp_path / "access.log", tmp_path / "position.json", list[str]()
    write(log, range(3))
    position, stop = Position(state, "page-views"), asyncio.Event()
    follower = Follower([log], "auto", Rules("demo"), position, Summary(), said.append)
    work = asyncio.create_task(follower.run(lambda: Producer("127.0.0.1:9", "page-views"), stop))

    async def told() -> bool:
        return any("cannot be reached" in one for one in said)

    await until_async("The sentence", told)
    stop.set()
    await work
    position.close()
    assert not state.exists()
