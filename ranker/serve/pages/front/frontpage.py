"""The page for people, at `/`: one template, plain CSS and JavaScript, in French and English. No host but this one."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ranker.core.generation import DEFAULT_WINDOWS, LATEST, Generation, Window
from ranker.lists.boards import SIDE_BY_SIDE, first_boards, ordered_boards
from ranker.serve.clients import Clients
from ranker.serve.hot import asked, matches
from ranker.serve.lists import Lists
from ranker.serve.pages.front.firstpaint import NBSP, rows
from ranker.serve.problems import ProblemError
from ranker.serve.query import Query, parse, shown
from ranker.service.scripts import FOREVER
from ranker.settings import Site
from ranker.store.question import ListName

LANGUAGE = "fr"
"""The lists are for French-language sites, whatever language a visitor's browser asks for."""
PLACES = 10
NEWEST = 6
MAX_NAMED = 20
"""So many sites are named to who asks for one that is not there."""
FIRST_S = 1.0
"""How long the page waits for lists that nobody has asked for lately; without them it fills itself."""

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class _Choice:
    """What the address asks for, as far as there is such a thing."""

    site: str
    lang: str
    window: str
    boards: Sequence[str]
    section: str
    format: str

    @property
    def filters(self) -> dict[str, str]:
        return {name: value for name in ("section", "format") if (value := getattr(self, name))}


class Page:
    """The page's files, read once. `sites` are the configured ones."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._titles = {name: site.title for name, site in sites.items()}
        folder = resources.files(__package__)
        self._files = {
            file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES
        }
        together = b"".join(name.encode() + content for name, content in sorted(self._files.items()))
        self._version = hashlib.sha256(together).hexdigest()[:12]
        self._template = folder.joinpath("index.html").read_text("utf-8")
        self._words: dict[str, dict[str, Any]] = orjson.loads(folder.joinpath("words.json").read_bytes())

    def file(self, request: Request) -> Response:
        """One of the page's files; its address carries the version of all, so it may be kept for ever.

        Under another version, as pages of other readers ask during a deploy, it is served all the same, not to be kept.
        """
        name = request.path_params["name"]
        if name not in self._files:
            raise ProblemError(404, "The page has no such file.")
        current = request.path_params["version"] == self._version
        headers = {
            "cache-control": FOREVER.decode() if current else "no-cache",
            "x-content-type-options": "nosniff",
        }
        return Response(self._files[name], 200, headers, _TYPES[name.rpartition(".")[2]])

    async def index(self, request: Request, lists: Lists, clients: Clients) -> Response:
        """The page of `?site=` (default: the first known) in `?lang=` (default: French), with its lists as of now."""
        sites = lists.refresher.sites
        site = request.query_params.get("site") or (sites[0] if sites else "")
        if sites and site not in sites:
            raise ProblemError(
                404,
                f"Site {shown(site)} is not configured and has neither counts nor articles.",
                sites=sites[:MAX_NAMED],
            )
        generation = lists.refresher.generation
        choice = self._choice(request, site, generation)
        if choice.filters:
            clients.charge(request, len(choice.boards) + 1)
        found = await _first(lists, choice, generation) if sites and generation else {}
        content = self._render(choice, sites, generation, found).encode()
        etag = b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"'
        headers = {**_SECURITY, "cache-control": "no-cache", "etag": etag.decode()}
        if matches(asked(request.scope["headers"]).tags, etag):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, "text/html; charset=utf-8")

    def _choice(self, request: Request, site: str, generation: Generation | None) -> _Choice:
        given = request.query_params
        names = [window.name for window in _windows(generation)]
        window, lang = given.get("window", ""), given.get("lang", "")
        chosen = [name for name in ordered_boards(generation) if name in given.getlist("boards")]
        return _Choice(
            site,
            lang if lang in self._words else LANGUAGE,
            window if window in names else names[0],
            chosen[:SIDE_BY_SIDE] or first_boards(generation),
            _offered(given.get("section", "")),
            _offered(given.get("format", "")),
        )

    def _render(
        self,
        choice: _Choice,
        sites: Sequence[str],
        generation: Generation | None,
        found: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> str:
        words, lang = self._words[choice.lang], choice.lang
        windows = _windows(generation)
        headings = {name: _heading(name, words) for name in ordered_boards(generation)}

        def link(to_site: str, to_lang: str, text: str, *, current: bool) -> str:
            query = [("site", to_site), ("lang", to_lang), ("window", choice.window)]
            if len(headings) > SIDE_BY_SIDE:
                query += [("boards", name) for name in choice.boards]
            if to_site == choice.site:  # sections and formats are a site's own
                query += choice.filters.items()
            address = escape("/?" + urlencode([(name, value) for name, value in query if value]))
            return f'<a href="{address}" lang="{to_lang}"{" aria-current=true" * current}>{escape(text)}</a>'

        settings = {
            "lang": lang,
            "site": choice.site,
            "words": words,
            "boards": [{"name": name, "heading": heading} for name, heading in headings.items()],
            "shown": choice.boards,
            "windows": [{"name": window.name, "period": period(window, words)} for window in windows],
        }
        links = [link(site, lang, self._titles.get(site, site), current=site == choice.site) for site in sites]
        fragments = {
            "settings": _data_block(settings),
            "modules": "".join(
                f'<link rel="modulepreload" href="/page/{self._version}/{name}">'
                for name in sorted(self._files)
                if name.endswith(".js")
            ),
            "sites": _sites_nav(links, words),
            "languages": "".join(
                link(choice.site, other, about["language"], current=other == lang)
                for other, about in self._words.items()
            ),
            "periods": "".join(_period_choice(one, words, checked=one.name == choice.window) for one in windows),
            "sections": _options(words["all_sections"], choice.section),
            "formats": _options(words["all_formats"], choice.format),
            "chips": _chips(headings, choice.boards, words),
            "boards": "".join(
                _board(name, headings[name], rows(found.get(name, ()), name, words, lang)) for name in choice.boards
            ),
            "newest": rows(found.get(LATEST, ()), LATEST, words, lang),
        }
        texts = {name: escape(text) for name, text in words.items() if isinstance(text, str)}
        values = texts | {"title": escape(self._titles.get(choice.site, choice.site)), "site_id": escape(choice.site)}
        values |= {"files": f"/page/{self._version}", "lang": lang}
        parts = re.split(r"\{\{(\w+)\}\}", self._template)
        known = values | fragments
        return "".join(known[part] if at % 2 else part for at, part in enumerate(parts))


def _offered(name: str) -> str:
    """A section or format as the page offers them: the API's way of leaving one out is none of them."""
    return "" if name.startswith("-") else name[:64]


