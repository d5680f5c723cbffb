"""Connections to the public port: many requests on one, heads without end, clients that trickle."""

import asyncio
import os
import re
import signal
import socket
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.serve.api import streams
from ranker.serve.http.reader_port import MAX_WAITING
from ranker.service import http_protocol, http_server
from tests.support.http import raw
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, until
from tests.support.reader_process import reader_process
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish
from tests.support.sse_client import listening


async def test_heads_without_end(reader: Reader) -> None:
    """A request head beyond 16 KiB is refused, and other clients do not notice."""
    endless = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"y" * 100) for i in range(160))
    answer = await raw(reader.port, endless)
    assert answer.status == 431
    assert (await reader.get(LIST)).status == 200


async def test_one_connection_many_requests(reader: Reader) -> None:
    """Kept alive and pipelined, from memory and not, with bodies nobody wanted: every answer, in order, the same bytes."""
    whole = await reader.get(LIST)
    tag = whole.headers["etag"].encode()
    plain = f"GET {LIST} HTTP/1.1\r\nHost: t\r\n".encode()
    requests = [
        (plain, 200),
        (plain + b"If-None-Match: " + tag + b"\r\n", 304),
        (b"GET /nothing HTTP/1.1\r\nHost: t\r\n", 404),
        (plain, 200),
        (plain + b"Content-Length: 0\r\n", 200),
        (f"HEAD {LIST} HTTP/1.1\r\nHost: t\r\n".encode(), 200),
        (plain, 200),
        (plain + b"Connection: close\r\n", 200),
    ]
    for pipelined in (True, False):
        stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
        bodies = []
        if pipelined:
            writer.write(b"".join(request + b"\r\n" for request, _ in requests))
        async with asyncio.timeout(20):
            for request, status in requests:
                if not pipelined:
                    writer.write(request + b"\r\n")
                head = (await stream.readuntil(b"\r\n\r\n")).lower()
                assert int(head.split()[1]) == status
                assert head.count(b"\r\ndate: ") == 1
                length = re.search(rb"content-length: (\d+)", head)
                if length and not request.startswith(b"HEAD"):
                    bodies.append(await stream.readexactly(int(length[1])))
                if status == 200:
                    assert re.search(rb"etag: (\S+)", head)[1] == tag  # type: ignore[index]
                    assert b"content-type: application/json" in head
            assert await stream.read() == b""
        assert [body for body in bodies if b"There is nothing" not in body] == [whole.body] * 5
        writer.close()
        await writer.wait_closed()


