"""The page for people, at `/`: one template, plain CSS and JavaScript, in French and English. No host but this one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ranker.core.generation import LATEST, Generation, ListName, Window
from ranker.core.rising_boards import RisingBoard
from ranker.lists.boards import SIDE_BY_SIDE, first_boards, ordered_boards
from ranker.serve.api.best_of import BestOf
from ranker.serve.api.clients import Clients
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query, parse, quoted
from ranker.serve.http.problems import ProblemError
from ranker.serve.live.board import Board
from ranker.serve.pages.best_of.newest import NewestPeriod, newest_period
from ranker.serve.pages.counted import what_counts
from ranker.serve.pages.documents import HTML, document
from ranker.serve.pages.rows import Row, rows
from ranker.serve.pages.speech import MINUTE_MS, Speech
from ranker.serve.pages.templates import environment
from ranker.service.scripts import FOREVER
from ranker.settings import DEFAULT_GENERATION, Site

LANGUAGE = "fr"
"""The lists are for French-language sites, whatever language a visitor's browser prefers."""
PLACES = 10
NEWEST = 6
MOST_SITES = 12
"""If there are more, the page offers no choice: the address bar serves better."""
MAX_NAMED = 20
"""So many sites are named if the requested one does not exist."""
FIRST_S = 1.0
"""How long the page waits for lists that were not requested lately; without them it fills itself."""

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "referrer-policy": "strict-origin-when-cross-origin",
}


@dataclass(frozen=True)
class _Choice:
    """The valid parameters of the address."""

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
    """The page's files, read once. `sites` are the configured ones, `unusual` windows no choice."""

    def __init__(self, sites: Mapping[str, Site], unusual: Collection[str] = ()) -> None:
        self._unusual = unusual
        self._titles = {name: site.title for name, site in sites.items()}
        folder = resources.files(__package__)
        self._files = {
            file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES
        }
        for path in ("row.js", "best_of/best-of.css"):
            file = resources.files("ranker.serve.pages").joinpath(path)
            self._files[file.name] = file.read_bytes()
        together = b"".join(name.encode() + content for name, content in sorted(self._files.items()))
        self._version = hashlib.sha256(together).hexdigest()[:12]
        self.address = f"/page/{self._version}"
        """Where the files are."""
        self._modules = [f"{self.address}/{name}" for name in sorted(self._files) if name.endswith(".js")]
        self._template = environment.get_template("front/index.html")
        self._words: dict[str, dict[str, Any]] = orjson.loads(folder.joinpath("words.json").read_bytes())

    def file(self, request: Request) -> Response:
        """One of the page's files; its address carries the version of all, so it may be kept for ever.

        Under another version, as pages of other readers request it during a deploy, it is served too, not to be kept.
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

    async def index(self, request: Request, board: Board, lists: Lists, best_of: BestOf, clients: Clients) -> Response:
        """The page of `?site=` (default: the first known) in `?lang=` (default: French), with its lists as of now."""
        sites = board.sites
        site = request.query_params.get("site") or (sites[0] if sites else "")
        if sites and site not in sites:
            raise ProblemError(
                404,
                f"Site {quoted(site)} is not configured and has neither counts nor articles.",
                sites=sites[:MAX_NAMED],
            )
        generation = board.generation
        choice = self._choice(request, site, generation, board.rising)
        if choice.filters:
            clients.charge(clients.rate_limit_key(request), len(choice.boards) + 1)
        found = await _first(board, lists, choice, generation) if sites and generation else {}
        receipts = bool(sites) and board.all_show_counts
        period = await newest_period(best_of, board, choice.site, choice.lang, FIRST_S)
        content = self._render(choice, sites, generation, board.rising, found, period, receipts=receipts).encode()
        return document(request, content, HTML, _SECURITY)

    def _windows(self, generation: Generation | None) -> Sequence[Window]:
        windows = (generation or DEFAULT_GENERATION).windows
        return [window for window in windows if window.name not in self._unusual] or windows

    def _choice(
        self, request: Request, site: str, generation: Generation | None, rising: Mapping[str, RisingBoard]
    ) -> _Choice:
        given = request.query_params
        names = [window.name for window in self._windows(generation)]
        window, lang = given.get("window", ""), given.get("lang", "")
        chosen = [name for name in ordered_boards(generation, rising) if name in given.getlist("boards")]
        return _Choice(
            site,
            lang if lang in self._words else LANGUAGE,
            window if window in names else names[0],
            chosen[:SIDE_BY_SIDE] or first_boards(generation, rising),
            _filter_value(given.get("section", "")),
            _filter_value(given.get("format", "")),
        )

    def _render(
        self,
        choice: _Choice,
        sites: Sequence[str],
        generation: Generation | None,
        rising: Mapping[str, RisingBoard],
        found: Mapping[str, Sequence[Mapping[str, Any]]],
        period: NewestPeriod | None,
        *,
        receipts: bool,
    ) -> str:
        """`receipts`: whether they are given without a token."""
        speech = Speech(_with_rising(self._words[choice.lang], rising), choice.lang)
        headings = {name: speech.board(name) for name in ordered_boards(generation, rising)}
        known = generation or DEFAULT_GENERATION
        periods = {window.name: speech.length(window.length_ms // MINUTE_MS) for window in known.windows}
        several = len(headings) > SIDE_BY_SIDE

        def link(site: str, lang: str) -> str:
            query = [("site", site), ("lang", lang), ("window", choice.window)]
            if several:
                query += [("boards", name) for name in choice.boards]
            if site == choice.site:  # sections and formats are a site's own
                query += choice.filters.items()
            return "/?" + urlencode([(name, value) for name, value in query if value])

        def board_rows(board: str) -> list[Row]:
            if board in rising:
                period = periods[rising[board].recent]
                return rows(found.get(board, ()), speech, lambda item: speech.rise(item["times"], period))
            return rows(found.get(board, ()), speech, lambda item: speech.count(item["count"], board))

        def about(board: str) -> dict[str, Any]:
            """What page.js knows of a board; a rising one has a window of its own, and counts those of another."""
            one = rising.get(board)
            of = board if one is None else one.of
            fixed = {} if one is None else {"of": of, "window": one.recent, "period": periods[one.recent]}
            return {"name": board, "heading": headings[board], "views": "view" in known.boards[of], **fixed}

        settings = {
            "lang": choice.lang,
            "site": choice.site,
            "words": speech.words,
            "boards": [about(name) for name in headings],
            "shown": choice.boards,
            "windows": [{"name": one.name, "period": periods[one.name]} for one in self._windows(generation)],
        }
        offered = sites if 1 < len(sites) <= MOST_SITES else ()
        return self._template.render(
            settings=settings,
            choice=choice,
            words=speech.words,
            files=self.address,
            modules=self._modules,
            title=self._titles.get(choice.site, choice.site),
            sites=[
                (link(one, choice.lang), choice.lang, one == choice.site, self._titles.get(one, one)) for one in offered
            ],
            languages=[
                (link(choice.site, lang), lang, lang == choice.lang, words["language"])
                for lang, words in self._words.items()
            ],
            several=several,
            boards=[
                (
                    name,
                    headings[name],
                    board_rows(name),
                    _receipt(choice, name) if receipts and generation and name not in rising else None,
                )
                for name in choice.boards
            ],
            newest=board_rows(LATEST),
            best_of=period,
            counts=what_counts(generation, speech) if generation else "",
        )


def _receipt(choice: _Choice, board: str) -> dict[str, str]:
    """Where a list's receipt is, and what the file is called; page.js makes the same of another list."""
    return {
        "address": f"/v1/{choice.site}/popular/{board}/{choice.window}?receipt=true",
        "file": f"receipt-{choice.site}-{board}-{choice.window}.json",
    }