async def _first(lists: Lists, choice: _Choice, generation: Generation) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The items of each list that is to be shown; of those that cannot be had in time, nothing."""
    counts = lists.site(choice.site).show_counts
    newest = ListName(choice.site, LATEST, generation.longest.name)
    names = [ListName(choice.site, board, choice.window) for board in choice.boards]

    def query(limit: int) -> Query:
        return parse(urlencode({"limit": limit, **choice.filters}).encode(), html=False)[0]

    await asyncio.gather(*(lists.read(name, query(PLACES), FIRST_S) for name in names))
    wanted = [(name, query(PLACES)) for name in names] + [(newest, query(NEWEST))]
    contents = {name.board: lists.content(name, asked_for, counts=counts) for name, asked_for in wanted}
    return {board: content["items"] for board, content in contents.items() if content and not _gone(lists, content)}


def _gone(lists: Lists, content: Mapping[str, Any]) -> bool:
    """Whether the API would refuse the list, for its age."""
    age_ms = lists.refresher.now_ms() - datetime.fromisoformat(content["as_of"]).timestamp() * 1000
    return age_ms > lists.refresher.ages.gone_ms


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


def _windows(generation: Generation | None) -> Sequence[Window]:
    return generation.windows if generation else DEFAULT_WINDOWS


def _heading(board: str, words: Mapping[str, Any]) -> str:
    heading: str = words["boards"].get(board, board.replace("_", " ").capitalize())
    return heading


def _period_choice(window: Window, words: Mapping[str, Any], *, checked: bool) -> str:
    name = escape(window.name)
    return (
        f'<label><input type="radio" name="window" value="{name}"{" checked" * checked}>'
        f"<span>{escape(period(window, words))}</span></label>"
    )


def _chips(headings: Mapping[str, str], shown: Sequence[str], words: Mapping[str, Any]) -> str:
    """A choice of boards, where there are more than fit beside each other."""
    if len(headings) <= SIDE_BY_SIDE:
        return ""
    chips = "".join(
        f'<label><input type="checkbox" name="boards" value="{escape(name)}"{" checked" * (name in shown)}>'
        f"<span>{escape(heading)}</span></label>"
        for name, heading in headings.items()
    )
    return f'<fieldset class="chips"><legend class="aside">{escape(words["lists"])}</legend>{chips}</fieldset>'


def _options(all_of_them: str, chosen: str) -> str:
    """The choices of a filter that are known before the site has been asked for its own."""
    options = f'<option value="">{escape(all_of_them)}</option>'
    return options + (f'<option value="{escape(chosen)}" selected>{escape(chosen)}</option>' if chosen else "")


def _board(name: str, heading: str, items: str) -> str:
    shown = escape(name)
    return (
        f'<section class="board" data-board="{shown}" aria-labelledby="board-{shown}">'
        f'<h2 id="board-{shown}" tabindex="-1">{escape(heading)}</h2><ol>{items}</ol></section>'
    )


def _sites_nav(links: Sequence[str], words: Mapping[str, Any]) -> str:
    """A choice only where there is one; beyond 12 sites the address bar serves better."""
    if not 1 < len(links) <= 12:
        return ""
    return f'<span class="sites" aria-label="{escape(words["site"])}" role="group">{"".join(links)}</span>'


def _data_block(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return orjson.dumps(value).decode().replace("<", "\\u003c")