async def test_a_trickling_client_is_cut_off(quick_looks: None, reader: Reader) -> None:
    """Who does not finish a head loses the connection; who only pauses between requests keeps it."""
    stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
    patient, other = await asyncio.open_connection("127.0.0.1", reader.port)
    other.write(f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    await patient.readuntil(b"}")
    writer.write(b"GET / HTTP/1.1\r\nHost: t\r\n")
    async with asyncio.timeout(2 * http_protocol.PATIENCE_S + 5):
        assert (await stream.read()).startswith(b"HTTP/1.1 408 ")
    other.write(f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    async with asyncio.timeout(5):
        await patient.readuntil(b"HTTP/1.1 200 OK")
    for connection in (writer, other):
        connection.close()
        await connection.wait_closed()


async def test_the_process_does_not_wait_for_streams(redis_url: str) -> None:
    """On SIGTERM `ranker serve` ends its streams and itself; it does not sit out the time that answers are given."""
    client = connect(redis_at(redis_url))
    await publish(client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)
    await client.aclose()
    serve = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("ranker"),
        *("serve", "--port", "0", "--admin-port", "0", "--drain-s", "0"),
        env={**os.environ, "RANKER_REDIS_URL": redis_url},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert serve.stderr is not None
        async with asyncio.timeout(20):
            while not (found := re.search(rb"http://127.0.0.1:(\d+)/", await serve.stderr.readline())):
                assert not serve.stderr.at_eof()
        process: Any = type("Process", (), {"port": int(found[1])})
        async with listening(process) as events:
            await events.next()
            serve.send_signal(signal.SIGTERM)
            async with asyncio.timeout(http_server.STOP_S - 1):
                assert await serve.wait() == 0
    finally:
        if serve.returncode is None:
            serve.kill()
            await serve.wait()


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set before the server begins to look."""
    monkeypatch.setattr(http_protocol, "PATIENCE_S", 0.2)


async def test_more_requests_than_a_connection_may_hold_end_it(reader: Reader) -> None:
    """Who sends on and on costs no memory: the first and the 16 that wait are answered, and the last answer says so."""
    await reader.ranking()
    # first times, so that each takes its way through the framework and waits for the one before it
    requests = [f"GET {LIST}?limit={1 + number} HTTP/1.1\r\nHost: test\r\n\r\n" for number in range(900)]
    stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
    writer.write("".join(requests).encode())
    async with asyncio.timeout(20):
        answers = (await stream.read()).lower().split(b"http/1.1 200 ok")[1:]
    assert len(answers) == 1 + MAX_WAITING
    assert [b"connection: close" in answer for answer in answers] == [False] * MAX_WAITING + [True]
    writer.close()
    await reader.ranking()


async def test_a_client_that_takes_nothing_is_cut_off(quick_looks: None, reader: Reader) -> None:
    """Its answer lies in the server's memory: after two looks at which nothing of it was taken, it goes."""
    wide = [("demo", f"/{number:0400}", "view", number + 1) for number in range(1_000)]
    await publish(reader.client, GENERATION, PARTITIONS, wide, T)

    async def long() -> bool:
        return len((await reader.ranking(f"{LIST}?limit=1000"))["items"]) == 1_000

    await until(long, "long list")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    connection.connect(("127.0.0.1", reader.port))
    connection.sendall(f"GET {LIST}?limit=1000 HTTP/1.1\r\nHost: test\r\n\r\n".encode() * 8)
    connection.setblocking(False)

    async def cut_off() -> bool:
        try:
            connection.send(b"\r\n")
        except BlockingIOError:
            return False
        except OSError:
            return True
        return False

    await until(cut_off, "end of the connection")
    connection.close()
    await reader.ranking()


async def test_a_body_ends_its_connection(reader: Reader) -> None:
    """Nothing here takes one: the request is answered, and nobody waits for the rest."""
    answer = await raw(reader.port, f"GET {LIST} HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nx".encode())
    assert (answer.status, answer.headers["connection"]) == (200, "close")


async def send_all(connection: socket.socket, sent: bytes, reader: Reader) -> None:
    """Until the server has taken it, has ended the connection, or takes nothing while it answers five others."""
    left, others = memoryview(sent), 0
    while left and others < 5:
        try:
            left, others = left[connection.send(left) :], 0
        except BlockingIOError:
            assert (await reader.get(LIST)).status == 200
            others += 1
        except ConnectionError:
            return


CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"
BEHIND = {
    "trailers": (CHUNKED + "1\r\nx\r\n0\r\n", "x: y\r\n"),
    "a trailer": (CHUNKED + "0\r\nx: ", "y"),
    "a chunk's extension": (CHUNKED + "1;", "y"),
    "a chunk": (CHUNKED + "fffffff\r\n", "y"),
    "a body": ("Content-Length: 1000000000\r\n\r\n", "y"),
    "an upgraded connection": ("Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", "y"),
    "a closed connection": ("Connection: close\r\n\r\nGET / HTTP/1.1\r\nx: ", "y"),
    "requests": ("\r\n", f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n"),
    "empty lines": ("\r\n", "\r\n"),
    "a head": ("\r\nGET / HTTP/1.1\r\nx: ", "y"),
}


@pytest.mark.parametrize("route", ["/stream", ""])
async def test_what_comes_behind_a_request_is_bounded(reader: Reader, route: str) -> None:
    """Endless trailers, or anything else, while the answer goes on: nothing of it is kept, and others are served."""
    await reader.ranking()
    for what, (first, endless) in BEHIND.items():
        sent = (endless * (20_000_000 // len(endless))).encode()
        with socket.create_connection(("127.0.0.1", reader.port)) as connection:
            connection.setblocking(False)
            connection.send(f"GET {LIST}{route} HTTP/1.1\r\nHost: t\r\n{first}".encode())
            assert (await reader.get(LIST)).status == 200  # the request is read
            tracemalloc.start()
            await send_all(connection, sent, reader)
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert most < 4_000_000, what


async def test_a_head_in_one_piece_is_bounded_too(reader: Reader) -> None:
    """However it arrives."""
    head = f"GET {LIST} HTTP/1.1\r\nHost: test\r\nX-Long: {'x' * 20_000}\r\n\r\n"
    assert (await raw(reader.port, head.encode())).status == 431


MALFORMED = (
    b"hello\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: t\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
)


async def test_no_request_is_worth_a_line(redis_url: str, tmp_path: Path) -> None:
    """Whatever is sent to either port: a stranger cannot fill the log."""
    with reader_process(redis_url, tmp_path) as running:
        client = connect(redis_at(redis_url))
        await publish(client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)
        await client.aclose()
        await asyncio.to_thread(running.until_ready)
        before = running.log.read_text()
        for port in (running.port, running.admin_port):
            for sent in MALFORMED:
                incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
                outgoing.write(sent)
                async with asyncio.timeout(10):
                    assert b"HTTP/1.1 " in await incoming.read(4_096), sent
                outgoing.close()
        assert running.get(LIST).status == 200
        assert running.log.read_text() == before


async def test_a_stream_behind_an_answer_outlives_it(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that an idle connection is kept does not run while a stream is open."""
    await reader.ranking()
    monkeypatch.setattr(streams, "BEAT_S", 0.05)
    both = f"GET {LIST} HTTP/1.1\r\nHost: test\r\n\r\nGET {LIST}/stream HTTP/1.1\r\nHost: test\r\n\r\n"
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", reader.port)
    outgoing.write(both.encode())
    async with asyncio.timeout(10):
        while b"event: beat" not in await incoming.readline():
            pass

    async def idle() -> list[Any]:
        loop: Any = asyncio.get_running_loop()
        return [one for one in loop._scheduled if "timeout_keep_alive" in repr(one) and not one.cancelled()]

    assert await idle() == []
    outgoing.close()


@pytest.mark.parametrize("head", ["", "Host: t\r\nHost: u\r\n", "Host: t\r\nAuthorization: a\r\nAuthorization: b\r\n"])
async def test_a_head_in_doubt_is_refused(reader: Reader, head: str) -> None:
    """A proxy may have read the other one."""
    answer = await raw(reader.port, f"GET {LIST} HTTP/1.1\r\n{head}\r\n".encode())
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_a_refusal_does_not_cut_into_an_answer(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head without end behind a stream: the stream goes on, and nothing else is in it."""
    await reader.ranking()
    monkeypatch.setattr(streams, "BEAT_S", 0.05)
    incoming, outgoing = await asyncio.open_connection("127.0.0.1", reader.port)
    outgoing.write(f"GET {LIST}/stream HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    await incoming.readuntil(b"event: beat")
    outgoing.write(f"GET {LIST} HTTP/1.1\r\nx: {'y' * 20_000}".encode())
    async with asyncio.timeout(10):
        for _ in range(3):
            assert b"HTTP/1.1" not in await incoming.readuntil(b"event: beat")
    outgoing.close()
