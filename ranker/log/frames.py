"""Receives Kafka's frames where they stay, and copies out, once, what is kept.

The client's own stream appends each piece to a buffer that grows, copies the frame out of it, moves the rest down, and
copies each partition's batches out of the frame.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from aiokafka import conn

_KNOWN_SOURCE = "dbba847de841de83"
"""First digits of the SHA-256 of the client's code that this file replaces; if it is another one, it stays."""
_LEAST = conn.READER_LIMIT
"""Bytes of room for whatever comes; a frame of more is decoded where it lies."""
_GROWTH = 4
"""Room for a frame grows by so much at a time: its size is what four bytes say, which may be TLS or HTTP."""
_AHEAD = 2 * conn.READER_LIMIT
"""Bytes that may come beyond what is waited for, before the socket is not read for a while: as the client has it."""
_SMALL = 8
"""A frame of less than an eighth of the room gives the room back: a backlog is over."""
_SIZE_BYTES = 4
_original = (
    conn.AIOKafkaProtocol,
    conn.AIOKafkaConnection.connect,
    conn.AIOKafkaConnection._read,  # noqa: SLF001  # what is replaced
    conn.AIOKafkaConnection._handle_frame,  # noqa: SLF001  # what is told of frames
)


class Frame:
    """A frame in its connection's memory, valid until more is received. The client's decoder reads it by fields."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def read(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        found = bytes(self._data[self._at : self._at + size])
        self._at += len(found)
        return found


class Frames(asyncio.BufferedProtocol):
    """The protocol of one connection. `_client`, its own one, does all but receive: it learns of the end alone."""

    def __init__(self, closed: asyncio.Future[None], reader: asyncio.StreamReader, *, loop: Any) -> None:
        self._client = _original[0](closed, reader, loop=loop)
        # what a StreamWriter asks of its protocol
        self._drain_helper, self._get_close_waiter = self._client._drain_helper, self._client._get_close_waiter  # noqa: SLF001
        self._room = memoryview(bytearray(2 * _LEAST))
        self._begin = self._end = 0
        """Of what was received and not taken."""
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._receiving: asyncio.Transport | None = None
        self._paused = self._ended = False
        self._error: Exception | None = None

    def connection_made(self, transport: Any) -> None:
        self._client.connection_made(transport)
        self._receiving = transport

    def pause_writing(self) -> None:
        self._client.pause_writing()

    def resume_writing(self) -> None:
        self._client.resume_writing()

    def get_buffer(self, _: int) -> memoryview:
        if self._begin == self._end:
            self._begin = self._end = 0
        held = self._end - self._begin
        least = max(held, min(self._wanted, _GROWTH * held + _LEAST)) + _LEAST
        if self._begin + least > len(self._room):
            room = self._room if least <= len(self._room) else memoryview(bytearray(least))
            room[:held] = self._room[self._begin : self._end]
            self._room, self._begin, self._end = room, 0, held
        return self._room[self._end :]

    def buffer_updated(self, size: int) -> None:
        self._end += size
        held = self._end - self._begin
        if held >= self._wanted:
            self._wake()
        if not self._paused and held > self._wanted + _AHEAD and self._receiving is not None:
            self._receiving.pause_reading()
            self._paused = True

    def eof_received(self) -> bool | None:
        self._ended = True
        self._wake()
        closes: bool | None = self._client.eof_received()
        return closes

    def connection_lost(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        self._wake()
        self._client.connection_lost(error)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def come(self, size: int) -> memoryview:
        """The next bytes, so many, as soon as they are there; they stay until they are taken.

        Raises what the connection was lost with; asyncio.IncompleteReadError if it has ended before.
        """
        if size < 0:
            raise ValueError(f"a frame of {size} bytes")
        while self._end - self._begin < size:
            if self._ended:
                raise self._error or asyncio.IncompleteReadError(bytes(self._room[self._begin : self._end]), size)
            if self._paused and self._receiving is not None:
                self._receiving.resume_reading()
                self._paused = False
            self._wanted = size
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter, self._wanted = None, 0
        return self._room[self._begin : self._begin + size]

    def take(self, size: int) -> None:
        """Their place is given up."""
        self._begin += size

    def let_go(self, size: int) -> None:
        """Of what a frame of this size does not need."""
        if self._begin == self._end and len(self._room) > max(2 * _LEAST, size * _SMALL):
            self._room = memoryview(bytearray(2 * _LEAST))
            self._begin = self._end = 0


async def _read(connection: Callable[[], Any]) -> None:
    """The client's loop over replies: it holds the connection, of which it has a weak reference, only for a moment."""
    found = connection()
    if found is None:
        return
    frames: Frames = found._protocol  # noqa: SLF001  # what is replaced
    del found
    while True:
        size = int.from_bytes(await frames.come(_SIZE_BYTES), "big", signed=True)
        frames.take(_SIZE_BYTES)
        data = await frames.come(size)
        found = connection()
        if found is None:
            return
        is_login = found._requests[0][0] is None  # noqa: SLF001  # its frames are handed on as bytes
        found._handle_frame(bytes(data) if is_login or size <= _LEAST else Frame(data))  # noqa: SLF001
        del found
        frames.take(size)
        frames.let_go(size)


def _as_stream(frame: bytes | Frame) -> io.BytesIO | Frame:
    return frame if isinstance(frame, Frame) else io.BytesIO(frame)


def install() -> bool:
    """Makes every new connection of this process receive so; False if the client is not the version that is known."""
    if conn.AIOKafkaProtocol is Frames:
        return True
    if source_digest() != _KNOWN_SOURCE:
        return False
    conn.AIOKafkaProtocol, conn.AIOKafkaConnection._read = Frames, staticmethod(_read)  # noqa: SLF001
    conn.io = SimpleNamespace(BytesIO=_as_stream)
    return True


def source_digest() -> str:
    """First digits of the SHA-256 of the client's own code."""
    try:
        text = "".join(map(inspect.getsource, _original))
    except OSError:  # no source available: unknown
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
