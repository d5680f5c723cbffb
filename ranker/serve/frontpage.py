"""The page for people, at `/`: one template, plain CSS and JavaScript, in French and English. No host but this one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation, Window
from ranker.serve.hot import asked, matches
from ranker.serve.problems import ProblemError
from ranker.settings import Site

NBSP = "\u00a0"
LANGUAGE = "fr"
"""The lists are for French-language sites, whatever language a visitor's browser asks for."""
COLUMNS = tuple(DEFAULT_BOARDS)
"""Boards shown first, in this order; a generation's others follow while there is room for three."""

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
}


class Page:
    """The page's files, read once. `sites` are the configured ones."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._titles = {name: site.title for name, site in sites.items()}
        folder = resources.files(__package__).joinpath("page")
        self._files = {
            file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES
        }
        self._template = folder.joinpath("index.html").read_text("utf-8")
        self._words: dict[str, dict[str, Any]] = orjson.loads(folder.joinpath("words.json").read_bytes())

    def file(self, request: Request) -> Response:
        """One of the page's files; its address carries its hash, so it may be kept for ever."""
        name = request.path_params["name"]
        if name not in self._files:
            raise ProblemError(404, "The page has no such file.")
        headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
        return Response(self._files[name], 200, headers, _TYPES[name.rpartition(".")[2]])

    def index(self, request: Request, sites: Sequence[str], generation: Generation | None) -> Response:
        """The page of `?site=` (default: the first known) in `?lang=` (default: French)."""
        site = request.query_params.get("site") or (sites[0] if sites else "")
        if sites and site not in sites:
            raise ProblemError(404, f"Site {site!r} is neither configured nor holds any counts.", sites=sites)
        content = self._render(request, site, sites, generation).encode()
        etag = b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"'
        headers = {**_SECURITY, "cache-control": "no-cache", "etag": etag.decode()}
        if matches(asked(request.scope["headers"]).tags, etag):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, "text/html; charset=utf-8")

    def _render(self, request: Request, site: str, sites: Sequence[str], generation: Generation | None) -> str:
        lang = request.query_params.get("lang", "")
        if lang not in self._words:
            lang = LANGUAGE
        words = self._words[lang]
        windows = generation.windows if generation else DEFAULT_WINDOWS
        chosen = request.query_params.get("window", "")
        if chosen not in {window.name for window in windows}:
            chosen = windows[0].name

        def link(to_site: str, to_lang: str, text: str, *, current: bool) -> str:
            query = {"site": to_site, "lang": to_lang, "window": chosen}
            address = escape("/?" + urlencode({name: value for name, value in query.items() if value}))
            return f'<a href="{address}" lang="{to_lang}"{" aria-current=true" * current}>{escape(text)}</a>'

        fragments = {
            "settings": _data_block({"lang": lang, "site": site, "words": words}),
            "sites": _sites_nav([link(s, lang, self._titles.get(s, s), current=s == site) for s in sites], words),
            "languages": "".join(
                link(site, other, about["language"], current=other == lang) for other, about in self._words.items()
            ),
            "periods": "".join(_period_choice(window, words, checked=window.name == chosen) for window in windows),
            "boards": "".join(_board(name, words) for name in columns(generation)),
        }
        texts = {name: escape(text) for name, text in words.items() if isinstance(text, str)}
        values = texts | fragments | {"lang": lang, "title": escape(self._titles.get(site, site))}
        values |= {f"file:{name}": self._address(name) for name in self._files}
        html = self._template
        for name, value in values.items():
            html = html.replace("{{" + name + "}}", value)
        return html

    def _address(self, name: str) -> str:
        return f"/page/{name}?v={hashlib.sha256(self._files[name]).hexdigest()[:12]}"


def columns(generation: Generation | None) -> list[str]:
    """The three boards that are shown side by side."""
    boards = sorted(generation.boards) if generation else list(COLUMNS)
    return ([name for name in COLUMNS if name in boards] + [name for name in boards if name not in COLUMNS])[:3]


def period(window: Window, words: Mapping[str, Any]) -> str:
    """A window's length in words: 24 heures, 7 jours."""
    minutes = window.length_ms // 60_000
    if minutes % 1440 == 0 and minutes > 1440:
        number, unit = minutes // 1440, "day"
    elif minutes % 60 == 0:
        number, unit = minutes // 60, "hour"
    else:
        number, unit = minutes, "minute"
    return f"{number}{NBSP}{words['units'][unit]['one' if number == 1 else 'other']}"


def _period_choice(window: Window, words: Mapping[str, Any], *, checked: bool) -> str:
    name = escape(window.name)
    return (
        f'<label><input type="radio" name="window" value="{name}"{" checked" * checked}>'
        f"<span>{escape(period(window, words))}</span></label>"
    )


def _board(name: str, words: Mapping[str, Any]) -> str:
    heading = words["boards"].get(name, name.replace("_", " ").capitalize())
    shown = escape(name)
    return (
        f'<section class="board" data-board="{shown}" aria-labelledby="board-{shown}">'
        f'<h2 id="board-{shown}">{escape(heading)}</h2><ol></ol></section>'
    )


def _sites_nav(links: Sequence[str], words: Mapping[str, Any]) -> str:
    """A choice only where there is one; beyond 12 sites the address bar serves better."""
    if not 1 < len(links) <= 12:
        return ""
    return f'<span class="sites" aria-label="{escape(words["site"])}" role="group">{"".join(links)}</span>'


def _data_block(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return orjson.dumps(value).decode().replace("<", "\\u003c")
