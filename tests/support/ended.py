"""How long a process takes to end, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator

from deploy.local import waiting
from deploy.local.children import Child
from deploy.local.servers import Server

MOST_S = 10.0
"""What every process promises, from SIGTERM to its end."""


async def end(child: Child, what: str, *, number: int = signal.SIGTERM, limit_s: float = 3 * MOST_S) -> float:
    """Sends the signal, and returns after how many seconds the process was gone; prints them. Kills it after the limit."""
    began_s = time.monotonic()
    child.process.send_signal(number)
    while child.returncode() is None and time.monotonic() - began_s < limit_s:  # noqa: ASYNC110  # of another process
        await asyncio.sleep(0.01)
    took_s = time.monotonic() - began_s
    code = child.returncode()
    if code is None:
        child.kill()
    print(f"\n{what}: {took_s:.1f} s, exit code {code}")
    return took_s


@contextlib.contextmanager
def hanging(*servers: Server) -> Iterator[None]:
    """Servers that take what is sent and reply nothing, and are themselves again when this returns."""
    for server in servers:
        server.suspend()
    try:
        yield
    finally:
        for server in servers:
            server.resume()
        for server in servers:
            waiting.until(f"The {server.name}", server.answers, 30.0)
