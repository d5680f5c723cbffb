"""Routes of days and weeks: JSON, a page, a mail and a text of each; the archive as JSON, as a page and as feeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ranker.core.periods import KINDS
from ranker.serve.api.best_of import BestOf, Delivered, archive_json
from ranker.serve.api.best_of_request import DocumentRequest, PeriodsRequest, document_request, periods_request
from ranker.serve.api.clients import Clients
from ranker.serve.http.body import HTML, JSON, JSON_FEED, RSS, TEXT, Body
from ranker.serve.http.response_cache import Headers, allowed_origin
from ranker.serve.live.board import Board
from ranker.serve.pages.best_of import feeds
from ranker.serve.pages.best_of.addresses import document_address, link_header, same_query
from ranker.serve.pages.best_of.fragment import best_of_fragment
from ranker.serve.pages.best_of.mail import mail, text
from ranker.serve.pages.best_of.page import HTML_FORM, PERIODS_A_PAGE, archive_page, page
from ranker.serve.pages.best_of.sheet import Sheet, sheet
from ranker.serve.pages.block import Block
from ranker.serve.pages.documents import NO_SCRIPT

ARCHIVE = "/v1/{site}/best-of"
DOCUMENT = ARCHIVE + "/{kind}/{date}"
CACHING = b"public, max-age=300"
"""Not immutable, though documents are: a takedown has to act."""
_PAGE_HEADERS: Headers = [(name.encode(), value.encode()) for name, value in NO_SCRIPT.items()]
_MAIL_HEADERS: Headers = [
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
]
_OF_SHEETS = ("board", "revision", "lang")


class Respond(Protocol):
    """Answers in the form that a request wants, and keeps the answer (`Web`)."""

    def __call__(
        self,
        request: Request,
        name: str,
        body: Body,
        began: float,
        until: float,
        *,
        caching: bytes | None,
        more: Headers | None,
    ) -> Response: ...


class BestOfPages:
    """`files` is the address of the front page's style."""

    def __init__(
        self, best_of: BestOf, board: Board, clients: Clients, block: Block, files: str, respond: Respond
    ) -> None:
        self._best_of = best_of
        self._board = board
        self._clients = clients
        self._block = block
        self._files = files
        self._respond = respond
        # the longer endings first: a date is all that stands before the next slash
        self.routes = [
            Route(ARCHIVE, self._archive),
            Route(ARCHIVE + ".html", self._archive_page),
            Route(ARCHIVE + "/feed.rss", self._rss),
            Route(ARCHIVE + "/feed.json", self._json_feed),
            Route(DOCUMENT + ".mail.html", self._mail),
            Route(DOCUMENT + ".html", self._page),
            Route(DOCUMENT + ".txt", self._text),
            Route(DOCUMENT, self._json),
        ]

    async def _json(self, request: Request) -> Response:
        def written(wanted: DocumentRequest, found: Delivered) -> tuple[bytes, bytes]:
            if wanted.html:
                return best_of_fragment(self._block, self._sheet(found, wanted.lang), self._today()), HTML
            return orjson.dumps(found.content), JSON

        return await self._document(request, "", ("board", "revision", "limit", "render", "lang"), written)

    async def _page(self, request: Request) -> Response:
        def written(wanted: DocumentRequest, found: Delivered) -> tuple[bytes, bytes]:
            return page(self._sheet(found, wanted.lang), found, wanted.key, self._files).encode(), HTML

        return await self._document(request, HTML_FORM, _OF_SHEETS, written, _PAGE_HEADERS)

    async def _mail(self, request: Request) -> Response:
        def written(wanted: DocumentRequest, found: Delivered) -> tuple[bytes, bytes]:
            return mail(self._sheet(found, wanted.lang)), HTML

        return await self._document(request, ".mail.html", _OF_SHEETS, written, _MAIL_HEADERS)

    async def _text(self, request: Request) -> Response:
        def written(wanted: DocumentRequest, found: Delivered) -> tuple[bytes, bytes]:
            return text(self._sheet(found, wanted.lang)), TEXT

        return await self._document(request, ".txt", _OF_SHEETS, written)

    async def _document(
        self,
        request: Request,
        form: str,
        parameters: tuple[str, ...],
        written: Callable[[DocumentRequest, Delivered], tuple[bytes, bytes]],
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> Response:
        wanted = await document_request(request, self._board, self._clients, known=parameters)
        raw = request.scope["query_string"]
        if isinstance(wanted, date):
            return self._redirect(request, document_address(*_place(request), wanted, form, same_query(raw)))
        began = time.perf_counter()
        found = await self._best_of.document(wanted)
        key = wanted.key
        newest = wanted.entry.boards[key.board]
        links = link_header(key, form, same_query(raw, "revision"), found.earlier, found.later, newest)
        headers = [*more, *([(b"link", links)] if links else [])]
        content, media_type = written(wanted, found)
        return self._answer(request, key.site, Body(content, media_type), began, headers)

    def _redirect(self, request: Request, address: str) -> Response:
        """From `latest` to the date; the next request may be led elsewhere."""
        headers = {"location": address, "cache-control": "no-cache"}
        cors = self._board.site(request.path_params["site"]).cors
        allowed, varies = allowed_origin(cors, request.headers.get("origin"))
        if varies:
            headers["vary"] = "origin"
        if allowed is not None:
            headers["access-control-allow-origin"] = allowed
        return Response(status_code=302, headers=headers)

    async def _archive(self, request: Request) -> Response:
        wanted = await periods_request(request, self._board, known=("kind", "board", "limit", "offset"))
        began = time.perf_counter()
        body = Body(orjson.dumps(archive_json(wanted.site, *self._best_of.entries(wanted))))
        return self._answer(request, wanted.site, body, began)

    async def _archive_page(self, request: Request) -> Response:
        known = ("kind", "offset", "lang")
        wanted = await periods_request(request, self._board, known=known, limit=PERIODS_A_PAGE)
        began = time.perf_counter()
        kinds = self._best_of.kinds(wanted.site)
        shown = replace(wanted, kind=wanted.kind or max(kinds, key=KINDS.index, default=KINDS[-1]))
        total, entries = self._best_of.entries(shown)
        title = self._board.site(wanted.site).title
        content = archive_page(title, shown, kinds, entries, total, self._files).encode()
        return self._answer(request, wanted.site, Body(content, HTML), began, _PAGE_HEADERS)

    async def _rss(self, request: Request) -> Response:
        return await self._feed(request, feeds.rss, RSS)

    async def _json_feed(self, request: Request) -> Response:
        return await self._feed(request, feeds.json_feed, JSON_FEED)

    async def _feed(
        self, request: Request, written: Callable[[Sequence[Sheet], str, str], bytes], media_type: bytes
    ) -> Response:
        wanted: PeriodsRequest = await periods_request(
            request, self._board, known=("kind", "board", "lang"), limit=feeds.PERIODS
        )
        self._clients.charge(self._clients.rate_limit_key(request))
        began = time.perf_counter()
        found = await self._best_of.periods(wanted, feeds.PLACES)
        title = f"{self._board.site(wanted.site).title} · Best of"
        sheets = [self._sheet(one, wanted.lang) for one in found]
        return self._answer(request, wanted.site, Body(written(sheets, title, wanted.lang), media_type), began)

    def _answer(
        self, request: Request, site: str, body: Body, began: float, headers: Headers | None = None
    ) -> Response:
        return self._respond(request, site, body, began, body.until, caching=CACHING, more=headers)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._board.now_ms() / 1000, UTC).date()

    def _sheet(self, found: Delivered, lang: str) -> Sheet:
        return sheet(found, self._board.site(found.content["site"]).title, lang)


def _place(request: Request) -> tuple[str, str]:
    return request.path_params["site"], request.path_params["kind"]
