"""A client of server-sent events, on a bare socket: it reads when it is called, and not before."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tests.support import http
from tests.support.reader import LIST, Reader


@dataclass
class Event:
    """One event; `data` is parsed."""

    kind: str
    data: Any
    id: str = ""


class Events:
    """An open stream. `head` is the answer's head."""

    def __init__(self, head: str, stream: asyncio.StreamReader) -> None:
        self.head = head
        self._stream = stream
        self._text = b""

    async def more(self) -> bool:
        """Waits for the next bytes; false if the stream has ended."""
        size = int(await self._stream.readline() or b"0", 16)
        self._text += await self._stream.readexactly(size)
        await self._stream.readline()
        return size > 0

    async def text(self, length: int) -> str:
        """The first bytes of the body."""
        async with asyncio.timeout(10):
            while len(self._text) < length and await self.more():
                pass
        return self._text[:length].decode()

    async def next(self, within_s: float = 10) -> Event:
        """The next event. Raises TimeoutError if none comes, EOFError if the stream has ended."""
        async with asyncio.timeout(within_s):
            while True:
                block, found, rest = self._text.partition(b"\n\n")
                if not found:
                    if not await self.more():
                        raise EOFError
                    continue
                self._text = rest
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
                if "event" in fields:
                    return Event(fields["event"], orjson.loads(fields["data"]), fields.get("id", ""))


@asynccontextmanager
async def listening(
    reader: Reader, target: str = f"{LIST}/stream", *, receive_bytes: int | None = None, **headers: str
) -> AsyncIterator[Events]:
    """Opens a stream and waits for its head; `receive_bytes` is how much the system takes in before it is read."""
    connection = socket.socket()
    connection.setblocking(False)
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", reader.port))
    stream, writer = await asyncio.open_connection(sock=connection)
    try:
        writer.write(http.head(target, **headers))
        async with asyncio.timeout(10):
            head = await stream.readuntil(b"\r\n\r\n")
        yield Events(head.decode(), stream)
    finally:
        writer.close()
