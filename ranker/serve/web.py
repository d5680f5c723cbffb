"""The public port: lists as JSON, the page, and problem details for everything that cannot be answered."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ranker.core.generation import Generation
from ranker.metrics import ReaderMetrics
from ranker.serve.frontpage import Page
from ranker.serve.hot import App, Entry, Headers, Hot, Receive, Scope, Send, matches
from ranker.serve.problems import ProblemError, answer
from ranker.serve.published import MAX_LIMIT, Published
from ranker.serve.refresh import Refresher
from ranker.store.reader import ListName

LIST_ROUTE = "/v1/{site}/popular/{board}/{window}"
DEFAULT_LIMIT = 10
FIRST_DEADLINE_S = 3.0
"""How long the first request for a list waits for it to be read."""
MAX_QUERY_BYTES = 1_024
MAX_AGE_S = 1
"""A cache in front may hold a list for this long: the page asks once a second."""

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_LIMIT = re.compile(r"[1-9][0-9]{0,3}")


class Web:
    """Answers requests from what a Refresher keeps; `app` is the ASGI application."""

    def __init__(self, refresher: Refresher, page: Page, metrics: ReaderMetrics) -> None:
        self._refresher = refresher
        self._page = page
        routes = [
            Route(LIST_ROUTE, self._list),
            Route("/", self._index),
            Route("/page/{name}", self._file),
        ]
        framework = Starlette(
            routes=routes,
            exception_handlers={ProblemError: _problem, HTTPException: _http_problem, Exception: _bug},
        )
        framework.router.redirect_slashes = False
        self._hot = Hot(_Measured(framework, metrics), metrics, LIST_ROUTE)
        refresher.on_change = self._hot.clear

    @property
    def app(self) -> Hot:
        return self._hot

    async def _list(self, request: Request) -> Response:
        await self._refresher.attempted(FIRST_DEADLINE_S)
        name, limit = self._asked(request)
        published = await self._refresher.first(name, FIRST_DEADLINE_S)
        now_ms = self._refresher.now_ms()
        ages = self._refresher.ages
        if published is None:
            if self._refresher.knows(name.site) is False:
                raise _refusal([_unknown_site(name.site)], [], {})
            reason = self._refresher.fault or "the list was not read in time"
            raise ProblemError(503, f"There is no list to serve: {reason}.", headers={"Retry-After": "1"})
        if self._refresher.knows(name.site) is None and not published.read.site_known:
            raise _refusal([_unknown_site(name.site)], [], {})
        age_ms = published.age_ms(now_ms)
        if age_ms > ages.gone_ms:
            raise ProblemError(
                503,
                f"The last list is {age_ms // 1000} s old, too old to serve.",
                headers={"Retry-After": "5"},
            )
        stale = age_ms > ages.stale_ms
        body = published.body(limit, self._refresher.articles.of(name.site), stale=stale)
        headers = _headers(body.etag)
        left_ms = (ages.gone_ms if stale else ages.stale_ms) - age_ms
        until = time.perf_counter() + left_ms / 1000
        self._hot.put(request.scope, Entry(body.content, headers, body.etag, until, lambda: self._used(published)))
        if matches(request.scope["headers"], body.etag):
            return _raw(304, headers[1:], b"")
        return _raw(200, headers, body.content)

    def _used(self, published: Published) -> None:
        self._refresher.get(published.name)

    def _asked(self, request: Request) -> tuple[ListName, int]:
        """The list and the limit a request means; every fault of its address and query in one problem.

        One is told later: a site of which only reading its list can tell whether it exists.
        """
        query = request.scope["query_string"]
        if len(query) > MAX_QUERY_BYTES:
            raise ProblemError(414, f"The query is longer than {MAX_QUERY_BYTES} bytes.")
        name = ListName(*(request.path_params[part] for part in ("site", "board", "window")))
        generation = self._refresher.generation
        limit, of_query = _limit(query)
        of_address, known = _list_faults(name, generation) if generation else ([], {})
        if not _SITE.fullmatch(name.site) or self._refresher.knows(name.site) is False:
            of_address.insert(0, _unknown_site(name.site))
        if of_address or of_query:
            raise _refusal(of_address, of_query, known)
        if generation is None:
            raise ProblemError(
                503,
                f"There is no list to serve: {self._refresher.fault or 'none has been read yet'}.",
                headers={"Retry-After": "1"},
            )
        return name, limit

    async def _index(self, request: Request) -> Response:
        await self._refresher.attempted(FIRST_DEADLINE_S)
        return self._page.index(request, self._refresher.sites, self._refresher.generation)

    async def _file(self, request: Request) -> Response:
        return self._page.file(request)


class _Measured:
    """Counts and times what the framework answers, by route template."""

    def __init__(self, app: App, metrics: ReaderMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_duration_seconds.labels(route).observe(time.perf_counter() - started)


Fault = dict[str, str]
"""One fault of a request: the `parameter` of path or query, and in `detail` what is wrong with it."""


def _fault(parameter: str, detail: str) -> Fault:
    return {"parameter": parameter, "detail": detail}


def _unknown_site(site: str) -> Fault:
    return _fault("site", f"{site!r} is neither configured nor holds any counts")


def _list_faults(name: ListName, generation: Generation) -> tuple[list[Fault], dict[str, list[str]]]:
    """What is wrong with board and window, and, by the plural of each that is, what there is."""
    boards = sorted(generation.boards)
    windows = [window.name for window in generation.windows]
    faults: list[Fault] = []
    known: dict[str, list[str]] = {}
    for parameter, value, choices in (("board", name.board, boards), ("window", name.window, windows)):
        if value not in choices:
            faults.append(_fault(parameter, f"{value!r} is unknown; there are {', '.join(choices)}"))
            known[f"{parameter}s"] = choices
    return faults, known


def _limit(query: bytes) -> tuple[int, list[Fault]]:
    """The limit in a query string, and every fault of the query."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    limits = [value for parameter, value in pairs if parameter == "limit"]
    faults = [
        _fault(parameter, "there is no such parameter; known: limit") for parameter, _ in pairs if parameter != "limit"
    ]
    if len(limits) > 1:
        faults.append(_fault("limit", "given more than once"))
    bad = [value for value in limits if not _LIMIT.fullmatch(value) or int(value) > MAX_LIMIT]
    faults += [_fault("limit", f"{value!r} is not a whole number from 1 to {MAX_LIMIT}") for value in bad]
    return (int(limits[0]) if limits and not bad else DEFAULT_LIMIT), faults


