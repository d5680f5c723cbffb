"""The HTTP client of the tests: one request on a connection of its own, with exactly the headers that are given."""

import asyncio
import contextlib
import http.client
import json
from dataclasses import dataclass
from typing import Any

from deploy.local.ports import HOST


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int,
    target: str,
    method: str = "GET",
    body: bytes | str | None = None,
    *,
    host: str = HOST,
    source: str | None = None,
    **headers: str,
) -> Answer:
    """Blocks. Names of headers have underscores for hyphens; a Host is added if none is given.

    `source` is the address of this machine that asks. Raises OSError if nobody listens.
    """
    address = None if source is None else (source, 0)
    connection = http.client.HTTPConnection(host, port, timeout=30, source_address=address)
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        raw = body.encode() if isinstance(body, str) else body
        if raw is not None:
            connection.putheader("Content-Length", str(len(raw)))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            connection.endheaders(raw)
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())


def head(target: str, method: str = "GET", **headers: str) -> bytes:
    """A whole head as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def raw(port: int, request: bytes) -> Answer:
    """Sends these bytes, and takes what comes until the connection ends."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request)
    async with asyncio.timeout(20):
        reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    first, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = first.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(status.split()[1]), headers, body)
