"""Answers from memory, in front of the web framework: a list that was asked for once costs a dictionary look-up.

Entries live until the next refresh, or until the moment their list turns stale, whichever comes first.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ranker.metrics import ReaderMetrics

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_ENTRIES = 10_000
"""One list can be asked for in many spellings; whoever tries them all is served, but not from here."""


class Entry:
    """The messages of one answer: in full, and for who has it already. `until` is on the clock of perf_counter."""

    __slots__ = ("body", "etag", "full", "hits", "known", "known_hits", "until", "used")

    def __init__(
        self, content: bytes, headers: list[tuple[bytes, bytes]], etag: bytes, until: float, used: Callable[[], None]
    ) -> None:
        length = (b"content-length", b"%d" % len(content))
        self.full: Message = {"type": "http.response.start", "status": 200, "headers": [*headers, length]}
        self.known: Message = {
            "type": "http.response.start",
            "status": 304,
            "headers": [header for header in headers if header[0] != b"content-type"],
        }
        self.body: Message = {"type": "http.response.body", "body": content}
        self.etag = etag
        self.until = until
        self.used = used
        self.hits = 0
        self.known_hits = 0


_NOTHING: Message = {"type": "http.response.body", "body": b""}


class Hot:
    """An ASGI application that answers what it knows and hands the rest to `cold`."""

    def __init__(self, cold: App, metrics: ReaderMetrics, route: str) -> None:
        self._cold = cold
        self._entries: dict[tuple[bytes, bytes], Entry] = {}
        self._full = metrics.requests.labels(route, "200")
        self._known = metrics.requests.labels(route, "304")
        self._duration = metrics.request_duration_seconds.labels(route)

    def put(self, scope: Scope, entry: Entry) -> None:
        """Answers requests for the same path and query from now on."""
        if len(self._entries) < MAX_ENTRIES:
            self._entries[scope["raw_path"], scope["query_string"]] = entry

    def clear(self) -> None:
        """Forgets every answer; tells the lists that were asked for, and the counters, how often."""
        for entry in self._entries.values():
            if entry.hits or entry.known_hits:
                entry.used()
                self._full.inc(entry.hits)
                self._known.inc(entry.known_hits)
        self._entries.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            entry = self._entries.get((scope["raw_path"], scope["query_string"]))
            if entry is not None and scope["method"] in {"GET", "HEAD"}:
                started = time.perf_counter()
                if started < entry.until:
                    if matches(scope["headers"], entry.etag):
                        await send(entry.known)
                        await send(_NOTHING)
                        entry.known_hits += 1
                    else:
                        await send(entry.full)
                        await send(entry.body)
                        entry.hits += 1
                    self._duration.observe(time.perf_counter() - started)
                    return
        await self._cold(scope, receive, send)


def matches(headers: list[tuple[bytes, bytes]], etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, 13.1.2)."""
    for name, value in headers:
        if name == b"if-none-match":
            tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
            if etag in tags or b"*" in tags:
                return True
    return False