def _refusal(address: list[Fault], query: list[Fault], known: Mapping[str, Any]) -> ProblemError:
    """One problem for all faults: 404 where only the address is at fault, 400 as soon as the query is too."""
    faults = address + query
    detail = "; ".join(f"{fault['parameter']}: {fault['detail']}" for fault in faults)
    return ProblemError(400 if query else 404, detail, faults=faults, **known)


def _headers(etag: bytes) -> Headers:
    """Headers of a list, content type first: a 304 goes without it. Few: each costs 0.8 of 35 us per answer."""
    return [
        (b"content-type", b"application/json"),
        (b"cache-control", b"public, max-age=%d" % MAX_AGE_S),
        (b"etag", etag),
    ]


def _raw(status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes) -> Response:
    response = Response(status_code=status)
    response.body = content
    response.raw_headers = list(headers)
    if status == 200:
        response.raw_headers.append((b"content-length", b"%d" % len(content)))
    return response


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return answer(error)


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "There is nothing at this address.", 405: "Only GET and HEAD are answered here."}
    return answer(ProblemError(error.status_code, details.get(error.status_code, error.detail), headers=error.headers))


async def _bug(_: Request, __: Exception) -> Response:
    return answer(ProblemError(500, "This request met a fault of the server; its log says more."))
