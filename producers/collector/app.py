"""The public port's application: from a whole request to its response, as in schemas/openapi-collector.yaml."""

from __future__ import annotations

import dataclasses
import logging
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from producers.collector.admission import Bounds, admit
from producers.collector.arrivals import Arrivals
from producers.collector.authorize import Sites, Speaker
from producers.collector.delivery.outbox import Outbox, OutboxFullError
from producers.collector.http import answers, body, tracker
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.metrics import CollectorMetrics
from producers.collector.salt import Salts
from producers.collector.settings import RuleNeeds
from producers.collector.validate import ignored_fields, ignored_parameters
from producers.event import PageView
from ranker.service.address import Address, Addresses, rate_limit_key
from ranker.service.problems import NO_STORE, NOSNIFF

PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""43 bytes of GIF: one transparent pixel."""
RETRY_FULL_S = 10
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
_PREFETCH = (b"sec-purpose", b"purpose", b"x-moz")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A whole request; `headers` by their names in lower case, `address` the client's, behind known proxies."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    address: Address
    body: bytes

    @property
    def route(self) -> str | None:
        """One of _METHODS; None if the path is none of them."""
        if _VERSIONED.fullmatch(self.path):
            return "/tracker.{version}.js"
        return self.path if self.path in _METHODS else None

    @property
    def is_prefetch(self) -> bool:
        """Whether a browser prefetches it, so that the page may never be seen."""
        purposes = b" ".join(self.headers.get(name, b"") for name in _PREFETCH).lower()
        return b"prefetch" in purposes or b"prerender" in purposes

    @property
    def forbids_linking(self) -> bool:
        """Whether its reader does not want to be recognised (Global Privacy Control)."""
        return self.headers.get(b"sec-gpc") == b"1"


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
        self._bounds = bounds
        self._outbox = outbox
        self._metrics = metrics
        self._drops_internal = needs.drops_internal
        self._arrivals = Arrivals(salts, needs, bounds, metrics)
        self._now_ms = now_ms
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
        route = request.route or "other"
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
        if not request.path.startswith("/v1/"):
            return answer
        origin = request.headers.get(b"origin")
        allowed = [(b"access-control-allow-origin", origin)] if origin and self._sites.allows(origin) else []
        return dataclasses.replace(answer, headers=[*answer.headers, answers.VARY, *allowed])

    async def _answer(self, request: Request) -> Answer:
        if request.route is None:
            return answers.problem(RefusedError(404, "path", "There is nothing here; GET / says what there is."))
        allowed = _METHODS[request.route]
        if request.method not in allowed:
            answer = answers.problem(
                RefusedError(405, "method", f"Use {allowed[0]} here; allowed are {' and '.join(allowed)}.")
            )
            return dataclasses.replace(answer, headers=[*answer.headers, (b"allow", ", ".join(allowed).encode())])
        match request.route:
            case "/v1/events":
                return self._preflight(request) if request.method == "OPTIONS" else await self._events(request)
            case "/v1/view.gif":
                return await self._pixel(request)
            case tracker.LATEST | "/tracker.{version}.js":
                return tracker.answer(request.path, request.headers)
        return Answer(200, _INDEX, [(b"content-type", b"text/plain; charset=utf-8"), NO_STORE, NOSNIFF])

    def _preflight(self, request: Request) -> Answer:
        self._sites.by_origin(request.headers.get(b"origin", b""))
        return Answer(
            204,
            headers=[
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", b"content-type"),
                (b"access-control-max-age", b"7200"),
            ],
        )

    async def _events(self, request: Request) -> Answer:
        body.check_kind(request.headers.get(b"content-type", b""), request.headers.get(b"content-encoding", b""))
        speaker = self._sites.speaker(request.headers)
        try:
            items = body.events(request.body)
        except RefusedError:
            self._charge(request, speaker, 1)
            raise
        self._charge(request, speaker, len(items))
        content = await self._accept(items, request, speaker)
        if ignored := ignored_fields(items):
            content["ignored_fields"] = ignored
        if dropped := ignored_parameters(items, speaker.site.ids):
            content["ignored_parameters"] = dropped
        return answers.json(207 if "rejected" in content else 202, content)

    async def _pixel(self, request: Request) -> Answer:
        headers = [(b"content-type", b"image/gif"), NO_STORE, NOSNIFF, answers.CROSS_ORIGIN]
        if request.method == "GET":
            speaker = self._sites.speaker(request.headers, referred=True)
            item = {"article_id": _article(request.query)}
            self._charge(request, speaker, 1)
            content = await self._accept([item], request, speaker)
            if "counted_as" in content:
                headers.append((b"counted-as", content["counted_as"].encode()))
        return Answer(200, PIXEL, headers)

    def _charge(self, request: Request, speaker: Speaker, count: int) -> None:
        """Raises RefusedError if the key, or without one the address, has sent too much."""
        now_s = self._now_ms() / 1000
        if speaker.keyed:
            wait_s, reason, whose = self._bounds.keys.take(speaker.site_id, count, now_s), "key_rate", "with this key"
        else:
            name = rate_limit_key(request.address)
            wait_s, reason, whose = self._bounds.clients.take(name, count, now_s), "client_rate", "from this address"
        if wait_s:
            raise RefusedError(429, reason, f"Too many events {whose}.", retry_s=wait_s)

    async def _accept(self, items: list[Any], request: Request, speaker: Speaker) -> dict[str, Any]:
        """The response: how many events are durable now, and the outcomes of the others.

        Raises RefusedError if every event has a fault.
        """
        if request.is_prefetch:
            self._metrics.ignored_events.labels(reason="prefetch").inc(len(items))
            return {"accepted": 0}
        found = admit(items, speaker, self._arrivals.of(request, speaker, self._now_ms()), self._bounds)
        for fault in found.rejected:
            self._metrics.rejected_events.labels(reason=fault["reason"]).inc()
        if len(found.rejected) == len(items):
            if found.wait_s:
                raise RefusedError(
                    429, "new_articles", "Too many new articles.", retry_s=found.wait_s, rejected=found.rejected
                )
            raise RefusedError(400, "all_rejected", "No event was accepted.", rejected=found.rejected)
        if found.accepted:
            await self._store(found.accepted, request, speaker)
        content: dict[str, Any] = {"accepted": len(found.accepted)}
        classes = {view.agent_class for view in found.accepted}
        if classes == {"bot"} or (classes == {"internal"} and self._drops_internal):
            content["counted_as"] = classes.pop()
        if found.rejected:
            content["rejected"] = found.rejected
        if found.not_counted:
            self._metrics.ignored_events.labels(reason="client_article_hour").inc(len(found.not_counted))
            content["not_counted"] = found.not_counted
        return content

    async def _store(self, events: list[PageView], request: Request, speaker: Speaker) -> None:
        try:
            await self._outbox.accept(events)
        except OutboxFullError:
            raise RefusedError(
                503, "full", "Events cannot be stored now; send them again later.", retry_s=RETRY_FULL_S
            ) from None
        self._arrivals.count_missing(events, request, speaker)


def _article(query: bytes) -> str:
    """The one article that a query names; bytes that are not UTF-8 are halves of surrogate pairs."""
    pairs = parse_qsl(query.decode("ascii", _BYTES), keep_blank_values=True, errors=_BYTES)
    named = [value for name, value in pairs if name == "article_id"]
    if len(named) != 1:
        raise RefusedError(400, "malformed", "Name one article: /v1/view.gif?article_id=…, percent-encoded.")
    return named[0]
