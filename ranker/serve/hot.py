"""Answers from memory, in front of the web framework: a list that was asked for once costs a dictionary look-up.

Entries live until the next refresh, or until the moment their list turns stale, whichever comes first. The server asks
`at_once` as soon as it has read a request's head (no task, no messages: half the work of the smallest ASGI
application); what it does not ask for there (HEAD, a connection to close, a client that reads slowly) comes as ASGI.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from prometheus_client import Histogram

from ranker.metrics import ReaderMetrics
from ranker.serve.answers import Body, accepts_gzip

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Paths = Mapping[Any, str]
"""Endpoint to the path of its route, as the framework names the one in the scope."""

MAX_ENTRIES = 10_000
"""One list can be asked for in many spellings; whoever tries them all is served, but not from here."""


class Asked(NamedTuple):
    """What a request's headers say of the answer's form."""

    tags: bytes | None
    gzip: bool
    origin: bytes | None
    authorized: bool


def asked(headers: Headers) -> Asked:
    """One pass over the headers."""
    tags, gzip, origin, authorized = None, False, None, False
    for name, value in headers:
        if name == b"accept-encoding":
            gzip = accepts_gzip(value)
        elif name == b"if-none-match":
            tags = value if tags is None else tags + b"," + value
        elif name == b"origin":
            origin = value
        elif name == b"authorization":
            authorized = True
    return Asked(tags, gzip, origin, authorized)


def matches(tags: bytes | None, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag, compared weakly (RFC 9110, 13.1.2)."""
    if tags is None:
        return False
    named = [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
    return etag in named or b"*" in named


class Form(NamedTuple):
    """One answer as it goes out: in ASGI's parts, and in bytes around the server's own header lines."""

    status: int
    headers: Headers
    content: bytes
    line: bytes
    rest: bytes


class Entry:
    """One answer in every form that is asked for, each made once. `origins` may read it in browsers ("*": all).

    `by_token`: who sends a token gets another answer, which a shared cache must not answer with this one.
    `route` and `duration` are what its hits are counted under, set by who keeps it.
    """

    route: str
    duration: Histogram

    def __init__(
        self,
        body: Body,
        caching: bytes,
        origins: tuple[str, ...],
        used: Callable[[], None] = lambda: None,
        *,
        by_token: bool = False,
    ) -> None:
        self._body = body
        self._caching = caching
        self._origins = frozenset(origin.encode() for origin in origins)
        self._vary = b"accept-encoding"
        self._vary += b"" if b"*" in self._origins else b", origin"
        self._vary += b", authorization" if by_token else b""
        self._forms: dict[tuple[bool, bool, bytes | None], Form] = {}
        self.until = body.until
        self.used = used
        self.hits = 0
        self.known_hits = 0

    def form(self, request: Asked) -> Form:
        """The answer to a request with these headers: 304 for who has it already."""
        gzip = request.gzip and self._body.gzipped is not None
        origin = request.origin if request.origin in self._origins else None
        known = matches(request.tags, self._body.etag(gzipped=gzip))
        form = self._forms.get((gzip, known, origin))
        if form is None:
            form = self._forms[gzip, known, origin] = self._form(origin, gzip=gzip, known=known)
        return form

    def _form(self, origin: bytes | None, *, gzip: bool, known: bool) -> Form:
        content = (self._body.gzipped if gzip else None) or self._body.content
        headers: Headers = [
            (b"cache-control", self._caching),
            (b"etag", self._body.etag(gzipped=gzip)),
            (b"vary", self._vary),
            (b"server-timing", b"render;dur=%.2f" % self._body.made_ms),
        ]
        if b"*" in self._origins:
            headers.append((b"access-control-allow-origin", b"*"))
        elif origin is not None:
            headers.append((b"access-control-allow-origin", origin))
        if known:
            return Form(304, headers, b"", b"HTTP/1.1 304 Not Modified\r\n", _lines(headers) + b"\r\n")
        headers += [(b"content-type", self._body.kind), (b"x-content-type-options", b"nosniff")]
        if gzip:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(content)))
        return Form(200, headers, content, b"HTTP/1.1 200 OK\r\n", _lines(headers) + b"\r\n" + content)


def _lines(headers: Headers) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


class Hot:
    """An ASGI application that answers what it knows and hands the rest to `cold`."""

    def __init__(self, cold: App, metrics: ReaderMetrics, paths: Paths) -> None:
        self._cold = cold
        self._paths = paths
        self._entries: dict[bytes, Entry] = {}
        self._metrics = metrics

    def put(self, scope: Scope, entry: Entry) -> None:
        """Answers requests for the same path and query from now on."""
        if len(self._entries) < MAX_ENTRIES:
            entry.route = self._paths[scope["endpoint"]]
            entry.duration = self._metrics.request_duration_seconds.labels(entry.route)
            self._entries[_target(scope)] = entry

    def clear(self) -> None:
        """Forgets every answer; tells the lists that were asked for, and the counters, how often."""
        for entry in self._entries.values():
            if entry.hits or entry.known_hits:
                entry.used()
                self._metrics.requests.labels(entry.route, "200").inc(entry.hits)
                self._metrics.requests.labels(entry.route, "304").inc(entry.known_hits)
        self._entries.clear()

    def at_once(self, target: bytes, headers: Headers) -> tuple[bytes, bytes] | None:
        """The answer to a GET as bytes, to be sent with further header lines in between; None where there is none."""
        started = time.perf_counter()
        entry = self._entries.get(target)
        if entry is None or started >= entry.until:
            return None
        request = asked(headers)
        if request.authorized:
            return None
        form = self._take(entry, request, started)
        return form.line, form.rest

    def _take(self, entry: Entry, request: Asked, started: float) -> Form:
        form = entry.form(request)
        if form.status == 304:
            entry.known_hits += 1
        else:
            entry.hits += 1
        entry.duration.observe(time.perf_counter() - started)
        return form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            entry = self._entries.get(_target(scope))
            if entry is not None and scope["method"] in {"GET", "HEAD"}:
                started = time.perf_counter()
                request = asked(scope["headers"])
                if started < entry.until and not request.authorized:
                    form = self._take(entry, request, started)
                    await send({"type": "http.response.start", "status": form.status, "headers": form.headers})
                    await send({"type": "http.response.body", "body": form.content})
                    return
        await self._cold(scope, receive, send)


def _target(scope: Scope) -> bytes:
    """Path and query as they stood in the request."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
