"""Answers from memory, in front of the web framework: a list that was requested once costs a dictionary look-up.

An entry holds for the revision of the board that it was made of, or until its list turns stale, whichever ends first.
The server calls `at_once` as soon as it has read a request's head (no task, no messages: half the work of the smallest
ASGI application); other requests (HEAD, a connection to close, a client that reads slowly) come as ASGI.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

from prometheus_client import Histogram

from ranker.metrics import ReaderMetrics
from ranker.serve.http import problems, tokens
from ranker.serve.http.body import Body
from ranker.service.accept import accepts_gzip, matches

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Paths = Mapping[Any, str]
"""Endpoint to the path of its route, as the framework names the one in the scope."""

MAX_ENTRIES = 10_000
"""One list has many spellings; a client that tries them all is served, but not from here."""


class AcceptHeaders(NamedTuple):
    """The headers of a request that decide the answer's form."""

    tags: bytes | None
    gzip: bool
    origin: bytes | None
    authorization: bytes | None


def accept_headers(headers: Headers) -> AcceptHeaders:
    """One pass over the headers."""
    tags, gzip, origin, authorization = None, False, None, None
    for name, value in headers:
        if name == b"accept-encoding":
            gzip = accepts_gzip(value)
        elif name == b"if-none-match":
            tags = value if tags is None else tags + b"," + value
        elif name == b"origin":
            origin = value
        elif name == b"authorization" and authorization is None:
            authorization = value
    return AcceptHeaders(tags, gzip, origin, authorization)


def allowed_origin(origins: Collection[str], origin: str | None) -> tuple[str | None, bool]:
    """The origin that may read an answer to `origin` in a browser, and whether that depends on the request.

    It does not if one origin alone, or every one, may read it: then all get the same answer, and caches need one.
    """
    if "*" in origins:
        return "*", False
    if len(origins) == 1:
        return next(iter(origins)), False
    return (origin if origin in origins else None), bool(origins)


class Form(NamedTuple):
    """One answer as it goes out: in ASGI's parts, and in bytes around the server's own header lines."""

    status: int
    headers: Headers
    content: bytes
    line: bytes
    rest: bytes


class Entry:
    """One answer in every requested form, each made once. `origins` may read it in browsers ("*": all).

    `token`: a client that sends it gets another answer, which a shared cache must not answer with this one.
    `more` are headers of its own.
    `used` is called once a second while the entry is requested. The cache sets `revision`, and `route` and `duration`,
    which its hits are counted under.
    """

    revision: int
    route: str
    duration: Histogram

    def __init__(
        self,
        body: Body,
        caching: bytes,
        origins: tuple[str, ...],
        used: Callable[[], None] = lambda: None,
        *,
        token: str | None = None,
        more: Headers | None = None,
    ) -> None:
        self._body = body
        self._caching = caching
        self._origins = origins
        _, by_origin = allowed_origin(origins, None)
        self._choices = frozenset(origin.encode() for origin in origins) if by_origin else frozenset[bytes]()
        self._more = more or []
        self._vary = b"accept-encoding"
        self._vary += b", origin" if by_origin else b""
        self._vary += b"" if token is None else b", authorization"
        self.token = token
        self._forms: dict[tuple[bool, bool, bytes | None], Form] = {}
        self.until = body.until
        self.used = used
        self.hits: Counter[int] = Counter()
        """By status."""

    def form(self, request: AcceptHeaders) -> Form:
        """The answer to a request with these headers: 304 for a client that has it already."""
        gzip = request.gzip and self._body.gzipped is not None
        origin = request.origin if request.origin in self._choices else None
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
            *self._more,
        ]
        allowed, _ = allowed_origin(self._origins, None if origin is None else origin.decode())
        if allowed is not None:
            headers.append((b"access-control-allow-origin", allowed.encode()))
        if known:
            return Form(304, headers, b"", b"HTTP/1.1 304 Not Modified\r\n", lines(headers) + b"\r\n")
        headers += [(b"content-type", self._body.kind), (b"x-content-type-options", b"nosniff")]
        if self._body.filename:
            headers.append((b"content-disposition", f'attachment; filename="{self._body.filename}"'.encode()))
        if gzip:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(content)))
        return Form(200, headers, content, b"HTTP/1.1 200 OK\r\n", lines(headers) + b"\r\n" + content)


