"""Requests to the admin ports of other processes: in bounded time and memory, whatever answers there."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from ranker.service.endpoints import shown

ANSWER_S = 5.0
_MOST_BYTES = 4 << 20
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")


class AdminPort(NamedTuple):
    """Where one process answers. `host` is the name for TLS, `address` what it was resolved to."""

    host: str
    address: str
    port: int
    tls: bool

    @property
    def authority(self) -> str:
        """As in a URL and in Host: an address of IPv6 has brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        return self.authority if self.host == self.address else f"{self.authority} ({self.address})"


class NoAdminPortError(Exception):
    """No request reaches it, or what replied is no admin port: "what is wrong; what to do"."""


def parsed(address: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS, of `http://HOST:PORT`, `https://HOST:PORT` or HOST:PORT.

    Raises ValueError with a sentence.
    """
    fault = f"{shown(address)!r} is not HOST:PORT, http://HOST:PORT or https://HOST:PORT of an admin port"
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port
    except ValueError:  # its text repeats what may be a password
        raise ValueError(fault) from None
    beside = parts.path.strip("/") or parts.query or parts.fragment or "@" in address
    if parts.scheme not in ("http", "https") or not host or not port or beside:
        raise ValueError(fault)
    return host, port, parts.scheme == "https"


async def resolved(host: str, port: int, *, tls: bool) -> list[AdminPort]:
    """One for each address of the name: a service of several processes has as many. Raises NoAdminPortError."""
    try:
        async with asyncio.timeout(ANSWER_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)  # SOCK_STREAM
    except (OSError, UnicodeError, TimeoutError):
        raise NoAdminPortError(f"the name {host} is not known here; correct it, or give an address") from None
    return [AdminPort(host, address, port, tls) for address in dict.fromkeys(str(one[4][0]) for one in found)]


async def get(at: AdminPort, path: str) -> tuple[int, bytes]:
    """Status and body of the reply. Raises NoAdminPortError; takes 5 s at most."""
    writer: asyncio.StreamWriter | None = None
    context = ssl.create_default_context() if at.tls else None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(
                at.address, at.port, ssl=context, server_hostname=at.host if at.tls else None
            )
            # HTTP/1.0: no reply in chunks, and the connection ends with it
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {at.authority}\r\n\r\n".encode())
            reply = bytearray()
            while len(reply) <= _MOST_BYTES and (part := await reader.read(65_536)):
                reply += part
    except TimeoutError:
        fix = "it hangs, or a firewall is between: see its log, then restart it"
        if at.tls:
            fix = f"an admin port itself has no TLS: write http://; else {fix}"
        raise NoAdminPortError(f"no answer within {ANSWER_S:.0f} s; {fix}") from None
    except ssl.SSLCertVerificationError as error:
        raise NoAdminPortError(f"its certificate is not accepted ({error.verify_message}); renew it there") from None
    except ssl.SSLError:
        raise NoAdminPortError("no TLS is spoken there; write http://, or use the port of the proxy that has") from None
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise NoAdminPortError(f"no connection ({why}); start the process, or correct --admin") from None
    finally:
        if writer is not None:
            writer.transport.abort()
    head, _, body = bytes(reply).partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None or len(reply) > _MOST_BYTES:
        what = "more than 4 MiB came" if len(reply) > _MOST_BYTES else "what answers speaks no HTTP"
        raise NoAdminPortError(f"{what}: no admin port; give the one of --admin-port")
    return int(status[1]), body
