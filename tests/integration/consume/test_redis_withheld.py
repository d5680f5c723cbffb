"""Counting on a Redis that tells nothing of itself, as managed ones and proxies do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Engine
from tests.support.reader_process import reader_process

WITHHELD = (
    "INFO", "CONFIG", "TIME", "MULTI", "EXEC", "SCRIPT", "MEMORY", "CLIENT", "ACL", "WAIT", "SLOWLOG", "COMMAND", "LATENCY",
)  # fmt: skip
NOTES = ("does not show its maxmemory-policy", "does not show its version", "does not show its time")


async def test_counts_are_exact_and_each_thing_is_logged_once(
    new_engine: Callable[..., Engine], services_directory: Path, tmp_path: Path
) -> None:
    """Nothing of what such servers leave out is needed: reads go by script, clocks are our own."""
    renamed = tuple(word for name in WITHHELD for word in ("--rename-command", name, ""))
    server = RedisServer(services_directory / "tells-nothing", extra=renamed)
    server.start()
    try:
        engine = new_engine(redis_url=server.url)
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
        assert [row.split()[1:] for row in engine.ranker("generations").stdout.splitlines() if "memory" in row] == [
            ["unknown"]
        ]
        with reader_process(server.url, tmp_path, config=engine.config.read_text()) as reader:
            reader.until_ready()
            assert reader.get("/v1/demo/popular/read/long").json["complete"] is True
    finally:
        server.stop()
