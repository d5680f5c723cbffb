"""Checks a request for documents of periods: site, kind, date, board, revision, token, the client's limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request

from ranker.core.best_of import Key
from ranker.core.periods import KINDS
from ranker.lists.archive import Archive, Entry
from ranker.serve.api.clients import Clients
from ranker.serve.api.list_request import FIRST_DEADLINE_S, is_known, may_see_counts, query_string
from ranker.serve.api.query import LANGUAGES, Fault, Values, fault, parameters, quoted
from ranker.serve.api.refusals import refusal, unknown_site
from ranker.serve.http import tokens
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import accept_headers
from ranker.serve.live.board import Board

LATEST = "latest"
"""In the place of a date: the newest one."""
MAX_PLACES = 200
PERIODS = 50
MAX_PERIODS = 500
"""Of the archive, in one answer."""
_DATE = re.compile(r"(?:19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}")
"""Of the years 1970 to 2999."""
_BOARD = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a request may see: `counts` of the site, `positions` in the log, which tell how much all sites are read."""

    counts: bool
    positions: bool


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """`limit`: so many places; None for all. `html`: a fragment in `lang` instead of JSON."""

    key: Key
    entry: Entry
    limit: int | None
    html: bool
    lang: str
    sight: Sight


@dataclass(frozen=True, slots=True)
class PeriodsRequest:
    """A part of the archive: of one kind and board, or of all (None)."""

    site: str
    kind: str | None
    board: str | None
    limit: int
    offset: int
    lang: str
    sight: Sight


async def document_request(
    request: Request, board: Board, clients: Clients, *, known: tuple[str, ...]
) -> DocumentRequest | date:
    """`known` are the parameters of this form. Of `latest`: the first day of the newest period that fits, but for a
    fragment, since what includes one follows no redirect.

    Raises ProblemError with every fault of address and query; 429 for a client that requests too much.
    """
    await board.first_attempt(FIRST_DEADLINE_S)
    site, kind, day = (request.path_params[part] for part in ("site", "kind", "date"))
    faults: list[Fault] = []
    given = parameters(query_string(request), known, known, faults)
    read = Values(given, faults)
    name = _board(read)
    limit = read.number("limit", 1, MAX_PLACES, 0) or None
    revision = read.number("revision", 1, 999_999, 0)
    html = read.choice("render", {"html": True, "json": False}, default=False)
    lang = _lang(read)
    of_address = [] if is_known(site, board) else [unknown_site(site)]
    if kind not in KINDS:
        of_address.append(fault("kind", f"{quoted(kind)} is unknown; there are {', '.join(KINDS)}"))
    first = _date(day)
    if first is None and day != LATEST:
        of_address.append(fault("date", f"{quoted(day)} is neither a date such as 2026-11-21 nor {LATEST}"))
    sight = _sight(request, board, site)
    if of_address or faults:
        raise refusal(of_address, faults, {})
    archive = existing_archive(board, site)
    entry = _latest(archive, site, kind, name) if first is None else archive.entry(site, kind, first)
    if entry is None:
        raise refusal([fault("date", _no_period(board, site, kind, first, name))], [], {})
    if name is not None and name not in entry.boards:
        faults.append(fault("board", f"{quoted(name)} has no document of this period; {_these(entry.boards)}"))
    else:
        name = name or default_board(board, site, entry)
        if revision > entry.boards[name]:
            faults.append(fault("revision", f"{revision} does not exist; the newest is {entry.boards[name]}"))
    if faults:
        raise refusal([], faults, {})
    assert name is not None
    if first is None and not html:
        return entry.first
    clients.charge(clients.rate_limit_key(request))
    key = Key(site, kind, entry.first, name, revision or entry.boards[name])
    return DocumentRequest(key, entry, limit, html, lang, sight)


async def periods_request(
    request: Request, board: Board, *, known: tuple[str, ...], limit: int = PERIODS
) -> PeriodsRequest:
    """As `document_request`, of the archive; nothing is charged. `limit`: if the request has none."""
    await board.first_attempt(FIRST_DEADLINE_S)
    site = request.path_params["site"]
    faults: list[Fault] = []
    read = Values(parameters(query_string(request), known, known, faults), faults)
    wanted = PeriodsRequest(
        site,
        read.choice("kind", {kind: kind for kind in KINDS}, None),
        _board(read),
        read.number("limit", 1, MAX_PERIODS, limit),
        read.number("offset", 0, 999_999, 0),
        _lang(read),
        _sight(request, board, site),
    )
    of_address = [] if is_known(site, board) else [unknown_site(site)]
    if of_address or faults:
        raise refusal(of_address, faults, {})
    existing_archive(board, site)
    return wanted


def existing_archive(board: Board, site: str) -> Archive:
    """The archive, if the site has or can have documents in it; otherwise raises a ProblemError."""
    archive = board.archive
    is_old = board.now_ms() - board.articles_read_ms > board.ages.gone_ms
    if archive is not None and (is_old or not (archive.is_read and board.takedowns_known)):
        # without the catalogue of now nobody knows what was taken down
        reason = board.fault or "the archive and the catalogue have not been read whole yet"
        raise ProblemError(503, f"There is no document to serve: {reason}.", headers={"Retry-After": "1"})
    if archive is None or not (archive.entries(site) or board.site(site).calendar):
        table = f"[sites.{site}.calendar]"
        detail = (
            f"{quoted(site)} has no documents of days or weeks; {table} in ranker.toml and `ranker freeze` make them"
        )
        raise refusal([fault("site", detail)], [], {})
    return archive


def default_board(board: Board, site: str, entry: Entry) -> str:
    """The first board of the site's calendar that the period has a document of."""
    calendar = board.site(site).calendar
    preferred = calendar.boards if calendar else ()
    return next((name for name in preferred if name in entry.boards), min(entry.boards))


def _latest(archive: Archive, site: str, kind: str, name: str | None) -> Entry | None:
    fitting = (one for one in archive.entries(site) if one.kind == kind and (name is None or name in one.boards))
    return next(fitting, None)


def _no_period(board: Board, site: str, kind: str, first: date | None, name: str | None) -> str:
    calendar = board.site(site).calendar
    if calendar is not None and kind not in calendar.kinds:
        return f"this site makes no document of a {kind}; its calendar has {', '.join(calendar.kinds)}"
    if first is None:
        return f"no {kind} has a document yet" + (f" of board {quoted(name)}" if name else "")
    if calendar is not None and (begins := calendar.period(kind, first).first) != first:
        return f"{first} is in the {kind} that begins on {begins}"
    return f"the {kind} of {first} has no document; /v1/{site}/best-of has those that there are"


def _these(boards: Mapping[str, int]) -> str:
    return f"there are {', '.join(sorted(boards))}"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _board(read: Values) -> str | None:
    def name(value: str) -> str | None:
        return value if _BOARD.fullmatch(value) else None

    return next(iter(read.several("board", name, "is no name of a board")), None)


def _lang(read: Values) -> str:
    return str(read.choice("lang", {name: name for name in LANGUAGES}, LANGUAGES[0]))


def _sight(request: Request, board: Board, name: str) -> Sight:
    site = board.site(name)
    counts = may_see_counts(request, board, name)
    fits = tokens.fits(accept_headers(request.scope["headers"]).authorization, site.read_token) is True
    return Sight(counts, counts and (board.all_show_counts or fits))
