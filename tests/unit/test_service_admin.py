from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from deploy.local import waiting
from ranker.service import admin
from ranker.service.listener import PortTakenError


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: test\r\nAccept: text/plain\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_the_three_paths() -> None:
    """healthz, readyz and metrics answer; for anything else the answer names what there is."""
    registry = CollectorRegistry()
    Gauge("ranker_test_value", "A value.", registry=registry).set(3)
    async with admin.serving("127.0.0.1", 0, registry, list) as port:
        assert await get(port, "/healthz") == (200, '{"status":"ok"}')
        assert await get(port, "/readyz") == (200, '{"ready":true,"reasons":[]}')
        status, body = await get(port, "/metrics")
        assert (status, "ranker_test_value 3.0" in body) == (200, True)
        assert (await get(port, "/metrics?from=here"))[0] == 200
        assert await get(port, "/healthz", "HEAD") == (200, "")
        assert (await get(port, "/healthz", "DELETE"))[0] == 405
        assert (await get(port, "/else"))[0] == 404


async def test_readiness_is_checked_at_every_request() -> None:
    """The reasons are those of now, as sentences, with status 503."""
    reasons: list[str] = []
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), lambda: reasons) as port:
        assert (await get(port, "/readyz"))[0] == 200
        reasons.append("Redis is away")
        assert await get(port, "/readyz") == (503, '{"ready":false,"reasons":["Redis is away"]}')


async def test_a_taken_port_is_a_sentence_with_the_fix() -> None:
    """It is found before the work begins."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port 127.0.0.1:{port} .*--admin-port"):
            async with admin.serving("127.0.0.1", port, CollectorRegistry(), list):
                pass


async def test_a_broken_readiness_check_does_not_stop_the_work() -> None:
    """An exception in the admin port is an answer 500 and a log line; the port and the work go on."""

    def broken() -> Any:
        raise RuntimeError("broken")

    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), broken) as port:
        assert (await get(port, "/readyz"))[0] == 500
        assert (await get(port, "/healthz"))[0] == 200


@pytest.mark.parametrize("accept", [b"\xff", b"application/openmetrics-text; version=x"])
async def test_an_odd_accept_is_no_fault(accept: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The metrics come as plain text, and nothing about it stands in the log."""
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), list) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: test\r\nAccept: " + accept + b"\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain;")
    assert caplog.text == ""


async def test_the_port_is_free_again_afterwards() -> None:
    """A process that starts again on the same port finds it free."""
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), list) as port:
        await get(port, "/healthz")
    async with admin.serving("127.0.0.1", port, CollectorRegistry(), list) as again:
        assert again == port


async def test_heads_that_are_only_begun_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    500 heads begun │ the oldest are ended, one for each beyond the bound │ a scrape is answered │ all are ended in time
    """
    monkeypatch.setattr(admin, "CONNECTION_S", 5.0)
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), list) as port:
        before = len(asyncio.all_tasks())
        begun = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(500)))
        for _, writer in begun:
            writer.write(b"GET /metrics HTTP/1.1\r\nX-Slow: ")

        async def bounded() -> bool:
            return len(asyncio.all_tasks()) <= before + admin.MAX_CONNECTIONS

        await waiting.until_async("The end of the oldest", bounded, 4.0)
        assert (await get(port, "/healthz"))[0] == 200
        async with asyncio.timeout(10):
            for reader, writer in begun:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()


async def test_a_head_without_end_is_cut_off() -> None:
    """Beyond 16 KiB the connection ends, and others do not notice."""
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), list) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET /metrics HTTP/1.1\r\n" + b"X-Long: " + b"y" * 3 * admin.MAX_HEAD_BYTES)
            async with asyncio.timeout(admin.CONNECTION_S / 2):
                assert (await reader.read()).partition(b"\r\n")[0] in (
                    b"",
                    b"HTTP/1.1 431 Request Header Fields Too Large",
                )
        writer.close()
        assert (await get(port, "/healthz"))[0] == 200


async def test_an_answer_that_nobody_takes_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client has as long as a slow head; then its memory is free."""
    monkeypatch.setattr(admin, "CONNECTION_S", 2.0)
    registry = CollectorRegistry()
    Gauge("ranker_test_value", "A value. " * 1_000_000, registry=registry)
    async with admin.serving("127.0.0.1", 0, registry, list) as port:
        before = len(asyncio.all_tasks())
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            connection.connect(("127.0.0.1", port))
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            for what, count in (("The answer's beginning", before + 1), ("The end of the connection", before)):

                async def reached(count: int = count) -> bool:
                    return len(asyncio.all_tasks()) == count

                await waiting.until_async(what, reached, 10.0)
