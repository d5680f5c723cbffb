"""The admin port of a process: /healthz, /readyz and /metrics, apart from anything public.

It shares the event loop of the work it reports on, so /healthz falls silent exactly when the loop hangs; but it can
neither stop that work (no signal handlers, no exit, its failures are logged and end here) nor be stopped by load on
the public port.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from typing import Any

import orjson
import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app

log = logging.getLogger(__name__)

Reasons = Callable[[], Sequence[str]]
"""Asked at every request: why the process is not ready, as sentences; empty when it is."""

_STOP_S = 2
"""How long a scrape under way may take when the process ends."""


class PortTakenError(OSError):
    """The port cannot be bound; the message is a sentence with the fix."""


@contextlib.asynccontextmanager
async def serving(host: str, port: int, registry: CollectorRegistry, not_ready: Reasons) -> AsyncIterator[int]:
    """Serve the admin port while the block runs; yields the port bound (useful when `port` is 0: any free one).

    /healthz answers 200 `{"status": "ok"}` while the event loop turns. /readyz answers 200 or 503 with
    `{"ready": bool, "reasons": [str]}`. /metrics is the registry in the Prometheus text format.
    Raises PortTakenError before the block starts, and nothing after.
    """
    listener = _bind(host, port)
    server = _Server(
        uvicorn.Config(
            application(registry, not_ready),
            lifespan="off",
            log_config=None,
            log_level="error",  # its warnings are about single requests
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=_STOP_S,
        )
    )
    task = asyncio.create_task(_contained(server, listener), name="admin")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: signals belong to the process' own work."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _contained(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except (Exception, SystemExit):  # whatever happens to the admin port, the work goes on
        log.exception("admin port failed; the process goes on without it")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # from here on a connection waits for the server instead of being refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTakenError(
            f"the admin port {host}:{port} cannot be bound ({error}); choose another with --admin-port, 0 for any"
        ) from error
    listener.setblocking(False)
    return listener


_Message = MutableMapping[str, Any]


def application(registry: CollectorRegistry, not_ready: Reasons) -> Callable[..., Any]:
    """The ASGI application behind the admin port."""
    metrics = make_asgi_app(registry)

    async def app(scope: _Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        path = scope["path"]
        if path == "/metrics":
            await metrics(scope, receive, send)
        elif path == "/healthz":
            await _json(send, 200, {"status": "ok"})
        elif path == "/readyz":
            reasons = list(not_ready())
            await _json(send, 503 if reasons else 200, {"ready": not reasons, "reasons": reasons})
        else:
            await _json(send, 404, {"error": "this port answers /healthz, /readyz and /metrics"})

    return app


async def _json(send: Callable[..., Any], status: int, body: dict[str, Any]) -> None:
    encoded = orjson.dumps(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(encoded)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})
