"""Each form of RANKER_REDIS_URL, with real servers: a shard begins, advances, is read at one moment, and copies follow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from producers.collector.salt import DAY_S, open_salts
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from ranker.core.generation import Generation, ListName
from ranker.operate import check_redis
from ranker.store.reader import Reader
from tests.support.checking import now_ms, of
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.redis_at import redis_at
from tests.support.redis_forms import FORMS
from tests.support.shard_writer import activate, write

GENERATION = Generation("page-views", DEFAULT_WINDOWS, {"read": {"view": 1}})
VIEWS = [("demo", f"/{n}", "view", n + 1) for n in range(20)]
NAME = ListName("demo", "read", "24h")
PARTITIONS = 6


@pytest.mark.parametrize("form", FORMS)
async def test_counts_are_written_and_read(redis_form: Callable[[str], tuple[Any, str]], form: str) -> None:
    """By scripts, transactions and plain commands; `ranker check` finds nothing to mend."""
    client = connect(redis_at(redis_form(form)[1]))
    try:
        await write(client, GENERATION, PARTITIONS, VIEWS, now_ms())
        await activate(client, GENERATION, PARTITIONS)
        seen = await Reader(client).refresh(GENERATION, PARTITIONS, [NAME], {}, {})
        found = await check_redis.findings(client, "url", GENERATION.id, now_ms)
    finally:
        await client.aclose()
    assert seen.lists[NAME].merged.rows[:2] == [(20, b"/19"), (19, b"/18")]
    assert seen.lists[NAME].total == sum(count for *_, count in VIEWS)
    assert of("fault", found) == []


@pytest.mark.parametrize("form", FORMS)
async def test_collectors_share_a_salt(redis_form: Callable[[str], tuple[Any, str]], form: str) -> None:
    """By the same settings."""
    at, today = redis_at(redis_form(form)[1]), int(time.time() // DAY_S)
    async with open_salts(at) as one, open_salts(at) as other:
        assert len(one.of(today) or b"") == 32
        assert one.of(today) == other.of(today)


async def test_a_collector_that_gets_no_salt_logs_why(
    redis_form: Callable[[str], tuple[Any, str]], caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on without; the sentence is that of `ranker check`."""
    async with open_salts(RedisSettings(redis_form("tls")[1])) as salts:
        assert salts.of(int(time.time() // DAY_S)) is None
    (line,) = (record for record in caplog.records if record.message == "Redis gives no salt")
    assert "set RANKER_REDIS_CA_FILE to the file with that CA's own" in vars(line)["why"]
