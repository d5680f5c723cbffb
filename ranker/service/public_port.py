"""What one public port lets its clients do, and what its connections share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ranker.service.connections import Connections
from ranker.service.problems import Headers

AtOnce = Callable[[bytes, Headers], tuple[bytes, bytes] | None]
"""Target and headers of a GET to its answer: the status line, and what follows the server's own header lines."""


def _nothing_ready(_: bytes, __: Headers) -> None:
    return None


def _uncounted(_: int, __: str) -> None:
    return None


@dataclass(frozen=True)
class PublicPort:
    """With the defaults: plain requests alone, one at a time on a connection."""

    at_once: AtOnce = _nothing_ready
    """Asked before the application."""
    body_bytes: int = 0
    """A longer body is refused. With 0 none is read: a request that has one is answered at its head, as the last."""
    waiting: int = 0
    """Requests of a connection that may wait behind the one that is answered; what comes behind them is not read."""
    once: frozenset[bytes] = frozenset((b"host",))
    """Headers that decide what becomes of a request. One that is there twice says two things, and a proxy may have read
    the other one."""
    refusal_headers: Headers = field(default_factory=list)
    """Of the answers that are given here."""
    refused: Callable[[int, str], None] = _uncounted
    """Called with status and reason for each request, or connection, that ends before the application."""
    connections: Connections = field(default_factory=Connections)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Once it is set, each answer is the last of its connection: a client that wants more connects anew, which a
    balancer does elsewhere."""