def _filter_value(name: str) -> str:
    """A section or format as the page offers them: the API's way of leaving one out is none of them."""
    return "" if name.startswith("-") else name[:64]


async def _first(
    board: Board, lists: Lists, choice: _Choice, generation: Generation
) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The items of each list that is to be shown; of those that cannot be had in time, nothing."""
    counts = board.site(choice.site).show_counts
    newest = ListName(choice.site, LATEST, generation.longest.name)
    rising = board.rising
    names = [
        ListName(choice.site, name, rising[name].recent if name in rising else choice.window) for name in choice.boards
    ]

    def query(limit: int) -> Query:
        return parse(urlencode({"limit": limit, **choice.filters}).encode(), html=False)[0]

    await asyncio.gather(*(lists.read(name, query(PLACES), FIRST_S) for name in names))
    wanted = [(name, query(PLACES)) for name in names] + [(newest, query(NEWEST))]
    contents = {name.board: lists.content(name, asked_for, counts=counts) for name, asked_for in wanted}
    return {name: content["items"] for name, content in contents.items() if content and not _is_gone(board, content)}


def _is_gone(board: Board, content: Mapping[str, Any]) -> bool:
    """Whether the API would refuse the list, for its age."""
    age_ms = board.now_ms() - datetime.fromisoformat(content["as_of"]).timestamp() * 1000
    return age_ms > board.ages.gone_ms


def _with_rising(words: Mapping[str, Any], rising: Mapping[str, RisingBoard]) -> dict[str, Any]:
    """A rising board counts what the board that it is of counts."""
    counts: dict[str, Any] = dict(words["counts"])
    for name, one in rising.items():
        counts[name] = counts.get(one.of, counts[""])
    return {**words, "counts": counts}
