from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from ranker import admin


async def get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_the_three_paths() -> None:
    """healthz, readyz and metrics answer; anything else is told what there is."""
    registry = CollectorRegistry()
    Gauge("ranker_test_value", "A value.", registry=registry).set(3)
    async with admin.serving("127.0.0.1", 0, registry, list) as port:
        assert await get(port, "/healthz") == (200, '{"status":"ok"}')
        assert await get(port, "/readyz") == (200, '{"ready":true,"reasons":[]}')
        status, body = await get(port, "/metrics")
        assert (status, "ranker_test_value 3.0" in body) == (200, True)
        assert (await get(port, "/else"))[0] == 404


async def test_readiness_is_asked_at_every_request() -> None:
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
        with pytest.raises(admin.PortTakenError, match=f"admin port 127.0.0.1:{port} .*--admin-port"):
            async with admin.serving("127.0.0.1", port, CollectorRegistry(), list):
                pass


async def test_a_broken_readiness_check_does_not_stop_the_work() -> None:
    """An exception in the admin port is an answer 500 and a log line; the port and the work go on."""

    def broken() -> Any:
        raise RuntimeError("broken")

    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), broken) as port:
        assert (await get(port, "/readyz"))[0] == 500
        assert (await get(port, "/healthz"))[0] == 200


async def test_the_port_is_free_again_afterwards() -> None:
    """A process that starts again on the same port finds it free."""
    async with admin.serving("127.0.0.1", 0, CollectorRegistry(), list) as port:
        await get(port, "/healthz")
    async with admin.serving("127.0.0.1", port, CollectorRegistry(), list) as again:
        assert again == port
