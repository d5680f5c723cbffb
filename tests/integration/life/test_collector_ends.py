"""SIGTERM to `producers collect`: not ready, drained, flushed, and gone within 10 s; what it accepted is kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from producers.collector.delivery.spool import Spool, SpoolFullError
from tests.support.collector_process import ORIGIN, SITES, Collector, collector, new_topic, records
from tests.support.ended import MOST_S, end, hanging
from tests.support.http import head

pytestmark = pytest.mark.long

DRAIN_S = 3.0
"""The default of --drain-s."""


class Senders:
    """Pages that send one event after the other; `accepted` are the ids of those that were answered with 202."""

    def __init__(self, running: Collector) -> None:
        self._running = running
        self.accepted: set[str] = set()
        self.refused = 0
        self._sent = 0

    async def _send(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._sent += 1
            name = f"/{self._sent}"
            event = {"event_type": "view", "site_id": "demo", "article_id": name}
            try:
                reply = await asyncio.to_thread(self._running.page, [event])
            except OSError:  # its port is closed
                await asyncio.sleep(0.05)
                continue
            if reply.status == 202:
                self.accepted.add(f"demo/{name}")
            else:
                self.refused += 1

    @contextlib.asynccontextmanager
    async def sending(self, count: int = 4) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self._send(stop)) for _ in range(count)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def until_accepted(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.accepted) >= count

        await waiting.until_async(f"{count} events", enough, 60.0)


async def leave(running: Collector, what: str, limit_s: float = MOST_S) -> None:
    ending = asyncio.create_task(end(running.child, f"collect --drain-s {running.drain_s:g}, {what}"))
    if running.drain_s:

        async def told() -> bool:
            reply = await asyncio.to_thread(running.admin, "/readyz")
            return reply.status == 503 and "draining" in reply.json["reasons"][0]

        await waiting.until_async("not being ready", told, 5.0)
    assert await ending < limit_s
    assert running.child.returncode() == 0
    assert "Traceback" not in running.log.read_text()


async def check(bootstrap: str, topic: str, senders: Senders, directory: Path, **options: str) -> None:
    """Everything that was accepted is in the log, once the next collector has sent what was on the disk."""
    with collector(bootstrap, topic, directory, **options):
        found = await records(bootstrap, topic, len(senders.accepted), at_least=True)
    assert senders.accepted <= {(record.key or b"").decode() for record in found}


async def test_under_load(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> None:
    """While it drains it accepts; nothing of that is lost."""
    topic = await new_topic(kafka_apache.bootstrap, "ends-load")
    with collector(kafka_apache.bootstrap, topic, tmp_path, redis_url=redis_url, drain_s=DRAIN_S) as running:
        senders = Senders(running)
        async with senders.sending():
            await senders.until_accepted(100)
            before = len(senders.accepted)
            await leave(running, "under load")
    assert len(senders.accepted) > before
    await check(kafka_apache.bootstrap, topic, senders, tmp_path)


async def test_while_kafka_hangs(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """With events under way that are acknowledged by nobody: they go to the disk."""
    topic = await new_topic(kafka_apache.bootstrap, "ends-hang")
    with collector(kafka_apache.bootstrap, topic, tmp_path, drain_s=DRAIN_S) as running:
        senders = Senders(running)
        async with senders.sending():
            await senders.until_accepted(20)
            with hanging(kafka_apache):
                await leave(running, "Kafka has begun to hang")
    await check(kafka_apache.bootstrap, topic, senders, tmp_path)


async def test_while_kafka_and_redis_hang_with_a_full_spool(
    kafka_apache: ApacheKafka, redis_server: RedisServer, redis_url: str, tmp_path: Path
) -> None:
    """All at once, and clients that have sent half a request."""
    topic = await new_topic(kafka_apache.bootstrap, "ends-full")
    await fill(tmp_path / "spool", 32 << 20)
    config = SITES + "visitors = true\n[collect]\nspool_mb = 32\n"
    with (
        hanging(kafka_apache, redis_server),
        collector(kafka_apache.bootstrap, topic, tmp_path, config, redis_url=redis_url, drain_s=DRAIN_S) as running,
    ):
        senders = Senders(running)
        async with senders.sending():

            async def refused() -> bool:
                return senders.refused > 0

            await waiting.until_async("a full spool", refused, 60.0)
            with half_requests(running.port):
                await leave(running, "Kafka and Redis hang, the spool is full")
    assert senders.accepted == set()


async def fill(directory: Path, limit_bytes: int) -> None:
    """With what its compression makes nothing of."""
    async with Spool.open(directory, limit_bytes) as spool:
        with contextlib.suppress(SpoolFullError):
            while True:
                await spool.put([(b"demo/a", os.urandom(60_000)) for _ in range(8)], doubtful=False)


@contextlib.contextmanager
def half_requests(port: int) -> Iterator[None]:
    """Connections that have sent a head, and half of a body; and some that read nothing."""
    request = head("/v1/events", "POST", Origin=ORIGIN, Content_Length="1000")
    with contextlib.ExitStack() as stack:
        for number in range(20):
            connection = stack.enter_context(socket.create_connection((HOST, port)))
            connection.sendall(request + b"[" if number % 2 else request[:-4])
        yield


@pytest.mark.parametrize("kafka", ["silent", "away"])
async def test_while_it_waits_for_kafka(kafka: str, tmp_path: Path) -> None:
    """It is ready, since it accepts to the disk; and it ends as soon."""
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1] if kafka == "silent" else free_port()
        with collector(f"{HOST}:{port}", "page-views", tmp_path) as running:
            senders = Senders(running)
            async with senders.sending():
                await senders.until_accepted(5)
                await leave(running, f"Kafka is {kafka} from the start")


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """What it accepted is on the disk already."""
    with collector(f"{HOST}:{free_port()}", "page-views", tmp_path, drain_s=DRAIN_S) as running:
        running.child.process.terminate()

        async def told() -> bool:
            return (await asyncio.to_thread(running.admin, "/readyz")).status == 503

        await waiting.until_async("not being ready", told, 5.0)
        assert await end(running.child, "collect, second signal") < DRAIN_S / 2
