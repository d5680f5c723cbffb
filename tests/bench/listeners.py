"""`python -m tests.bench.listeners PORT PATH COUNT`: opens COUNT streams and says when each list has reached them all.

Prints a line of JSON per list: {"first", "last"}, in seconds since the epoch. Runs until killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

import uvloop

from ranker.service.tuning import many_connections

AT_ONCE = 200
"""Connections opened at a time."""
LIST = b"event: list"


class Listeners:
    """All streams; a list has arrived when its event has begun to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.first: dict[int, float] = {}
        self.reached: Counter[int] = Counter()

    def heard(self, number: int) -> None:
        """A stream has got its list number `number`."""
        now = time.time()
        self.first.setdefault(number, now)
        self.reached[number] += 1
        if self.reached[number] == self.count:
            sys.stdout.write(json.dumps({"first": self.first[number], "last": now}) + "\n")
            sys.stdout.flush()


class Stream(asyncio.Protocol):
    """One stream, read as bytes; `begun` is done with its first list."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._end = b""
        self._lists = 0
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        seen = self._end + data
        for _ in range(seen.count(LIST)):
            self._lists += 1
            self._listeners.heard(self._lists)
        self._end = seen[1 - len(LIST) :]
        if self._lists and not self.begun.done():
            self.begun.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit(f"a stream ended: {exc}")


async def main(port: str, path: str, count: str) -> None:
    """Open the streams, and listen."""
    many_connections()
    loop = asyncio.get_running_loop()
    listeners = Listeners(int(count))
    for opened in range(0, listeners.count, AT_ONCE):
        some = min(AT_ONCE, listeners.count - opened)
        streams = []
        for number in range(opened, opened + some):
            client = f"10.0.{number // 20 >> 8}.{number // 20 & 255}"  # twenty streams each
            request = f"GET {path}/stream HTTP/1.1\r\nHost: bench\r\nX-Forwarded-For: {client}\r\n\r\n".encode()
            transport, stream = await loop.create_connection(lambda: Stream(listeners), "127.0.0.1", int(port))
            transport.write(request)
            streams.append(stream.begun)
        await asyncio.gather(*streams)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
