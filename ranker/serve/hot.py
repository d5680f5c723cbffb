"""Answers from memory, in front of the web framework: a list that was asked for once costs a dictionary look-up.

Entries live until the next refresh, or until the moment their list turns stale, whichever comes first. The server asks
`at_once` as soon as it has read a request's head (no task, no messages: half the work of the smallest ASGI
application); what it does not ask for there (HEAD, a connection to close, a client that reads slowly) comes as ASGI.
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
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_ENTRIES = 10_000
"""One list can be asked for in many spellings; whoever tries them all is served, but not from here."""


class Entry:
    """One answer, in full and for who has it already. `until` is on the clock of perf_counter."""

    __slots__ = ("body", "etag", "full", "full_bytes", "hits", "known", "known_bytes", "known_hits", "until", "used")

    def __init__(self, content: bytes, headers: Headers, etag: bytes, until: float, used: Callable[[], None]) -> None:
        full = [*headers, (b"content-length", b"%d" % len(content))]
        known = [header for header in headers if header[0] != b"content-type"]
        self.full: Message = {"type": "http.response.start", "status": 200, "headers": full}
        self.known: Message = {"type": "http.response.start", "status": 304, "headers": known}
        self.body: Message = {"type": "http.response.body", "body": content}
        self.full_bytes = (b"HTTP/1.1 200 OK\r\n", _lines(full) + b"\r\n" + content)
        self.known_bytes = (b"HTTP/1.1 304 Not Modified\r\n", _lines(known) + b"\r\n")
        self.etag = etag
        self.until = until
        self.used = used
        self.hits = 0
        self.known_hits = 0


def _lines(headers: Headers) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


_NOTHING: Message = {"type": "http.response.body", "body": b""}


class Hot:
    """An ASGI application that answers what it knows and hands the rest to `cold`."""

    def __init__(self, cold: App, metrics: ReaderMetrics, route: str) -> None:
        self._cold = cold
        self._entries: dict[bytes, Entry] = {}
        self._full = metrics.requests.labels(route, "200")
        self._known = metrics.requests.labels(route, "304")
        self._duration = metrics.request_duration_seconds.labels(route)

    def put(self, scope: Scope, entry: Entry) -> None:
        """Answers requests for the same path and query from now on."""
        if len(self._entries) < MAX_ENTRIES:
            self._entries[_target(scope)] = entry

    def clear(self) -> None:
        """Forgets every answer; tells the lists that were asked for, and the counters, how often."""
        for entry in self._entries.values():
            if entry.hits or entry.known_hits:
                entry.used()
                self._full.inc(entry.hits)
                self._known.inc(entry.known_hits)
        self._entries.clear()

    def at_once(self, target: bytes, headers: Headers) -> tuple[bytes, bytes] | None:
        """The answer to a GET as bytes, to be sent with further header lines in between; None where there is none."""
        started = time.perf_counter()
        entry = self._entries.get(target)
        if entry is None or started >= entry.until:
            return None
        if matches(headers, entry.etag):
            entry.known_hits += 1
            answer = entry.known_bytes
        else:
            entry.hits += 1
            answer = entry.full_bytes
        self._duration.observe(time.perf_counter() - started)
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            entry = self._entries.get(_target(scope))
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


def _target(scope: Scope) -> bytes:
    """Path and query as they stood in the request."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def matches(headers: Headers, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, 13.1.2)."""
    for name, value in headers:
        if name == b"if-none-match":
            tags = [tag.strip().removeprefix(b"W/") for tag in value.split(b",")]
            if etag in tags or b"*" in tags:
                return True
    return False
