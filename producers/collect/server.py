"""The server of both ports: uvicorn with this package's protocol, on a socket that is bound before it begins."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from producers.collect.protocol import Door, Protocol

KEEP_ALIVE_S = 75
"""Longer than the usual 60 s of a load balancer, so that it is the balancer who closes an idle connection."""
BACKLOG = 2_048
STOP_S = 5
"""How long answers under way may take when the process ends."""


class PortTakenError(OSError):
    """The port cannot be bound; the message is a sentence with the fix."""


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the command has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, host: str, port: int, door: Door, *, option: str = "--port") -> AsyncIterator[int]:
    """Serve an ASGI `app`, whose first message is the whole request, while the block runs.

    Yields the port bound (useful when `port` is 0: any free one). Raises PortTakenError, which names `option`, before
    the block starts. At its end no connection is taken any more, and answers under way have STOP_S.
    """
    listener = _bind(host, port, option)
    config = uvicorn.Config(
        app,
        http=type("_Public", (Protocol,), {"door": door}),
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",  # its warnings are about single requests
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"server of {option}")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


def many_connections() -> None:
    """As many open files as this process may have: the usual soft limit of 1,024 is less than MAX_CONNECTIONS."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _bind(host: str, port: int, option: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # from here on a connection waits for the server instead of being refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTakenError(
            f"port {host}:{port} cannot be bound ({error}); choose another with {option}, 0 for any"
        ) from error
    listener.setblocking(False)
    return listener
