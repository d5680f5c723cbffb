"""Clients that would take all of a collector, or slip a second request past it: each is cut off, and others are served."""

import asyncio
import contextlib
import itertools
import json
import re
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import waiting
from deploy.local.ports import HOST
from producers.collector.http import answers as answers_of
from ranker.service import http_protocol, http_server
from ranker.service.connections import MAX_PER_CLIENT
from ranker.service.public_port import PublicPort
from tests.support.collector_process import KEY, ORIGIN, SITES, Collector, collector, new_topic, records

ELSEWHERE = "127.0.0.2"
"""Another client than 127.0.0.1."""
PROXY = "127.0.0.3"
HEAD = f"POST /v1/events HTTP/1.1\r\nHost: t\r\nOrigin: {ORIGIN}\r\nContent-Type: text/plain\r\n"
VIEW = '{"article_id":"/a"}'
WHOLE = f"{HEAD}Content-Length: {len(VIEW)}\r\n\r\n{VIEW}"
SECOND = WHOLE.replace("/a", "/s")
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def topic(kafka_embedded: str) -> str:
    return asyncio.run(new_topic(kafka_embedded, "collect.connections"))


@pytest.fixture(scope="module")
def running(kafka_embedded: str, topic: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    generous = SITES + "[collect]\nclient_events_s = 100000\nclient_burst = 100000\n" + f'proxies = ["{PROXY}"]\n'
    with collector(kafka_embedded, topic, tmp_path_factory.mktemp("collector"), generous) as one:
        yield one


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.asynccontextmanager
async def connections(running: Collector, count: int, source: str = HOST) -> AsyncIterator[list[Stream]]:
    opened = [await asyncio.open_connection(running.host, running.port, local_addr=(source, 0)) for _ in range(count)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


async def answers(running: Collector, sent: str | bytes, source: str = HOST) -> bytes:
    """All that is answered on a connection of its own until the collector ends it."""
    async with connections(running, 1, source) as [(reader, writer)]:
        writer.write(sent.encode() if isinstance(sent, str) else sent)
        async with asyncio.timeout(20):
            return await reader.read()


async def one_view(running: Collector, source: str = ELSEWHERE) -> float:
    """How long a view takes, in seconds."""
    begun = time.perf_counter()
    answer = await answers(running, WHOLE.replace("Host: t\r\n", "Host: t\r\nConnection: close\r\n"), source)
    assert answer.startswith(b"HTTP/1.1 202 "), answer
    return time.perf_counter() - begun


async def test_500_slow_senders(running: Collector) -> None:
    """
    s 0…9  half a head or half a body, then a byte now and then; others are served, 99 of 100 within a second
    s 10   the deadline of each, whatever it sends: 408, and the connection is gone
    """
    await one_view(running)
    async with connections(running, 500) as slow:
        begun = time.perf_counter()
        for number, (_, writer) in enumerate(slow):
            writer.write((HEAD + ("Content-Length: 1000\r\n\r\n" if number % 2 else "X-Slow: ")).encode())
        took: list[float] = []
        while time.perf_counter() - begun < http_protocol.PATIENCE_S - 1:
            took.append(await one_view(running))
            for _, writer in slow[len(took) :: 500]:
                writer.write(b"x")
        assert len(took) > 20
        assert sorted(took)[len(took) * 99 // 100] < 1
        async with asyncio.timeout(http_protocol.PATIENCE_S):
            replies = await asyncio.gather(*(reader.read() for reader, _ in slow))
        assert http_protocol.PATIENCE_S - 1 < time.perf_counter() - begun < http_protocol.PATIENCE_S + 8
    counted = running.metric("refused_requests_total", reason="slow")
    assert {reply.split(b"\r\n")[0] for reply in replies} == {b"HTTP/1.1 408 Request Timeout"}
    assert counted == 500


async def test_one_client_has_so_many_connections(running: Collector, many_files: None) -> None:
    """1,000; the next are answered with when to come again, another client is served, and closing makes room."""
    async with connections(running, MAX_PER_CLIENT):
        answer = await answers(running, b"")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 10\r\n" in answer
        await one_view(running)
    await asyncio.to_thread(waiting.until, "Room", lambda: running.metric("connections") == 0)
    await one_view(running, HOST)


async def test_a_proxy_brings_the_connections_of_many(running: Collector, many_files: None) -> None:
    """The limit of one client is none of its own."""
    async with connections(running, MAX_PER_CLIENT, PROXY):
        await one_view(running, PROXY)
    await asyncio.to_thread(waiting.until, "Room", lambda: running.metric("connections") == 0)


@pytest.mark.parametrize("line", [b"x: y\r\n", b"x" * 1_000, b"x-long: " + b"y" * 1_000, b"x: " + b"y" * 900 + b"\r\n"])
async def test_header_floods(running: Collector, line: bytes) -> None:
    """Heads without end, in lines or without one, from many at once: 431 each, and the memory stays what it was."""
    before_kb = memory_kb(running)
    flood = HEAD.encode() + line * (200_000 // len(line))
    replies = await asyncio.gather(*(answers(running, flood) for _ in range(50)))
    assert {reply.split(b"\r\n")[0] for reply in replies} == {b"HTTP/1.1 431 Request Header Fields Too Large"}
    assert memory_kb(running) - before_kb < 50_000
    await one_view(running)


def memory_kb(running: Collector) -> int:
    status = Path(f"/proc/{running.child.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


CHUNK = f"{len(VIEW):x}\r\n{VIEW}\r\n0\r\n\r\n"
CL, TE = f"Content-Length: {len(VIEW)}\r\n", "Transfer-Encoding: chunked\r\n"
SMUGGLING = {
    "length and chunked": f"{HEAD}Content-Length: 4\r\n{TE}\r\n{CHUNK}",
    "chunked and length": f"{HEAD}{TE}Content-Length: 4\r\n\r\n{CHUNK}",
    "two lengths": f"{HEAD}{CL}Content-Length: 0\r\n\r\n{VIEW}",
    "the same length twice": f"{HEAD}{CL}{CL}\r\n{VIEW}",
    "lengths in one line": f"{HEAD}Content-Length: 0, {len(VIEW)}\r\n\r\n{VIEW}",
    "length with a sign": f"{HEAD}Content-Length: +{len(VIEW)}\r\n\r\n{VIEW}",
    "length with a space before the colon": f"{HEAD}Content-Length : {len(VIEW)}\r\n\r\n{VIEW}",
    "length on a folded line": f"{HEAD}Content-Length:\r\n {len(VIEW)}\r\n\r\n{VIEW}",
    "unknown coding": f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n{CHUNK}",
    "two codings": f"{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n{CHUNK}",
    "chunked twice": f"{HEAD}{TE}{TE}\r\n{CHUNK}",
    "chunked not last": f"{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n{CHUNK}",
    "chunked with a tab": f"{HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n{CHUNK}",
    "chunked with a space before the colon": f"{HEAD}Transfer-Encoding : chunked\r\n\r\n{CHUNK}",
    "chunk ended by a bare LF": f"{HEAD}{TE}\r\n{len(VIEW):x}\n{VIEW}\r\n0\r\n\r\n",
    "chunk of a length that is none": f"{HEAD}{TE}\r\n0x{len(VIEW):x}\r\n{VIEW}\r\n0\r\n\r\n",
    "chunk with something behind it": f"{HEAD}{TE}\r\n{len(VIEW):x}\r\n{VIEW}XX0\r\n\r\n",
    "lines ended by bare LF": f"{HEAD}{CL}\r\n{VIEW}".replace("\r\n", "\n"),
    "lines ended by bare CR": f"{HEAD}{CL}\r\n{VIEW}".replace("\r\n", "\r"),
    "two hosts": f"{HEAD}Host: views.demo.example\r\n{CL}\r\n{VIEW}",
    "two hosts in HTTP/1.0": f"{HEAD}Host: views.demo.example\r\n{CL}\r\n{VIEW}".replace("HTTP/1.1", "HTTP/1.0"),
    "two origins": f"{HEAD}origin: https://evil.example\r\n{CL}\r\n{VIEW}",
    **{
        f"two of {name}": f"{HEAD}{name}: {value}\r\n{name}: {value}\r\n{CL}\r\n{VIEW}"
        for name, value in (
            ("Authorization", f"Bearer {KEY}"),
            ("Referer", ORIGIN),
            ("Sec-Fetch-Site", "same-site"),
            ("User-Agent", "x"),
            ("Sec-GPC", "1"),
        )
    },
    "two types": f"{HEAD}content-type: application/json\r\n{CL}\r\n{VIEW}",
    "a tunnel": f"CONNECT t:80 HTTP/1.1\r\nHost: t\r\n{CL}\r\n{VIEW}",
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no host": f"{HEAD}{CL}\r\n{VIEW}".replace("Host: t\r\n", ""),
    "a NUL in a header": f"{HEAD}X: a\x00b\r\n{CL}\r\n{VIEW}",
}


async def test_smuggled_requests(kafka_embedded: str, tmp_path: Path) -> None:
    """
    A proxy before us may have seen another end of the first request than we do. So one whose end is not beyond
    doubt is refused, the connection ends, and nothing behind it is a request: one answer, and not one event.
    """
    topic = await new_topic(kafka_embedded, "collect.smuggling")
    with collector(kafka_embedded, topic, tmp_path) as running:
        for name, sent in SMUGGLING.items():
            answer = await answers(running, sent + SECOND)
            assert (len(re.findall(rb"HTTP/1.1 \d", answer)), answer[:13]) == (1, b"HTTP/1.1 400 "), (name, answer)
        await one_view(running)
        (record,) = await records(kafka_embedded, topic, 1)
        assert record.event["article_id"] == "/a"


async def test_trailers_are_no_headers(running: Collector) -> None:
    """What comes behind a chunked body says neither who asks nor for whom: no proxy has looked at it. Nor is it endless."""
    head = HEAD.replace(f"Origin: {ORIGIN}\r\n", "Connection: close\r\n") + TE + "\r\n" + CHUNK.removesuffix("\r\n")
    assert (await answers(running, f"{head}Origin: {ORIGIN}\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
    assert (await answers(running, f"{head}Authorization: Bearer {KEY}\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
    assert (await answers(running, head + "x: y\r\n" * 10_000)).startswith(b"HTTP/1.1 431 ")
    chunks = head.removesuffix("0\r\n")
    for endless in ("0\r\nx: " + "y" * 5_000_000, "1;" + "y" * 5_000_000):
        assert (await answers(running, chunks + endless)).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "first",
    [
        WHOLE,
        WHOLE.replace("Host: t", "Host: t\r\nConnection: close"),
        WHOLE.replace("HTTP/1.1", "HTTP/1.0"),
        f"{HEAD}Connection: upgrade\r\nUpgrade: h2c\r\n{CL}\r\n{VIEW}",
        f"{HEAD}{TE}\r\n{CHUNK}",
    ],
)
async def test_one_request_at_a_time(kafka_embedded: str, tmp_path: Path, first: str) -> None:
    """A second one sent before the first is answered is not read: one answer, which ends the connection, and one event."""
    topic = await new_topic(kafka_embedded, "collect.pipelined")
    with collector(kafka_embedded, topic, tmp_path) as running:
        answer = await answers(running, first + SECOND)
        assert (len(re.findall(rb"HTTP/1.1 \d", answer)), answer[:13]) == (1, b"HTTP/1.1 202 "), answer
        assert b"connection: close" in answer
        (record,) = await records(kafka_embedded, topic, 1)
        assert record.event["article_id"] == "/a"


async def test_empty_lines_hold_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between requests they are skipped, and the connection idles out all the same."""
    monkeypatch.setattr(http_server, "KEEP_ALIVE_S", 1)

    async def app(_: object, receive: Any, send: Any) -> None:
        await receive()
        await answers_of.send_answer(answers_of.json(200, {}), send)

    async with http_server.serving(app, HOST, 0, PublicPort()) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        for _ in range(2):  # the second request, after such lines, is one
            writer.write(b"\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n{}")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"\r\n")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_a_body_is_read_to_the_limit(running: Collector) -> None:
    """What says that it is longer is refused at its head; what goes on without saying so, at 64 KiB. Both can read why."""
    long = b'{"article_id":"/a"}' + b" " * 1_000_000
    for sent in (
        HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(long) + long,
        HEAD.encode() + b"Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n",
        HEAD.encode() + b"Content-Length: 99999999999999999999\r\n\r\n",
        HEAD.encode() + TE.encode() + b"\r\n" + b"".join(b"1000\r\n" + long[:4096] + b"\r\n" for _ in range(100)),
        HEAD.encode() + TE.encode() + b"\r\n" + b"1\r\n \r\n" * 65_537,
    ):
        answer = await answers(running, sent)
        assert answer[:13] in (b"HTTP/1.1 413 ", b"HTTP/1.1 400 "), answer
        assert b"100 Continue" not in answer
        assert b"connection: close" in answer
    exact = b'{"article_id":"/a"}'.ljust(65_536)
    sent = HEAD.encode() + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 65536\r\n\r\n" + exact
    assert (await answers(running, sent)).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")


def test_a_client_that_takes_no_answer(running: Collector) -> None:
    """It asks and asks and reads nothing: when 64 KiB wait for it here, beside what the kernel holds, it is cut off."""
    body = json.dumps([{"article_id": "/a"}, *[0] * 499])
    request = f"{HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    before = running.metric("requests_total", route="/v1/events", status="207")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.connect((running.host, running.port))
        for number in itertools.count(1):
            connection.sendall(request)

            def answered_or_gone(number: int = number) -> float:
                gone = running.metric("connections") == 0
                return (
                    -1
                    if gone
                    else running.metric("requests_total", route="/v1/events", status="207") - before - number + 1
                )

            if waiting.until("An answer", answered_or_gone) < 0:
                break
        assert 2 < number < 500
    assert running.ask("GET", "/").status == 200
