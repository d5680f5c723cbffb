"""What a connection to a public port does to an answer under way, with an application made for it."""

import asyncio
from typing import Any

import pytest

from ranker.service import http_server
from ranker.service.public_port import PublicPort

GET = "GET /{} HTTP/1.1\r\nHost: test\r\n{}\r\n"


class App:
    """`/slow` answers when it is released; `/stream` sends a part whenever it is, and ends after the third."""

    def __init__(self) -> None:
        self.slow, self.part = asyncio.Event(), asyncio.Semaphore(0)

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/slow":
            await self.slow.wait()
        else:
            for number in range(3):
                await self.part.acquire()
                await send({"type": "http.response.body", "body": b"part %d\n" % number, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})


async def test_nothing_else_is_in_an_answer_under_way() -> None:
    """A request behind a stream that expects 100 Continue and has no body: it waits for its turn."""
    app = App()
    async with http_server.serving(app, "127.0.0.1", 0, PublicPort(waiting=16)) as port, asyncio.timeout(20):
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
        outgoing.write(GET.format("stream", "").encode())
        app.part.release()
        await incoming.readuntil(b"part 0\n")
        app.slow.set()
        outgoing.write(GET.format("slow", "Expect: 100-continue\r\nConnection: close\r\n").encode())
        await outgoing.drain()
        app.part.release()
        app.part.release()
        rest = await incoming.read()
        outgoing.close()
    stream, _, answer = rest.partition(b"0\r\n\r\n")
    assert b"HTTP/1.1" not in stream
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_a_stream_outlives_the_idle_time_of_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head began while the answer before it was under way, whose end begins the connection's idle time."""
    monkeypatch.setattr(http_server, "KEEP_ALIVE_S", 1)
    app = App()
    async with http_server.serving(app, "127.0.0.1", 0, PublicPort(waiting=16)) as port, asyncio.timeout(20):
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
        head = GET.format("stream", "").encode()
        outgoing.write(GET.format("slow", "").encode() + head[:10])
        await incoming.readuntil(b"\r\n\r\n")
        app.slow.set()
        await incoming.readuntil(b"0\r\n\r\n")
        outgoing.write(head[10:])
        app.part.release()
        await incoming.readuntil(b"part 0\n")
        idle, other = await asyncio.open_connection("127.0.0.1", port)  # begins its idle time later than the stream's
        other.write(GET.format("slow", "").encode())
        assert (await idle.read()).endswith(b"0\r\n\r\n"), "ended for its idle time"
        other.close()
        app.part.release()
        app.part.release()
        await incoming.readuntil(b"end")
        outgoing.close()


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        ("HTTP/1.1\r\nHost: t\r\nConnection: upgrade, close", True),
        ("HTTP/1.0\r\nConnection: upgrade", True),
        ("HTTP/1.1\r\nHost: t\r\nConnection: upgrade", False),
    ],
)
async def test_an_upgrade_that_is_refused_changes_nothing_else(head: str, ends: bool) -> None:
    """The request is parsed again without it; the rest of its head holds: one answer, and the connection's end if due."""
    app = App()
    app.slow.set()
    async with http_server.serving(app, "127.0.0.1", 0, PublicPort()) as port, asyncio.timeout(20):
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
        outgoing.write(f"GET /slow {head}\r\nUpgrade: h2c\r\n\r\n".encode())
        answer = await (incoming.read() if ends else incoming.readuntil(b"end"))
        assert (answer[:13], b"connection: close" in answer) == (b"HTTP/1.1 200 ", ends)
        outgoing.close()
