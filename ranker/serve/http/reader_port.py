"""The reader's public port: requests without bodies, answered from memory before ASGI if the list is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ranker.serve.http.problems import ANY_ORIGIN
from ranker.service.connections import Connections
from ranker.service.public_port import AtOnce, PublicPort

MAX_WAITING = 16
"""Each request that waits is memory."""
_ONCE = frozenset((b"host", b"origin", b"authorization"))


def reader_port(
    at_once: AtOnce, connections: Connections, draining: asyncio.Event, connection_refused: Callable[[], None]
) -> PublicPort:
    def refused(_: int, reason: str) -> None:
        if reason == "connections":
            connection_refused()

    return PublicPort(
        at_once=at_once,
        waiting=MAX_WAITING,
        once=_ONCE,
        refusal_headers=[ANY_ORIGIN],
        refused=refused,
        connections=connections,
        draining=draining,
    )