def lines(headers: Headers) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)


def _wrong_token() -> Form:
    response = problems.answer(tokens.wrong())
    head, content = response.raw_headers, bytes(response.body)
    return Form(401, head, content, b"HTTP/1.1 401 Unauthorized\r\n", lines(head) + b"\r\n" + content)


_WRONG_TOKEN = _wrong_token()


class Source(Protocol):
    """What entries are made of: they hold as long as `revision` stays."""

    revision: int


class ResponseCache:
    """An ASGI application that answers what it knows and hands the rest to `cold`."""

    def __init__(self, cold: App, source: Source, metrics: ReaderMetrics, paths: Paths) -> None:
        self._cold = cold
        self._source = source
        self._paths = paths
        self._entries: dict[bytes, Entry] = {}
        self._metrics = metrics
        self._tidied: int | None = None
        """The revision at the last tidying."""

    def put(self, scope: Scope, entry: Entry) -> None:
        """Answers requests for the same path and query from now on, while the source has its present revision."""
        target = _target(scope)
        before = self._entries.pop(target, None)
        if before is not None:  # of two cold requests at once, the other one's answer has been counting since
            self._count(before)
        if len(self._entries) >= MAX_ENTRIES and self._tidied != self._source.revision:
            self.tidy()
        if len(self._entries) < MAX_ENTRIES:
            entry.revision = self._source.revision
            entry.route = self._paths[scope["endpoint"]]
            entry.duration = self._metrics.request_duration_seconds.labels(entry.route)
            self._entries[target] = entry

    def tidy(self) -> None:
        """Counts the hits of every entry and drops what does not hold any more. To be called about once a second."""
        self._tidied = self._source.revision
        for target, entry in list(self._entries.items()):
            self._count(entry)
            if entry.revision != self._source.revision:
                del self._entries[target]

    def _count(self, entry: Entry) -> None:
        if entry.hits:
            entry.used()
        for status, hits in entry.hits.items():
            self._metrics.requests.labels(entry.route, str(status)).inc(hits)
        entry.hits.clear()

    def at_once(self, target: bytes, headers: Headers) -> tuple[bytes, bytes] | None:
        """The answer to a GET as bytes, to be sent with further header lines in between; None if there is none."""
        started = time.perf_counter()
        entry = self._holding(target, started)
        if entry is None:
            return None
        form = self._take(entry, accept_headers(headers), started)
        return None if form is None else (form.line, form.rest)

    def _holding(self, target: bytes, now: float) -> Entry | None:
        entry = self._entries.get(target)
        return None if entry is None or entry.revision != self._source.revision or now >= entry.until else entry

    def _take(self, entry: Entry, request: AcceptHeaders, started: float) -> Form | None:
        """None for a client with the site's token: that answer is its own alone."""
        fits = tokens.fits(request.authorization, entry.token)
        if fits:
            return None
        form = entry.form(request) if fits is None else _WRONG_TOKEN
        entry.hits[form.status] += 1
        entry.duration.observe(time.perf_counter() - started)
        return form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            started = time.perf_counter()
            entry = self._holding(_target(scope), started)
            if entry is not None and scope["method"] in {"GET", "HEAD"}:
                form = self._take(entry, accept_headers(scope["headers"]), started)
                if form is not None:
                    await send({"type": "http.response.start", "status": form.status, "headers": form.headers})
                    await send({"type": "http.response.body", "body": form.content})
                    return
        await self._cold(scope, receive, send)


def _target(scope: Scope) -> bytes:
    """Path and query as they stood in the request."""
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path
