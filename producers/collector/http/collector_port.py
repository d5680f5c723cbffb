"""The collector's public port: whole requests, one at a time on a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from producers.collector.http import answers
from producers.collector.http.body import MAX_BYTES
from ranker.service.connections import Connections
from ranker.service.public_port import PublicPort

_ONCE = frozenset(
    (
        *(b"host", b"origin", b"referer", b"authorization", b"content-type", b"content-encoding", b"user-agent"),
        *(b"sec-fetch-site", b"sec-gpc", b"sec-purpose", b"purpose", b"x-moz"),
    )
)


def collector_port(
    refused: Callable[[int, str], None], connections: Connections, draining: asyncio.Event
) -> PublicPort:
    return PublicPort(
        body_bytes=MAX_BYTES,
        once=_ONCE,
        refusal_headers=[answers.VARY],
        refused=refused,
        connections=connections,
        draining=draining,
    )
