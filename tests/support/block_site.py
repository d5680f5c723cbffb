"""A small site with the block on its pages: what tests of the block open in a browser."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ranker.serve.pages.block.files import Block
from ranker.service.http_server import serving
from ranker.service.public_port import PublicPort
from tests.support.published_scripts import BLOCK

MINUTE_MS = 60_000
DAY_MIN = 24 * 60
ARTICLES = (
    ("À Port-Aulne, la marée ne rend plus ce qu’elle prend", "enquête", "Environnement", 310),
    ("Dans les coulisses du dernier cinéma de quartier", "décryptage", "Culture", 61),
    ("Pourquoi la facture d’eau va doubler d’ici à 2030", "pépites", "Économie", DAY_MIN),
    ("Une nuit avec les éclusiers du canal, entre deux crues et un moteur en panne", "light", "Société", 3 * DAY_MIN),
    ("Football\u00a0: l’improbable remontée des Corsaires", "rendez-vous", "Sport", 0),
    ("Bibliothèques\u00a0: la fin des amendes", "décryptage", "Culture", 12),
    ("Le retour inattendu de la machine à écrire", "enquête", "Société", 75 * DAY_MIN),
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def moment(ago_min: float) -> str:
    return (
        datetime.fromtimestamp((now_ms() - ago_min * MINUTE_MS - 1000) / 1000, UTC).isoformat().replace("+00:00", "Z")
    )


def answer(board: str = "read", window: str = "24h", **changes: Any) -> dict[str, Any]:
    """A list as the API gives it: seven articles, in another order on every board and window."""
    turn = {"read": 0, "commented": 2, "shared": 4}.get(board, 1) + 3 * (window != "24h")
    items = [
        {
            "rank": rank,
            "article_id": f"/{title[:12]}",
            "count": 21_758 // (rank * rank) if rank < 7 else 1,
            "share": 0.1,
            "title": title,
            "url": f"https://demo.example/{rank}",
            "format": kind,
            "section": section,
            "published_at": moment(ago_min),
        }
        for rank, (title, kind, section, ago_min) in enumerate(ARTICLES[turn % 7 :] + ARTICLES[: turn % 7], 1)
    ]
    return {
        "site": "demo",
        "board": board,
        "window": {"name": window, "from": moment(DAY_MIN), "to": moment(0), "grain_s": 60},
        "as_of": moment(0),
        "complete": True,
        "stale": False,
        "total": 40_000,
        "items": items,
    } | changes


@dataclass
class Site:
    """What the small site answers; `origin` has the pages, `api` (another origin) the script and the lists."""

    origin: str = ""
    api: str = ""
    block: Block = field(default_factory=Block)
    pages: dict[str, str] = field(default_factory=dict)
    css: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of every list that are not as `answer` has them."""
    away: bool = False
    asked: list[str] = field(default_factory=list)

    def element(self, attributes: str = "", inside: str = "") -> str:
        return (
            f'<articles-populaires src="{self.api}" site="demo" limit="7" {attributes}>{inside}</articles-populaires>'
        )

    def page(self, body: str, *, lang: str = "fr", head: str = "") -> str:
        """Publishes a page with the script as the README says, under a strict policy; its address."""
        script = BLOCK.line(self.api)
        address = f"/{len(self.pages)}"
        self.pages[address] = (
            f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>Page</title>'
            '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css">'
            f"{head or script}<main><h1>Page</h1>{body}<p>After.</p></main></html>"
        )
        return self.origin + address

    @property
    def policy(self) -> str:
        return (
            f"default-src 'none'; script-src {self.api}; connect-src {self.api}; style-src 'self' {self.block.style_source}; "
            "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    site = Site()

    async def page(request: Request) -> Response:
        html = site.pages[request.url.path]
        # A page that brings a policy of its own has that one.
        headers = {} if "Content-Security-Policy" in html else {"content-security-policy": site.policy}
        return Response(html, 200, headers, "text/html; charset=utf-8")

    async def style(_: Request) -> Response:
        return Response(site.css, media_type="text/css; charset=utf-8")

    async def script(request: Request) -> Response:
        served = {"/block.js": site.block.script, **site.block.scripts}
        headers = {"access-control-allow-origin": "*"}
        return Response(served[request.url.path], 200, headers, "text/javascript; charset=utf-8")

    async def popular(request: Request) -> Response:
        site.asked.append(f"{request.url.path}?{request.url.query}")
        headers = {"access-control-allow-origin": "*", "cache-control": "no-store"}
        if site.away:
            return Response(status_code=503, headers=headers)
        names = request.path_params
        return JSONResponse(answer(names["board"], names["window"], **site.changes), headers=headers)

    routes = [
        Route("/page.css", style),
        Route("/block.js", script),
        Route("/block.{version}.js", script),
        Route("/v1/{site}/popular/{board}/{window}", popular),
        Route("/{number:int}", page),
    ]
    app = Starlette(routes=routes)
    async with serving(app, "127.0.0.1", 0, PublicPort()) as near, serving(app, "127.0.0.1", 0, PublicPort()) as far:
        site.origin, site.api = f"http://127.0.0.1:{near}", f"http://127.0.0.1:{far}"
        yield site
