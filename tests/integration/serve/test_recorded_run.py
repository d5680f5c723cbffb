"""State that version 0.1.0 has left: today's reader serves the same lists from it, and the log says the same."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis.asyncio

from deploy.local.redis import RedisServer
from ranker.core.generation import from_table
from ranker.settings import load
from schemas import configuration
from tests.conftest import standing
from tests.integration.consume import shards
from tests.integration.consume.comparing import compare
from tests.support.reader import ready, running_reader, until
from tests.support.recorded_run import PARTITIONS, Recording, restored
from tests.support.recount import Raw, Recount, Rules

RUN = Recording(Path(__file__).parents[2] / "data" / "run-0.1.0")


@pytest.fixture(scope="module")
def recorded(services_directory: Path) -> Iterator[RedisServer]:
    server = restored(RUN, services_directory / "recorded")
    with standing(server):
        yield server


async def test_the_lists_are_those_that_it_served(recorded: RedisServer) -> None:
    """To the letter: counts, ranks, titles, history, what is hidden, moved, astray. The rules are named beside it."""
    served = RUN.served
    sites = load(str(RUN.config), {}).sites
    async with running_reader(recorded.url, sites, served["now_ms"]) as reader:
        await until(lambda: ready(reader), "readiness")
        for target, expected in served["lists"].items():
            answer = (await reader.get(target)).json
            assert answer["rules"] == ["bots@1"], target
            assert {name: answer.pop(name) for name in expected} == expected, target
            assert answer.keys() <= {"rules", "dropped", "rules_paused", "definitions", "rising"}


async def test_the_state_is_what_the_log_says(recorded: RedisServer) -> None:
    """The naive recount of the recorded log, at the version that each shard says it has."""
    again = Recount("", "page-views", Rules.read(RUN.config))
    for record in RUN.log("page-views"):
        raw = Raw(record["offset"], record["timestamp"], record["key"], record["value"])
        again.records.setdefault(record["partition"], []).append(raw)
    table = configuration.filled(tomllib.loads(RUN.config.read_text("utf-8")))
    generation = msgspec.structs.replace(from_table(table), schema_version=1)
    client = redis.asyncio.Redis.from_url(recorded.url)
    try:
        for partition in range(PARTITIONS["page-views"]):
            shard = await shards.read(client, generation.id, partition)
            assert shard is not None
            assert shard.n == len(again.records[partition])
            compare(shard, again, partition, PARTITIONS["page-views"])
            assert any(shard.totals.values())
    finally:
        await client.aclose()
