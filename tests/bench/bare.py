"""`python -m tests.bench.bare PORT FILE`: an ASGI application that answers FILE to everything, served as the reader is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from ranker.serve.http.response_cache import Message, Receive, Scope, Send
from ranker.service.http_server import serving
from ranker.service.public_port import PublicPort


async def main(port: str, content: bytes) -> None:
    """Serve until killed."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
    body: Message = {"type": "http.response.body", "body": content}

    async def constant(_: Scope, __: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    async with serving(constant, "127.0.0.1", int(port), PublicPort()):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
