"""Each form of RANKER_REDIS_URL, with real servers: a shard begins, advances, is read at one moment, and copies follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.core.generation import Generation, ListName
from ranker.operate import check
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
        found = await check.redis(client, "url", GENERATION.id, now_ms)
    finally:
        await client.aclose()
    assert seen.lists[NAME].merged.rows[:2] == [(20, b"/19"), (19, b"/18")]
    assert seen.lists[NAME].total == sum(count for *_, count in VIEWS)
    assert of("fault", found) == []
