"""The public port's server: uvicorn with this package's protocol, on a socket that is bound before it begins."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from producers.collector.http.protocol import PortLimits, Protocol
from ranker.service.listener import bind

KEEP_ALIVE_S = 75
"""Longer than the usual 60 s of a load balancer, so that it is the balancer who closes an idle connection."""
STOP_S = 5
"""How long answers under way may take when the process ends."""


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the command has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, host: str, port: int, limits: PortLimits) -> AsyncIterator[int]:
    """Serve an ASGI `app`, whose first message is the whole request, while the block runs.

    Yields the port bound (useful when `port` is 0: any free one). Raises PortTakenError before the block
    starts. At its end no connection is taken any more, and answers under way have STOP_S.
    """
    listener = bind(host, port, "--port")
    config = uvicorn.Config(
        app,
        http=type("_Public", (Protocol,), {"limits": limits}),
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
    task = asyncio.create_task(server.serve(sockets=[listener]), name="public")
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
