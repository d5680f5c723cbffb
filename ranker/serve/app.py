"""The public port: routes, the lists' answers, and problem details for everything that cannot be answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ranker.core.generation import LATEST, ListName
from ranker.metrics import ReaderMetrics
from ranker.serve.api import list_request
from ranker.serve.api.article import About
from ranker.serve.api.clients import Clients
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.serve.api.rss import feed
from ranker.serve.api.streams import Streams
from ranker.serve.http import tokens
from ranker.serve.http.body import HTML, RSS, SCRIPT, Body, cache_control
from ranker.serve.http.problems import ProblemError, answer
from ranker.serve.http.response_cache import App, Entry, Form, Hot, Paths, Receive, Scope, Send, allowed_origin, asked
from ranker.serve.pages.block import Block
from ranker.serve.pages.docs import Docs
from ranker.serve.pages.front import Page
from ranker.service.scripts import FOREVER, MISSING
from ranker.settings import Caching

LIST_ROUTE = "/v1/{site}/popular/{board}/{window}"
SCRIPT_CACHING = b"public, max-age=3600, stale-while-revalidate=86400"
FIRST_DEADLINE_S = 3.0
"""How long the first request for a list waits for it to be read."""


class Web:
    """Answers requests from what `lists` has; `app` is the ASGI application."""

    def __init__(self, lists: Lists, page: Page, caching: Caching, clients: Clients, metrics: ReaderMetrics) -> None:
        self._lists = lists
        self._clients = clients
        self._refresher = lists.refresher
        self._page = page
        self._caching = caching
        self._block = Block()
        self._scripts = {"/block.js": Entry(Body(self._block.script, SCRIPT), SCRIPT_CACHING, ("*",))}
        for address, script in self._block.scripts.items():
            self._scripts[address] = Entry(Body(script, SCRIPT), FOREVER, ("*",))
        self.streams = Streams(lists, clients, metrics)
        about = About(lists, clients, self._answer)
        docs = Docs()
        self.routes = [
            Route("/v1/{site}", about.site),
            Route("/v1/{site}/article", about.article),
            Route(LIST_ROUTE, self._list),
            Route(LIST_ROUTE + "/feed.rss", self._feed),
            Route(LIST_ROUTE + "/stream", self._stream),
            Route("/v1/{rest:path}", self._preflight, methods=["OPTIONS"]),
            Route("/v1/{rest:path}", _nothing),  # or the route above would have GET answered with 405
            Route("/block.js", self._block_script),
            Route("/block.{version}.js", self._block_script),
            Route("/", self._index),
            Route("/page/{version}/{name}", self._page.file),
            Route("/docs", docs.index),
            Route("/docs/{name}", docs.file),
        ]
        framework = Starlette(
            routes=self.routes,
            exception_handlers={ProblemError: _problem, HTTPException: _http_problem, Exception: _bug},
        )
        framework.router.redirect_slashes = False
        paths = {route.endpoint: route.path for route in self.routes}
        self._hot = Hot(_Measured(framework, metrics, paths), metrics, paths)
        self._refresher.on_change = self._changed

    @property
    def app(self) -> Hot:
        return self._hot

    def _changed(self) -> None:
        self._hot.clear()
        self.streams.tell()

    async def _list(self, request: Request) -> Response:
        name, query, counts = await self._asked(request, html=True)
        began = time.perf_counter()
        content, until = await self._content(request, name, query, counts=counts)
        if query.html:
            body = Body(self._block.fragment(content, query.lang, self._refresher.now_ms()), HTML)
        else:
            body = Body(orjson.dumps(content))
        return self._answer(request, name.site, body, began, until, lambda: self._used(name))

    async def _feed(self, request: Request) -> Response:
        name, query, counts = await self._asked(request, html=False)
        began = time.perf_counter()
        content, until = await self._content(request, name, query, counts=counts)
        body = Body(feed(content, self._lists.site(name.site).title), RSS)
        return self._answer(request, name.site, body, began, until, lambda: self._used(name))

    async def _stream(self, request: Request) -> Response:
        name, query, counts = key = await self._asked(request, html=False, stream=True)
        self._clients.check_stream(self._clients.of(request))
        content = self.streams.shown(key)
        if content is None:
            content, _ = await self._content(request, name, query, counts=counts)
        return self.streams.open(request, key, content)

    async def _asked(self, request: Request, *, html: bool, stream: bool = False) -> tuple[ListName, Query, bool]:
        await self._refresher.attempted(FIRST_DEADLINE_S)
        return list_request.asked_list(request, self._lists, html=html, stream=stream)

    async def _content(
        self, request: Request, name: ListName, query: Query, *, counts: bool
    ) -> tuple[dict[str, Any], float]:
        """The answer's fields, and until when they stay true without a refresh (perf_counter)."""
        if query.is_own:
            self._clients.charge(request)
        refresher, ages = self._refresher, self._refresher.ages
        published = None
        if name.board == LATEST:
            if refresher.knows(name.site) is None:
                raise list_request.refusal([list_request.unknown_site(name.site)], [], {})
            age_ms = refresher.now_ms() - refresher.articles_read_ms
        else:
            published = await self._lists.read(name, query, FIRST_DEADLINE_S)
            published = list_request.held(published, name.site, self._lists)
            age_ms = published.age_ms(refresher.now_ms())
        list_request.check_age(age_ms, self._lists, published)
        content = await self._lists.full(
            name, query, FIRST_DEADLINE_S, counts=counts, payer=lambda: self._clients.pays_look_up(request)
        )
        if content is None:
            raise list_request.unread(self._lists)
        left_ms = (ages.gone_ms if content["stale"] else ages.stale_ms) - age_ms
        return content, time.perf_counter() + left_ms / 1000

    def _answer(
        self, request: Request, name: str, body: Body, began: float, until: float, used: Callable[[], None]
    ) -> Response:
        """In the form that the request asks for; kept for the next one, unless it is one person's alone.

        `name` is the site's; `used` is called while the answer goes on being asked for.
        """
        site = self._lists.site(name)
        body.made_ms = (time.perf_counter() - began) * 1000
        body.until = until
        wanted = asked(request.scope["headers"])
        private = tokens.fits(wanted.authorization, site.read_token) is True
        caching = cache_control(self._caching, private=private)
        entry = Entry(body, caching, site.cors, used, token=site.read_token)
        if not private:
            self._hot.put(request.scope, entry)
        return _response(entry.form(wanted))

    def _used(self, name: ListName) -> None:
        if name.board != LATEST:
            self._refresher.get(name)

    async def _preflight(self, request: Request) -> Response:
        """What a browser asks before it sends a token from another origin's page."""
        site = self._lists.site(request.path_params["rest"].partition("/")[0])
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
        return _response(script.form(asked(request.scope["headers"])))

    async def _index(self, request: Request) -> Response:
        await self._refresher.attempted(FIRST_DEADLINE_S)
        return await self._page.index(request, self._lists, self._clients)


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

        async def watched(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
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
