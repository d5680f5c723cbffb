"""Which server a client by Sentinels talks to, while one that was frozen still believes that it is the primary."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.local import waiting
from deploy.local.redis_sentinel import RedisBySentinel
from ranker.connect.redis import connect
from ranker.connect.redis_errors import UNREACHABLE
from ranker.connect.redis_settings import RedisSettings


async def test_connections_leave_a_primary_that_was_replaced(tmp_path: Path) -> None:
    """Those too that were idle meanwhile, and whose server answers that it is one."""
    servers = RedisBySentinel(tmp_path, sentinels=1)
    await asyncio.to_thread(servers.start)
    first, second = servers.servers
    client: Any = connect(RedisSettings(servers.url), answer_s=0.5)
    try:
        await client.set("which", "old")
        pool = client.connection_pool
        opened = [await pool.get_connection() for _ in range(2)]
        for connection in opened:
            await pool.release(connection)
        first.suspend()

        async def promoted() -> bool:
            with contextlib.suppress(redis.RedisError), second.client() as plain:
                return bool(plain.info("replication")["role"] == "master")
            return False

        await waiting.until_async("The failover", promoted, 20.0)
        with second.client() as plain:
            plain.set("which", "new")
        with pytest.raises(UNREACHABLE):
            await client.get("which")  # what was under way; the other connection is idle

        async def from_the_new_one() -> bool:
            with contextlib.suppress(*UNREACHABLE):  # the Sentinel tells it a moment later
                return bool(await client.get("which") == b"new")
            return False

        await waiting.until_async("A connection to the new primary", from_the_new_one, 5.0)
        first.resume()
        with first.client() as plain:
            assert plain.info("replication")["role"] == "master"
            assert plain.get("which") == b"old"
            assert list(await asyncio.gather(client.get("which"), client.get("which"))) == [b"new", b"new"]
            assert plain.info("replication")["role"] == "master"
    finally:
        await client.aclose()
        first.resume()
        await asyncio.to_thread(servers.stop)
