"""Counting on a Redis that tells nothing of itself, as managed ones and proxies do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Engine
from tests.support.reader_process import reader_process

WITHHELD = (
    "INFO", "CONFIG", "TIME", "MULTI", "EXEC", "SCRIPT", "MEMORY", "CLIENT", "ACL", "WAIT", "SLOWLOG", "COMMAND", "LATENCY",
)  # fmt: skip
RIGHTS = ("+@read", "+@write", "+eval", "+evalsha")
"""All that docs/reference.md says a user needs."""
NOTES = ("does not show its maxmemory-policy", "does not show its version", "does not show its time")


@pytest.mark.parametrize(
    ("how", "extra"),
    [
        ("missing", tuple(word for name in WITHHELD for word in ("--rename-command", name, ""))),
        ("forbidden", ()),
    ],
)
@pytest.mark.long
async def test_counts_are_exact_and_each_thing_is_logged_once(
    new_engine: Callable[..., Engine], services_directory: Path, tmp_path: Path, how: str, extra: tuple[str, ...]
) -> None:
    """Nothing of what such servers leave out is needed: reads go by script, clocks are our own."""
    server = RedisServer(services_directory / f"tells-nothing-{how}", extra=extra)
    server.start()
    try:
        url = server.url
        if how == "forbidden":
            with server.client() as plain:
                plain.execute_command("ACL", "SETUSER", "few", "on", ">pw", "~ranker:*", *RIGHTS)
            url = url.replace("redis://", "redis://few:pw@")
        engine = new_engine(redis_url=url)
        await engine.create_topic(2)
        await engine.traffic.send(1000)
        consumer = engine.consume()
        async with engine.traffic.flowing(per_s=500):
            await engine.until_counted()
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
        await engine.check()
        consumer.kill()
        again = engine.consume()
        await engine.traffic.send(500)
        await engine.until_counted()
        await engine.until("readiness", again.ready)
        await engine.check()
        for process in (consumer, again):
            for words in NOTES:
                lines = [line for line in process.log() if words in line["event"]]
                assert [line["level"] for line in lines] == ["warning"], words
        memory = next(row for row in engine.ranker("generations").stdout.splitlines() if "memory" in row)
        assert ("unknown" in memory) == (how == "missing")  # MEMORY USAGE is a read
        with reader_process(url, tmp_path, config=engine.config.read_text()) as reader:
            reader.until_ready()

            async def complete() -> bool:
                return reader.get("/v1/demo/popular/read/long").json["complete"] is True

            await engine.until("whole lists", complete)
    finally:
        server.stop()
