"""A proxy in front of a Redis: what managed servers leave out, forbid, or answer in another form."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from deploy.local.ports import HOST

Answer = bytes | Callable[[bytes], bytes]
"""Instead of Redis' answer, or made of it; both as bytes of the protocol."""


@contextlib.asynccontextmanager
async def redis_proxy(port: int, answers: Mapping[str, Answer]) -> AsyncIterator[str]:
    """The address of a proxy in front of the Redis at `port`, which gives these answers to these commands."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        from_redis, to_redis = await asyncio.open_connection(HOST, port)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                name, command = await _command(reader)
                answer = answers.get(name)
                if not isinstance(answer, bytes):
                    to_redis.write(command)
                    reply = await _reply(from_redis)
                    answer = reply if answer is None else answer(reply)
                writer.write(answer)
        writer.close()
        to_redis.close()
        serving.discard(task)

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield f"redis://{HOST}:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _command(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    command = await _reply(reader)
    return command.split(b"\r\n")[2].decode().upper(), command


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """One whole reply of protocol 2."""
    line = await reader.readuntil(b"\r\n")
    if line[:1] == b"$" and line[1:2] != b"-":
        return line + await reader.readexactly(int(line[1:]) + 2)
    if line[:1] == b"*":
        return line + b"".join([await _reply(reader) for _ in range(int(line[1:]))])
    return line


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


def without(*names: str) -> Callable[[bytes], bytes]:
    """INFO without these fields."""

    def answer(reply: bytes) -> bytes:
        lines = reply.split(b"\r\n", 1)[1].decode().splitlines()
        return bulk("\r\n".join(line for line in lines if line.partition(":")[0] not in names))

    return answer
