"""The public port: routes, the lists' answers, and problem details for everything that cannot be answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ranker.metrics import ReaderMetrics
from ranker.serve.api.article import ArticleDetails
from ranker.serve.api.best_of import BestOf
from ranker.serve.api.clients import Clients
from ranker.serve.api.csv_file import csv_file
from ranker.serve.api.json_feed import json_feed
from ranker.serve.api.list_request import FIRST_DEADLINE_S, article_request, list_request, site_request
from ranker.serve.api.lists import Lists
from ranker.serve.api.rss import feed
from ranker.serve.api.site import Sites
from ranker.serve.api.streams import Streams
from ranker.serve.http import tokens
from ranker.serve.http.body import CSV, HTML, JSON_FEED, RSS, SCRIPT, Body, cache_control
from ranker.serve.http.problems import ProblemError, answer
from ranker.serve.http.response_cache import (
    App,
    Entry,
    Form,
    Headers,
    Paths,
    Receive,
    ResponseCache,
    Scope,
    Send,
    accept_headers,
    allowed_origin,
)
from ranker.serve.live.build_live import Live
from ranker.serve.live.hourly import Hourly
from ranker.serve.pages.best_of import BestOfPages
from ranker.serve.pages.block import Block
from ranker.serve.pages.definitions import Definitions
from ranker.serve.pages.docs import Docs
from ranker.serve.pages.front import Page
from ranker.service.periodic import periodic
from ranker.service.scripts import FOREVER, MISSING
from ranker.settings import Caching

LIST_ROUTE = "/v1/{site}/popular/{board}/{window}"
SCRIPT_CACHING = b"public, max-age=3600, stale-while-revalidate=86400"
TIDY_S = 1.0
"""How often the hits of kept answers are counted, and their lists noted as in use."""


class Web:
    """`app` is the ASGI application; `run` goes on beside it."""

    def __init__(
        self, live: Live, hourly: Hourly, page: Page, caching: Caching, clients: Clients, metrics: ReaderMetrics
    ) -> None:
        self._board = live.board
        self._clients = clients
        self._page = page
        self._caching = caching
        self._lists = Lists(live.board, live.demand, clients.pays_look_up)
        self._sites = Sites(live.board, live.demand)
        self._articles = ArticleDetails(live.board, live.demand, hourly)
        self.streams = Streams(self._lists, live.board, clients, metrics)
        self._best_of = BestOf(live.board, live.documents)
        self._block = Block()
        self._best_of_pages = BestOfPages(self._best_of, live.board, clients, self._block, page.address, self._respond)
        self._scripts = {"/block.js": Entry(Body(self._block.script, SCRIPT), SCRIPT_CACHING, ("*",))}
        for address, script in self._block.scripts.items():
            self._scripts[address] = Entry(Body(script, SCRIPT), FOREVER, ("*",))
        docs = Docs()
        self._definitions = Definitions(page.address)
        self.routes = [
            Route("/v1/{site}", self._site),
            Route("/v1/{site}/article", self._article),
            Route(LIST_ROUTE, self._list),
            Route(LIST_ROUTE + "/feed.rss", self._rss),
            Route(LIST_ROUTE + "/feed.json", self._json_feed),
            Route(LIST_ROUTE + "/stream", self._stream),
            *self._best_of_pages.routes,
            Route("/v1/{rest:path}", self._preflight, methods=["OPTIONS"]),
            Route("/v1/{rest:path}", _nothing),  # or the route above would have GET answered with 405
            Route("/block.js", self._block_script),
            Route("/block.{version}.js", self._block_script),
            Route("/", self._index),
            Route("/page/{version}/{name}", self._page.file),
            Route("/definitions", self._rules),
            Route("/docs", docs.index),
            Route("/docs/{name}", docs.file),
        ]
        framework = Starlette(
            routes=self.routes,
            exception_handlers={ProblemError: _problem, HTTPException: _http_problem, Exception: _bug},
        )
        framework.router.redirect_slashes = False
        paths = {route.endpoint: route.path for route in self.routes}
        self.app = ResponseCache(_Measured(framework, metrics, paths), live.board, metrics, paths)

    async def run(self) -> None:
        """Streams lists and counts hits, until it is cancelled."""
        await asyncio.gather(self.streams.run(), periodic(TIDY_S, self._tidy, "hits are not counted", never_ends=True))

    async def _tidy(self) -> None:
        self.app.tidy()

    async def _list(self, request: Request) -> Response:
        parsed = await list_request(request, self._board, self._clients, html=True)
        began = time.perf_counter()
        content, until = await self._lists.answer(parsed, FIRST_DEADLINE_S)
        if parsed.query.render == "html":
            body = Body(self._block.fragment(content, parsed.query.lang, self._board.now_ms()), HTML)
        elif parsed.query.render == "csv":
            made, filename = csv_file(content)
            body = Body(made, CSV, filename)
        else:
            body = Body(orjson.dumps(content))
        return self._respond(request, parsed.name.site, body, began, until, lambda: self._lists.use(parsed.name))

    async def _rss(self, request: Request) -> Response:
        return await self._feed(request, feed, RSS)

    async def _json_feed(self, request: Request) -> Response:
        return await self._feed(request, json_feed, JSON_FEED)

    async def _feed(
        self, request: Request, made: Callable[[Mapping[str, Any], str], bytes], media_type: bytes
    ) -> Response:
        parsed = await list_request(request, self._board, self._clients, html=False)
        began = time.perf_counter()
        content, until = await self._lists.answer(parsed, FIRST_DEADLINE_S)
        body = Body(made(content, self._board.site(parsed.name.site).title), media_type)
        return self._respond(request, parsed.name.site, body, began, until, lambda: self._lists.use(parsed.name))

    async def _stream(self, request: Request) -> Response:
        parsed = await list_request(request, self._board, self._clients, html=False, stream=True)
        return await self.streams.answer(request, parsed, FIRST_DEADLINE_S)

    async def _site(self, request: Request) -> Response:
        name, counts = await site_request(request, self._board)
        began = time.perf_counter()
        content, until = await self._sites.answer(name, FIRST_DEADLINE_S, counts=counts)
        return self._respond(request, name, Body(orjson.dumps(content)), began, until)

    async def _article(self, request: Request) -> Response:
        parsed = await article_request(request, self._board, self._clients)
        began = time.perf_counter()
        content, until = await self._articles.answer(parsed, FIRST_DEADLINE_S)
        body = Body(orjson.dumps(content))
        return self._respond(request, parsed.site, body, began, until, lambda: self._articles.use(parsed))

    def _respond(
        self,
        request: Request,
        name: str,
        body: Body,
        began: float,
        until: float,
        used: Callable[[], None] = lambda: None,
        *,
        caching: bytes | None = None,
        more: Headers | None = None,
    ) -> Response:
        """In the form that the request wants; kept for the next one, unless it is one client's alone.

        `name` is the site's; `used` is called while the answer is requested again. `caching` is for what is no list;
        `more` are headers of this answer.
        """
        site = self._board.site(name)
        body.made_ms = (time.perf_counter() - began) * 1000
        body.until = until
        wanted = accept_headers(request.scope["headers"])
        private = tokens.fits(wanted.authorization, site.read_token) is True
        allowed = cache_control(self._caching, private=private) if private or caching is None else caching
        entry = Entry(body, allowed, site.cors, used, token=site.read_token, more=more)
        if not private:
            self.app.put(request.scope, entry)
        return _response(entry.form(wanted))

    async def _preflight(self, request: Request) -> Response:
        """A browser's request before it sends a token from another origin's page."""
        site = self._board.site(request.path_params["rest"].partition("/")[0])
        allowed, varies = allowed_origin(site.cors, request.headers.get("origin"))
        headers = {"access-control-max-age": "86400"}
        if varies:
            headers["vary"] = "origin"
        if allowed is not None:
            headers["access-control-allow-origin"] = allowed
            headers["access-control-allow-methods"] = "GET, HEAD"
            headers["access-control-allow-headers"] = "authorization, if-none-match, last-event-id"
        return Response(status_code=204, headers=headers)

    async def _block_script(self, request: Request) -> Response:
        script = self._scripts.get(request.scope["path"])
        if script is None:
            raise ProblemError(404, MISSING.format("/block.js"))
        return _response(script.form(accept_headers(request.scope["headers"])))

    async def _rules(self, request: Request) -> Response:
        await self._board.first_attempt(FIRST_DEADLINE_S)
        return self._definitions.index(request, self._board)

    async def _index(self, request: Request) -> Response:
        await self._board.first_attempt(FIRST_DEADLINE_S)
        return await self._page.index(request, self._board, self._lists, self._best_of, self._clients)


def _response(form: Form) -> Response:
    response = Response(status_code=form.status)
    response.body = form.content
    response.raw_headers = list(form.headers)
    return response


class _Measured:
    """Counts and times what the framework answers, by route template."""

    def __init__(self, app: App, metrics: ReaderMetrics, paths: Paths) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def send_noted(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            route = self._paths.get(scope.get("endpoint"), "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_duration_seconds.labels(route).observe(time.perf_counter() - started)


async def _nothing(_: Request) -> Response:
    raise HTTPException(404)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return answer(error)


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "There is nothing at this address.", 405: "Only GET and HEAD are answered here."}
    return answer(ProblemError(error.status_code, details.get(error.status_code, error.detail), headers=error.headers))


async def _bug(_: Request, __: Exception) -> Response:
    return answer(ProblemError(500, "This request met a fault of the server; its log says more."))
