"""SIGTERM to `ranker serve`: not ready, drained, and gone within 10 s, whatever its clients do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from ranker.connect.redis import connect
from tests.support import http
from tests.support.ended import MOST_S, end, hanging
from tests.support.reader import GENERATION, LIST
from tests.support.reader_process import ReaderProcess, reader_process
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish

pytestmark = pytest.mark.long

DRAIN_S = 5.0
"""The default of --drain-s."""
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(300)]


@contextlib.asynccontextmanager
async def serving(redis_url: str, directory: Path, drain_s: float = DRAIN_S) -> AsyncIterator[ReaderProcess]:
    client = connect(redis_at(redis_url))
    await publish(client, GENERATION, 1, VIEWS, time.time_ns() // 1_000_000)
    await client.aclose()
    with reader_process(redis_url, directory, drain_s) as reader:
        await asyncio.to_thread(reader.until_ready)
        yield reader


@contextlib.asynccontextmanager
async def clients(port: int, requests: list[bytes], *, reads: bool) -> AsyncIterator[None]:
    """Connections that have sent these, and read what comes, or nothing at all."""
    writers, tasks = [], []
    for request in requests:
        connection = socket.socket()
        connection.setblocking(False)
        if not reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        await asyncio.get_running_loop().sock_connect(connection, (HOST, port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
        if reads:
            tasks.append(asyncio.create_task(reader.read(1 << 24)))
        else:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # of sockets
        writer.write(request)
        writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_told(reader: ReaderProcess, words: str) -> None:
    """Not ready, for this reason."""

    async def told() -> bool:
        return words in " ".join((await asyncio.to_thread(reader.readyz))[1])

    await waiting.until_async(f"a reason with {words}", told, 20.0)


STREAM, LONG = http.head(f"{LIST}/stream"), http.head(f"{LIST}?limit=1000")
CLIENTS = {
    "open streams": ([STREAM] * 50, True),
    "streams that nobody reads": ([STREAM] * 50, False),
    "slow clients": ([LONG * 20] * 50, False),
    "requests that were read half": ([LONG[:-10]] * 50, True),
    "idle connections": ([b""] * 50, True),
    "all of them": ([STREAM, LONG * 20, LONG[:-10], b""] * 20, False),
}


@pytest.mark.parametrize("kind", CLIENTS)
async def test_whatever_clients_do(kind: str, redis_url: str, tmp_path: Path) -> None:
    """At first it goes on serving, and says that it is not ready; what is left then has the rest of the 10 s."""
    requests, reads = CLIENTS[kind]
    async with serving(redis_url, tmp_path) as reader, clients(reader.port, requests, reads=reads):
        ending = asyncio.create_task(end(reader.child, f"serve --drain-s 5, {kind}"))
        began_s = time.monotonic()
        await until_told(reader, "draining")
        assert time.monotonic() - began_s < DRAIN_S / 2
        assert reader.get(LIST).status == 200  # drained: a balancer that does not know yet is served
        took_s = await ending
        assert DRAIN_S <= took_s < MOST_S
        assert reader.child.returncode() == 0


async def test_while_redis_hangs(redis_server: RedisServer, redis_url: str, tmp_path: Path) -> None:
    """A refresh is under way whose reply never comes, and a request that reads Redis, too."""
    async with serving(redis_url, tmp_path) as reader:
        with hanging(redis_server):
            async with clients(reader.port, [http.head("/v1/demo/articles/0")] * 5, reads=True):
                assert await end(reader.child, "serve --drain-s 5, Redis hangs") < MOST_S
        assert reader.child.returncode() == 0


async def test_while_it_waits_for_redis(tmp_path: Path) -> None:
    """It has nothing to drain, and drains all the same: a balancer may have it in its list."""
    with reader_process(f"redis://{HOST}:{free_port()}/0", tmp_path, 1.0) as reader:
        await until_told(reader, "Redis")
        assert await end(reader.child, "serve --drain-s 1, waiting for Redis") < MOST_S
        assert reader.child.returncode() == 0


async def test_a_second_signal_ends_it_at_once(redis_url: str, tmp_path: Path) -> None:
    """In the middle of draining."""
    async with serving(redis_url, tmp_path) as reader, clients(reader.port, [STREAM] * 10, reads=True):
        reader.child.process.terminate()
        await until_told(reader, "draining")
        assert await end(reader.child, "serve, second signal") < DRAIN_S / 2
