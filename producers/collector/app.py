"""The public port's application: from a whole request to its response, as in schemas/openapi-collector.yaml."""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from producers.collector.acceptance import Acceptance
from producers.collector.admission import Bounds
from producers.collector.authorize import Sites
from producers.collector.beacons.beacon_routes import BeaconRoutes
from producers.collector.delivery.outbox import Outbox
from producers.collector.http import answers, body, tracker
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request
from producers.collector.metrics import CollectorMetrics
from producers.collector.salt import Salts
from producers.collector.settings import RuleNeeds
from producers.collector.validate import ignored_fields, ignored_parameters
from ranker.service.address import Addresses
from ranker.service.problems import NO_STORE, NOSNIFF

_INDEX = b"This collects page views: POST /v1/events, GET /v1/view.gif, GET /tracker.js.\n"
_METHODS = {
    "/v1/events": ("POST", "OPTIONS"),
    "/v1/view.gif": ("GET", "HEAD"),
    tracker.LATEST: ("GET", "HEAD"),
    "/tracker.{version}.js": ("GET", "HEAD"),
    "/": ("GET", "HEAD"),
}
_VERSIONED = re.compile(r"/tracker\.[^/.]+\.js")
_BYTES = "surrogateescape"
_log = logging.getLogger(__name__)


class Web:
    """`salts` is None if neither a site nor a rule needs any."""

    def __init__(
        self,
        sites: Sites,
        addresses: Addresses,
        bounds: Bounds,
        outbox: Outbox,
        salts: Salts | None,
        metrics: CollectorMetrics,
        needs: RuleNeeds,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._sites = sites
        self._addresses = addresses
        self._metrics = metrics
        self._acceptance = Acceptance(bounds, outbox, salts, metrics, needs, now_ms)
        self._beacons = BeaconRoutes(sites, self._acceptance, metrics)
        self._methods = {**_METHODS, **self._beacons.methods}
        self._is_proxy_logged = False

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI; the first message has the whole body."""
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        started = time.perf_counter()
        headers = scope["headers"]
        peer = scope["client"][0] if scope["client"] else None
        forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
        address = self._addresses.of(peer, forwarded)
        if forwarded and address.is_private and str(address) == peer:
            self._warn_of_proxy()
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            dict(headers),
            address,
            message["body"],
        )
        answer = await self._answered(request)
        route = self._route(request.path) or "other"
        self._metrics.requests.labels(route=route, status=answer.status).inc()
        self._metrics.request_duration_seconds.labels(route=route).observe(time.perf_counter() - started)
        await answers.send_answer(answer, send)

    def refused(self, status: int, reason: str) -> None:
        """Counts a request that ended before this application."""
        self._metrics.refused_requests.labels(reason=reason).inc()
        self._metrics.requests.labels(route="other", status=status).inc()

    def _warn_of_proxy(self) -> None:
        """Warns once: the fault could stay hidden, since one client's limit is enough for a small site."""
        if not self._is_proxy_logged:
            self._is_proxy_logged = True
            _log.warning(
                "a proxy in a private network is not named in collect.proxies: all readers behind it are one client"
            )

    async def _answered(self, request: Request) -> Answer:
        try:
            answer = await self._answer(request)
        except RefusedError as refused:
            self._metrics.refused_requests.labels(reason=refused.reason).inc()
            answer = answers.problem(refused)
        except Exception as error:  # whatever it is, its text could repeat what was sent: the log has its place alone
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("a request failed", extra={"why": type(error).__name__, "at": f"{place.name}:{place.lineno}"})
            answer = answers.problem(RefusedError(500, "failed", "The collector failed; its log says where."))
        is_beacon = request.path in self._beacons.methods
        if not (is_beacon or request.path.startswith("/v1/")):
            return answer
        origin = request.headers.get(b"origin")
        allowed = [(b"access-control-allow-origin", origin)] if origin and self._sites.allows(origin) else []
        if allowed and is_beacon:
            # matomo.js sends with credentials, and again by an image if the browser withholds the answer from it.
            allowed.append((b"access-control-allow-credentials", b"true"))
        return answers.with_headers(answer, [answers.VARY, *allowed])

    async def _answer(self, request: Request) -> Answer:
        route = self._route(request.path)
        if route is None:
            return answers.problem(RefusedError(404, "path", "There is nothing here; GET / says what there is."))
        allowed = self._methods[route]
        if request.method not in allowed:
            answer = answers.problem(
                RefusedError(405, "method", f"Use {allowed[0]} here; allowed are {' and '.join(allowed)}.")
            )
            return answers.with_headers(answer, [(b"allow", ", ".join(allowed).encode())])
        match route:
            case "/v1/events":
                return self._preflight(request) if request.method == "OPTIONS" else await self._events(request)
            case "/v1/view.gif":
                return await self._pixel(request)
            case tracker.LATEST | "/tracker.{version}.js":
                return tracker.answer(request.path, request.headers)
            case "/":
                return Answer(200, _INDEX, [(b"content-type", b"text/plain; charset=utf-8"), NO_STORE, NOSNIFF])
        return await self._beacons.answer(request)

    def _preflight(self, request: Request) -> Answer:
        self._sites.by_origin(request.headers.get(b"origin", b""))
        return answers.preflight(("POST",), b"content-type")

    def _route(self, path: str) -> str | None:
        """One that is served; None if the path is none of them."""
        if _VERSIONED.fullmatch(path):
            return "/tracker.{version}.js"
        return path if path in self._methods else None

    async def _events(self, request: Request) -> Answer:
        body.check_kind(request.headers.get(b"content-type", b""), request.headers.get(b"content-encoding", b""))
        speaker = self._sites.speaker(request.headers)
        try:
            items = body.events(request.body)
        except RefusedError:
            self._acceptance.charge(request, speaker, 1)
            raise
        self._acceptance.charge(request, speaker, len(items))
        content = await self._acceptance.accept(items, request, speaker)
        if ignored := ignored_fields(items):
            content["ignored_fields"] = ignored
        if dropped := ignored_parameters(items, speaker.site.ids):
            content["ignored_parameters"] = dropped
        return answers.json(207 if "rejected" in content else 202, content)

    async def _pixel(self, request: Request) -> Answer:
        counted_as = []
        if request.method == "GET":
            speaker = self._sites.speaker(request.headers, referred=True)
            item = {"article_id": _article(request.query)}
            self._acceptance.charge(request, speaker, 1)
            content = await self._acceptance.accept([item], request, speaker)
            if "counted_as" in content:
                counted_as.append((b"counted-as", content["counted_as"].encode()))
        return answers.image(*counted_as)


def _article(query: bytes) -> str:
    """The one article that a query names; bytes that are not UTF-8 are halves of surrogate pairs."""
    pairs = parse_qsl(query.decode("ascii", _BYTES), keep_blank_values=True, errors=_BYTES)
    named = [value for name, value in pairs if name == "article_id"]
    if len(named) != 1:
        raise RefusedError(400, "malformed", "Name one article: /v1/view.gif?article_id=…, percent-encoded.")
    return named[0]
