"""`ranker check` as the consumer's user, who may not look at everything: what was not looked at is a note."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.redis import RedisServer
from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis import connect
from ranker.log.errors import LogRefusedError, NoTopicError
from ranker.operate import check_dead_letters, check_generations
from tests.support.checking import now_ms, of
from tests.support.redis_at import redis_at
from tests.support.redis_roles import GENERATION, OTHER, rules
from tests.support.shard_writer import activate


async def test_other_generations_that_redis_does_not_show(redis_server: RedisServer, redis_url: str) -> None:
    """The operator sees the one that is not active; the consumer is told that it may not."""
    opened: Any = connect(redis_at(redis_url))
    await activate(opened, GENERATION, 1)
    await opened.sadd("ranker:generations", OTHER.id)
    await opened.aclose()
    said = {}
    with redis_server.client() as plain:
        for role in ("consumer", "operator"):
            plain.execute_command("ACL", "SETUSER", role, "reset", "on", ">pw", *rules(role))
            client: Any = connect(redis_at(redis_url.replace("redis://", f"redis://{role}:pw@")))
            (said[role],) = of("note", await check_generations.findings(client, now_ms))
            await client.aclose()
            plain.execute_command("ACL", "DELUSER", role)
    assert f"{OTHER.id} is not shown" in said["operator"]
    assert "could not be looked at: Redis forbids" in said["consumer"]
    assert "operator" in said["consumer"]


@pytest.mark.parametrize(
    ("error", "notes"),
    [
        (LogRefusedError("Kafka refuses this user a right; grant Read on topic x.dead"), 1),
        (NoTopicError("there is no topic x.dead; create it"), 0),
    ],
    ids=["no right", "no topic"],
)
async def test_dead_letters_that_kafka_does_not_show(
    error: LogRefusedError, notes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the right to read them nobody can say that none waits; a topic that is not there is reported once."""

    @asynccontextmanager
    async def refused(*_: object) -> AsyncIterator[None]:
        raise error
        yield

    monkeypatch.setattr(check_dead_letters, "reading", refused)
    found = await check_dead_letters.findings(KafkaSettings(), "x")
    assert len(found) == notes
    assert all("was not looked at" in one and "grant Read on topic x.dead" in one for one in of("note", found))


async def test_dead_letters_that_take_long_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most is wrong when there are many of them: what could not be read in time is a note, and not "none waits"."""

    class Slow:
        async def portions(self) -> AsyncIterator[list[object]]:
            await asyncio.sleep(60)
            yield []

    @asynccontextmanager
    async def slow(*_: object) -> AsyncIterator[Slow]:
        yield Slow()

    monkeypatch.setattr(check_dead_letters, "reading", slow)
    monkeypatch.setattr(check_dead_letters, "_READING_S", 0.05)
    (said,) = of("note", await check_dead_letters.findings(KafkaSettings(), "x"))
    assert "nothing is known of it" in said
    assert "ranker dead list" in said


async def test_more_generations_than_are_looked_at(redis_url: str) -> None:
    """Eight are looked at; that there are more is said."""
    client: Any = connect(redis_at(redis_url))
    await activate(client, GENERATION, 1)
    await client.sadd("ranker:generations", *(f"{number:012x}" for number in range(11)))
    found = of("note", await check_generations.findings(client, now_ms))
    await client.aclose()
    assert len(found) == 9
    assert "3 more generations are not shown" in found[-1]
