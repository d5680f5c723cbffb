"""Readers as processes: one that starts before Redis, several beside each other, and how one of them ends."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.ports import HOST, is_listening
from deploy.local.redis import RedisServer
from ranker.connect.redis import connect
from tests.support.reader import GENERATION, LIST
from tests.support.reader_process import reader_process
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish

VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(300)]
PARTITIONS = 4


async def fill(url: str) -> None:
    async with connect(redis_at(url)) as client:
        await publish(client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)


async def test_a_reader_that_starts_while_redis_is_away(redis_server: RedisServer, tmp_path: Path) -> None:
    """It stays, is alive, says what it waits for, refuses lists in words, and serves by itself once Redis is there."""
    redis_server.flush()
    await fill(redis_server.url)
    redis_server.stop()
    with reader_process(redis_server.url, tmp_path) as reader:
        waiting.until("A reason", lambda: "Redis" in " ".join(reader.readyz()[1]), 20.0)
        status, (reason,) = reader.readyz()
        alive = reader.admin("/healthz")
        assert status == 503
        assert alive is not None
        assert alive.status == 200
        refused = reader.get(LIST)
        assert (refused.status, refused.headers["content-type"]) == (503, "application/problem+json")
        assert reason in refused.json["detail"]
        assert refused.headers["retry-after"] == "1"
        redis_server.start()
        reader.until_ready()
        assert len(reader.get(LIST).json["items"]) == 10


def test_the_admin_port_stays_where_it_is_when_the_public_one_opens(redis_url: str, tmp_path: Path) -> None:
    """--host 0.0.0.0 opens the public port on every address, the admin port on loopback's first one only."""
    with reader_process(redis_url, tmp_path, host="0.0.0.0") as reader:
        waiting.until("Readiness to be asked", lambda: reader.readyz()[0], 20.0)
        waiting.until("The public port", lambda: is_listening(reader.port, "127.0.0.2"), 20.0)
        assert not is_listening(reader.admin_port, "127.0.0.2")


async def test_several_readers_show_the_same(redis_url: str, tmp_path: Path) -> None:
    """Of the same state in Redis every reader makes the same bytes under the same tag: a cache may ask any of them."""
    await fill(redis_url)
    with ExitStack() as stack:
        readers = [stack.enter_context(reader_process(redis_url, tmp_path)) for _ in range(3)]
        for reader in readers:
            reader.until_ready()
        for target in (LIST, f"{LIST}?limit=50&offset=10", f"{LIST}?exclude=/299&min_count=5", f"{LIST}/feed.rss"):
            for encoding in ("identity", "gzip"):
                answers = [reader.get(target, Accept_Encoding=encoding) for reader in readers]
                assert [answer.status for answer in answers] == [200] * 3
                assert len({(answer.headers["etag"], answer.body) for answer in answers}) == 1
                tag = answers[0].headers["etag"]
                known = [reader.get(target, Accept_Encoding=encoding, If_None_Match=tag) for reader in readers]
                assert [answer.status for answer in known] == [304] * 3
        assert len({reader.child.pid for reader in readers}) == 3


async def test_a_reader_drains_before_it_ends(redis_url: str, tmp_path: Path) -> None:
    """SIGTERM: not ready at once, serves on, each answer the last of its connection, streams ended, code 0."""
    await fill(redis_url)
    with reader_process(redis_url, tmp_path, drain_s=2.0) as reader:
        reader.until_ready()
        reader.get(LIST)
        kept = http.client.HTTPConnection(HOST, reader.port, timeout=10)
        kept.request("GET", LIST)
        first = kept.getresponse()
        assert (first.status, len(first.read()) > 0, first.getheader("connection")) == (200, True, None)
        with closing(kept), socket.create_connection((HOST, reader.port), timeout=10) as stream:
            stream.sendall(f"GET {LIST}/stream HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            received = b""
            while b"event: list" not in received:
                received += stream.recv(65_536)
            asked = time.monotonic()
            reader.child.process.send_signal(signal.SIGTERM)
            waiting.until("A reader that is not ready", lambda: reader.readyz()[0] == 503, 2.0)
            assert reader.readyz()[1] == ["draining: asked to end, and serving a little longer"]
            kept.request("GET", LIST)
            last = kept.getresponse()
            assert (last.status, len(last.read()) > 0, last.getheader("connection")) == (200, True, "close")
            known = reader.get(LIST, If_None_Match=str(last.getheader("etag")))
            assert known.status in {200, 304}  # as it was refreshed in between or not
            assert known.headers["connection"] == "close"
            while received:  # until its end, which is an orderly one
                whole, received = received, stream.recv(65_536)
            assert time.monotonic() - asked >= 1.9
            assert whole.endswith(b"0\r\n\r\n")
        assert reader.until_ended(5.0) == 0
        assert "Traceback" not in reader.log.read_text()
        assert not is_listening(reader.port)


@pytest.mark.parametrize(
    ("before", "number", "code"), [([], signal.SIGINT, 0), ([signal.SIGTERM], signal.SIGTERM, -15)]
)
async def test_a_reader_that_is_not_to_drain(
    redis_url: str, tmp_path: Path, before: list[signal.Signals], number: signal.Signals, code: int
) -> None:
    """Ctrl-C does not drain; a second signal ends it whatever it was doing."""
    await fill(redis_url)
    with reader_process(redis_url, tmp_path, drain_s=60) as reader:
        reader.until_ready()
        for first in before:
            reader.child.process.send_signal(first)
            waiting.until("A reader that drains", lambda: "draining" in " ".join(reader.readyz()[1]), 5.0)
        reader.child.process.send_signal(number)
        assert reader.until_ended(3.0) == code
        assert "Traceback" not in reader.log.read_text()
