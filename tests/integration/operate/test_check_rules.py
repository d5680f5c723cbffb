"""`ranker check` on rules: which are in force, whose times they go by, which partitions paused them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from deploy.local.kafka_apache import ApacheKafka
from ranker.commands import main
from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.log.admin import TopicState
from ranker.operate import check_kafka, check_rules, topics
from ranker.store.keys import ShardKeys
from tests.integration.operate.test_check import apply
from tests.support.checking import now_ms, of
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS, press
from tests.support.kafka_at import kafka_at, kafka_environ
from tests.support.redis_at import redis_at
from tests.support.shard_writer import activate
from tests.support.stores import STORES, store_url

BOTS = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
INTERNAL = press(duplicate="count", repeat="count")
NONE = press(preset="none")
NOW = 1_795_396_624_735  # 2026-11-23T01:17:04.735Z
HOUR = NOW // 3_600_000
STAMPED, PRODUCED = (
    TopicState("page-views", 4, 1, {topics.TIMESTAMPS: kind}, 1) for kind in ("LogAppendTime", "CreateTime")
)


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    opened = connect(redis_at(store_url(request)))
    yield opened
    await opened.aclose()


def test_rules_in_force_are_named() -> None:
    """With the way to their text; if there is none, that is worth a note with the way to some."""
    assert check_rules.in_force(BOTS).text == "bots@1; `ranker serve` has their text at /definitions"
    whole = check_rules.in_force(PRESS)
    assert (whole.kind, whole.text.partition(";")[0]) == (
        "ok",
        "duplicate@1, bots@1, internal@1, unique_item@counter-5.1",
    )
    (without,) = of("note", [check_rules.in_force(NONE)])
    assert 'preset = "press"' in without


@pytest.mark.parametrize(
    ("generation", "topic", "accepted", "noted"),
    [
        (PRESS, STAMPED, False, False),
        (PRESS, PRODUCED, False, True),
        (PRESS, STAMPED, True, True),
        (BOTS, PRODUCED, True, False),
        (INTERNAL, PRODUCED, True, False),
    ],
)
def test_rules_that_remember_want_the_brokers_time(
    generation: Generation, topic: TopicState, accepted: bool, noted: bool
) -> None:
    """A topic with the producers' times, or settings that accept them; rules without a memory do not care."""
    found = of("note", check_rules.append_times(generation, topic, accepted=accepted))
    assert len(found) == noted
    assert all("duplicate@1 and unique_item@counter-5.1" in one and "one record from 2099" in one for one in found)


async def test_the_brokers_time_is_asked_of_kafka(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """As part of the whole check: the note stands beside the fault of the topic."""
    remembering = msgspec.structs.replace(PRESS, topic=generation.topic)
    await apply(kafka_apache.bootstrap, remembering, {topics.TIMESTAMPS: "CreateTime"})
    found = await check_kafka.findings(kafka_at(kafka_apache.bootstrap), remembering, now_ms, accept_create_time=False)
    assert any("one record from 2099" in one for one in of("note", found))


async def paused(
    client: Any, generation: Generation, given_up: dict[int, tuple[int, int]], now: int = NOW
) -> list[str]:
    await activate(client, generation, 3)
    for partition, (first, number) in given_up.items():
        fields = {"first": first, "count:given_up": number}
        await client.hset(ShardKeys(generation.id, partition).meta, mapping=fields)
    return of("note", await check_rules.paused(client, lambda: now))


async def test_buckets_that_were_given_up_are_named(client: Any) -> None:
    """By partition, up to when, how many; with both ways to more room, as long as a list shows it."""
    assert await check_rules.paused(client, lambda: NOW) == [], "nothing is active"
    assert await paused(client, PRESS, {0: (0, 0)}) == []
    (found,) = await paused(client, PRESS, {1: (HOUR - 30, 4), 2: (HOUR, 1)})
    assert "in partition 1 (before 2026-11-21T19:00:00Z; 4 so far), 2 (before 2026-11-23T01:00:00Z; 1 so far)" in found
    assert "more than 20,000,000 keys were live | add partitions" in found
    assert "rules.max_keys" in found
    week = PRESS.longest.length_ms
    assert await paused(client, PRESS, {}, NOW + week) == []
    (later,) = await paused(client, PRESS, {}, HOUR * 3_600_000 + week - 1)
    assert "partition 2 (" in later
    assert "partition 1" not in later


async def test_many_partitions_are_a_number(client: Any) -> None:
    """A line of a terminal has an end."""
    await activate(client, PRESS, 11)
    for partition in range(11):
        await client.hset(ShardKeys(PRESS.id, partition).meta, mapping={"first": HOUR})
    (found,) = of("note", await check_rules.paused(client, lambda: NOW))
    assert "and 3 more" in found


async def test_other_rules_have_nothing_to_give_up(client: Any) -> None:
    """Nor is there a fault if Redis is away, which another finding reports."""
    assert await paused(client, INTERNAL, {1: (HOUR, 1)}) == []


def test_the_command_names_the_rules(
    kafka_apache: ApacheKafka, redis_url: str, generation: Generation, tmp_path: Path
) -> None:
    """Settings in effect and rules in force; what was given up is seen, and no fault."""
    remembering = msgspec.structs.replace(PRESS, topic=generation.topic)
    asyncio.run(apply(kafka_apache.bootstrap, remembering))

    async def give_up() -> None:
        opened = connect(redis_at(redis_url))
        await paused(opened, remembering, {0: (now_ms() // 3_600_000, 1)})
        await opened.aclose()

    asyncio.run(give_up())
    config = tmp_path / "ranker.toml"
    config.write_text(f'topic = "{generation.topic}"\n[rules]\npreset = "press"\n')
    environment = {**kafka_environ(kafka_apache.bootstrap), "RANKER_REDIS_URL": redis_url}
    result = CliRunner().invoke(main, ["check", "--config", str(config)], env=environment)
    assert "ok     rules: duplicate@1, bots@1, internal@1, unique_item@counter-5.1;" in result.output
    assert "note   rules: buckets of keys were given up" in result.output
