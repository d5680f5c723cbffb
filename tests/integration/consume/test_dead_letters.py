"""What cannot be counted: kept with its bytes and its place, and a stop if it is too much."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from tests.integration.consume.engine import RANKER_TOML, Consumer, Engine
from tests.support.topics import read

IMPATIENT = RANKER_TOML + "dead_stretch = 100\n"


async def test_dead_letters_keep_what_was_sent(engine: Engine) -> None:
    """Original bytes, reason, place, append time and key; one letter for a record even if it is read twice."""
    broken: list[tuple[bytes | None, bytes | None, str]] = [
        (b"demo/a", b"{half", "malformed"),
        (None, b"\xff\x00binary", "malformed"),
        (b"demo/null", None, "empty"),
        (b"demo/b", b'{"event_id": "1", "event_type": "view", "site_id": "demo"}', "schema"),
        (b"k", b'{"event_id":"1","event_type":"view","site_id":"De mo","article_id":"a","occurred_at":1}', "site_id"),
        (b"k", b'{"event_id":"1","event_type":"View!","site_id":"d","article_id":"a","occurred_at":1}', "event_type"),
        (b"k", b'{"event_id":"1","event_type":"view","site_id":"d","article_id":"a b","occurred_at":1}', "article_id"),
        (
            b"k",
            b'{"event_id":"1","event_type":"view","site_id":"d","article_id":"a","occurred_at":1,"value":0}',
            "value",
        ),
        (
            b"k",
            b'{"event_id":"1","event_type":"view","site_id":"d","article_id":"a","occurred_at":4000000000000}',
            "future",
        ),
    ]
    consumer = engine.consume()
    async with engine.traffic.producer() as producer:
        sent = [
            await producer.send_and_wait(engine.topic, partition=1, key=key, value=value) for key, value, _ in broken
        ]
    await engine.until_counted()
    letters = await _letters(engine)
    for (key, value, reason), where in zip(broken, sent, strict=True):
        name = f"{engine.topic}/1/{where.offset}".encode()
        [letter] = [letter for letter in letters if letter.key == name]
        assert letter.value == (value or b"")
        assert dict(letter.headers) == {
            "reason": reason.encode(),
            "position": name,
            "append_ms": str(where.timestamp).encode(),
            "key": key or b"",
        }
    assert len(letters) == len(broken)
    await engine.check()
    assert await consumer.metric("ranker_dead_letters_total") == len(broken)
    await engine.client.flushall()
    await engine.until_counted()
    assert {letter.key for letter in await _letters(engine)} == {letter.key for letter in letters}


async def test_no_size_of_a_record_stops_its_partition(engine: Engine) -> None:
    """Small on the wire and larger than any letter may be; huge keys and headers: letters are cut, all others count."""
    mebibyte = 1 << 20
    half = b"{half"
    large: list[tuple[bytes | None, bytes, str]] = [
        (b"demo/blanks", b" " * (9 * mebibyte), "too_large"),
        (b"demo/a", half + b" " * mebibyte, "too_large"),
        (b"demo/b", half.ljust(mebibyte), "malformed"),  # whole, it is more than this topic of dead letters takes
        (b"k" * (3 * mebibyte), half, "malformed"),
        (None, half, "malformed"),
    ]
    consumer = engine.consume()
    async with engine.traffic.producer(compression_type="zstd", max_request_size=64 * mebibyte) as producer:
        headers = [("h" * 70_000, b"v" * (3 * mebibyte))]
        sent = [
            await producer.send_and_wait(engine.topic, partition=0, key=key, value=value, headers=headers)
            for key, value, _ in large
        ]
        _, view = engine.traffic.view()
        await producer.send_and_wait(engine.topic, partition=0, key=b"k" * (3 * mebibyte), value=view, headers=headers)
    await engine.traffic.send(200)
    await engine.until_counted()
    await engine.check()
    assert await consumer.reasons() == []
    letters = {letter.key.decode(): letter for letter in await _letters(engine)}
    for (key, value, reason), where in zip(large, sent, strict=True):
        letter = letters[f"{engine.topic}/0/{where.offset}"]
        headers_ = dict(letter.headers)
        whole = len(value) < mebibyte
        assert headers_["reason"] == reason.encode()
        assert letter.value == (value if whole else value[: 64 << 10])
        assert headers_.get("size") == (None if whole else str(len(value)).encode())
        assert headers_.get("sha256") == (None if whole else hashlib.sha256(value).hexdigest().encode())
        assert headers_["key"] == (key or b"")[: 64 << 10]
        assert headers_.get("key_size") == (str(len(key)).encode() if len(key or b"") > 64 << 10 else None)  # type: ignore[arg-type]


@pytest.mark.long
async def test_too_many_bad_records_stop_their_partition(new_engine: Callable[..., Engine]) -> None:
    """It says how many, where, why and how to go on; --accept-bad goes on, up to there and not further."""
    engine = new_engine(config=IMPATIENT)
    await engine.create_topic(2)
    async with engine.traffic.producer() as producer:
        await _send_bad(producer, engine, 300)
    first = engine.consume()
    accepted = await _stopped(engine, first)
    assert await first.says("cannot be counted (malformed: ")
    assert (await engine.version(0))[1] == 0
    await engine.traffic.send(200)  # good ones behind the bad: both partitions
    await engine.until("counting in the other partition", lambda: _reached(engine, 1))
    first.stop()
    second = engine.consume("--accept-bad", f"0:{accepted}")
    await engine.until_counted()
    await engine.check()
    async with engine.traffic.producer() as producer:
        await _send_bad(producer, engine, 300)
    again = await _stopped(engine, second)
    assert again > accepted
    second.stop()
    engine.consume("--accept-bad", f"0:{again}")
    await engine.until_counted()
    await engine.check()


async def _send_bad(producer: AIOKafkaProducer, engine: Engine, count: int) -> None:
    await asyncio.gather(*[await producer.send(engine.topic, partition=0, value=b"not json") for _ in range(count)])


async def _stopped(engine: Engine, consumer: Consumer) -> int:
    """Waits for the stop of partition 0; returns the offset up to which it offers to go on."""
    await engine.until("the stop", lambda: consumer.says("cannot be counted"))
    [reason] = [reason for reason in await consumer.reasons() or () if "cannot be counted" in reason]
    found = re.search(r"--accept-bad 0:(\d+)", reason)
    assert found is not None
    return int(found[1])


async def _reached(engine: Engine, partition: int) -> bool:
    return (await engine.version(partition))[1] == (await engine.recount.read())[partition]


async def _letters(engine: Engine) -> list[ConsumerRecord]:
    return await read(engine.bootstrap, f"{engine.topic}.dead", 1)
