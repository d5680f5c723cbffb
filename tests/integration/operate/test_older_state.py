"""State that version 0.1.0 has left, under today's commands: it is served, and counted on in a generation beside it."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.asyncio

from deploy.local.redis import RedisServer
from ranker.core.generation import Generation, from_table
from ranker.core.rules import memory_rules
from ranker.core.step import Reply, Step
from ranker.store import generations
from ranker.store.shard import ShardStore
from schemas import configuration
from tests.integration.consume.engine import RANKER
from tests.support.recorded_run import PARTITIONS, Recording, restored

RUN = Recording(Path(__file__).parents[2] / "data" / "run-0.1.0")
TABLE = tomllib.loads(RUN.config.read_text("utf-8"))
RULES: tuple[dict[str, Any], ...] = (
    {"preset": "press"},
    {"duplicate": "drop"},
    {"repeat": "drop", "repeat_per_s": 86_400},
    {"internal": "drop"},
)


@pytest.fixture
def recorded(services_directory: Path, tmp_path: Path) -> Iterator[RedisServer]:
    server = restored(RUN, tmp_path / "recorded")
    server.start()
    yield server
    server.stop()


def _generation(rules: dict[str, Any]) -> Generation:
    return from_table(configuration.filled(TABLE | ({"rules": rules} if rules else {})))


async def test_it_goes_on_as_it_is_and_no_generation_with_rules_finds_it(recorded: RedisServer) -> None:
    """Its shards have nothing of what rules remember, and take steps; whatever the rules, theirs are other shards."""
    old = msgspec.structs.replace(_generation({}), schema_version=1)
    client = redis.asyncio.Redis.from_url(recorded.url)
    try:
        assert await generations.registered(client) == [old.id]
        assert memory_rules(old) is None
        for partition in range(PARTITIONS["page-views"]):
            store = ShardStore(client, old, partition)
            state = await store.load()
            assert state is not None
            assert (state.foreign, state.latest_ms, state.first, state.buckets) == (False, 0, 0, ())
            step = Step(state.version, replace(state.version, n=state.version.n + 1), state.watermark_ms)
            assert (await store.advance(store.assemble(step)))[0] is Reply.APPLIED
            for rules in ({}, *RULES):
                other = _generation(rules)
                assert other.id != old.id
                assert await ShardStore(client, other, partition).load() is None
        assert len({_generation(rules).id for rules in ({}, *RULES)}) == 1 + len(RULES)
    finally:
        await client.aclose()


def test_the_commands_say_what_to_do(recorded: RedisServer, tmp_path: Path) -> None:
    """It is listed, active and cannot be dropped; today's generation with rules is not activated before it has counts."""
    config = tmp_path / "ranker.toml"
    config.write_text(RUN.config.read_text("utf-8") + '\n[rules]\npreset = "press"\n')
    env = {**os.environ, "RANKER_REDIS_URL": recorded.url, "RANKER_CONFIG": str(config)}
    old = msgspec.structs.replace(_generation({}), schema_version=1).id

    def ranker(*words: str) -> tuple[int, str]:
        run = subprocess.run([*RANKER, "generations", *words], env=env, capture_output=True, text=True)
        return run.returncode, run.stdout + run.stderr

    code, said = ranker()
    assert (code, f"{old}  active" in said) == (0, True), said
    code, said = ranker("activate", _generation({"preset": "press"}).id)
    assert code == 1
    assert "has no counts here" in said
    assert "`ranker consume` with its ranker.toml makes them" in said
    code, said = ranker("drop", old)
    assert (code, "is active" in said) == (1, True), said
