"""The admin port of a process: /healthz, /readyz and /metrics, apart from anything public.

It shares the event loop of the work it reports on, so /healthz stops answering exactly when the loop hangs; but it can
neither stop that work (its failures are logged and end here) nor be stopped by load on the public port. One request a
connection, in bounded time and memory: idle connections do not keep a scrape out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from email.parser import BytesParser
from http import HTTPStatus
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ranker.service.listener import bind

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 16_384
CONNECTION_S = 10.0
"""From a connection's beginning until its response is read."""
MAX_CONNECTIONS = 100
"""A further one ends the oldest."""


Reasons = Callable[[], Sequence[str]]
"""Called at every request: why the process is not ready, as sentences; empty when it is."""


@contextlib.asynccontextmanager
async def serving(host: str, port: int, registry: CollectorRegistry, not_ready: Reasons) -> AsyncIterator[int]:
    """Serve the admin port while the block runs; yields the port bound (useful when `port` is 0: any free one).

    /healthz answers 200 `{"status": "ok"}` while the event loop turns. /readyz answers 200 or 503 with
    `{"ready": bool, "reasons": [str]}`. /metrics is the registry in the Prometheus text format.
    Raises PortTakenError before the block starts, and nothing after.
    """
    listener = bind(host, port, "--admin-port")
    connections: dict[asyncio.Task[None], None] = {}  # the oldest first

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        connections[task] = None
        if len(connections) > MAX_CONNECTIONS:
            oldest = next(iter(connections))
            del connections[oldest]
            oldest.cancel()
        try:
            async with asyncio.timeout(CONNECTION_S):
                writer.write(await _answer(reader, registry, not_ready))
                writer.close()  # once it is taken
                await writer.wait_closed()
        except (TimeoutError, EOFError, OSError):
            pass  # too slow, or gone
        finally:
            connections.pop(task, None)
            writer.transport.abort()

    server = await asyncio.start_server(connected, sock=listener, limit=MAX_HEAD_BYTES)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _answer(reader: asyncio.StreamReader, registry: CollectorRegistry, not_ready: Reasons) -> bytes:
    """The response to one request, its body unread. Raises EOFError if the client leaves within the head."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return _response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"")
    request, _, fields = head.partition(b"\r\n")
    method, _, target = request.rpartition(b" ")[0].partition(b" ")
    if method not in (b"GET", b"HEAD"):
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, b"")
    try:
        accept = BytesParser().parsebytes(fields, headersonly=True).get("accept", "")
        response = _response(*_report(target.partition(b"?")[0], accept, registry, not_ready))
    except Exception:  # whatever happens to the admin port, the work goes on
        log.exception("an answer of the admin port failed; the process goes on")
        response = _response(HTTPStatus.INTERNAL_SERVER_ERROR, b"")
    return response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == b"HEAD" else response


def _report(path: bytes, accept: str, registry: CollectorRegistry, not_ready: Reasons) -> tuple[HTTPStatus, bytes, str]:
    if path == b"/metrics":
        try:
            encode, content_type = choose_encoder(accept)
        except Exception:  # a header that the library cannot read
            encode, content_type = choose_encoder("")
        return HTTPStatus.OK, encode(registry), content_type
    if path == b"/healthz":
        return HTTPStatus.OK, orjson.dumps({"status": "ok"}), "application/json"
    if path == b"/readyz":
        reasons = list(not_ready())
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return status, orjson.dumps({"ready": not reasons, "reasons": reasons}), "application/json"
    error = {"error": "this port answers /healthz, /readyz and /metrics"}
    return HTTPStatus.NOT_FOUND, orjson.dumps(error), "application/json"


def _response(status: HTTPStatus, body: bytes, content_type: str = "text/plain") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
