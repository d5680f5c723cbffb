"""The server of a public port: uvicorn with our protocol, on a socket that is bound before it begins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import uvicorn

from ranker.service import http_protocol
from ranker.service.http_protocol import Protocol
from ranker.service.listener import bind
from ranker.service.periodic import periodic
from ranker.service.public_port import PublicPort

KEEP_ALIVE_S = 75
"""Longer than the usual 60 s of a load balancer, so that it is the balancer who closes an idle connection."""
STOP_S = 4
"""How long answers under way may take when the process ends: with 5 s of draining before, it is gone within 10 s."""

App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the command has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def cut_off_untaken(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol):
                connection.cut_off_untaken()


@contextlib.asynccontextmanager
async def serving(app: App, host: str, port: int, public: PublicPort) -> AsyncIterator[int]:
    """Serves `app`, whose first message has the whole body, while the block runs.

    Yields the port bound (useful when `port` is 0: any free one). Raises PortTakenError before the block starts. At its
    end no connection is taken any more, and answers under way have STOP_S.
    """
    listener = bind(host, port, "--port")
    protocol: Any = partial(Protocol, public)
    config = uvicorn.Config(
        app,
        http=protocol,
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
    served = asyncio.create_task(server.serve(sockets=[listener]), name="public")
    looking = asyncio.create_task(periodic(http_protocol.PATIENCE_S, server.cut_off_untaken), name="slow clients")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await served
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        listener.close()
