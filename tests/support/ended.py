"""How long a process takes to end, as its supervisor sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.local import waiting
from deploy.local.children import Child
from deploy.local.servers import Server

MOST_S = 10.0
"""What every process promises, from SIGTERM to its end."""
_ESTABLISHED = "01"


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


def unread_bytes(port: int) -> int:
    """What has come on connections to this port of 127.0.0.1 and its process has not read yet (Linux's tables)."""
    found = 0
    for name in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state, queues, *_ = row.split()
            if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == port:
                found += int(queues.partition(":")[2], 16)
    return found


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
