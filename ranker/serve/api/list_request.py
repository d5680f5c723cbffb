"""Checks a request: site, board, window, token, the client's limits. Its parameters are parsed by `query.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from starlette.requests import Request

from ranker.core.generation import LATEST, Generation, ListName
from ranker.core.rising_boards import RisingBoard
from ranker.serve.api.clients import Clients
from ranker.serve.api.query import Fault, Query, fault, parse, parse_article, parse_nothing, quoted
from ranker.serve.api.refusals import refusal, send_token, unknown_site, unread
from ranker.serve.http import tokens
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import accept_headers
from ranker.serve.live.board import Board

MAX_QUERY_BYTES = 8_192
_SITE = re.compile(r"[a-z0-9._-]{1,64}")
FIRST_DEADLINE_S = 3.0
"""How long the first request for a list waits for it to be read."""


class ListRequest(NamedTuple):
    """`counts`: whether this client may see them. `client` is what limits are kept by."""

    name: ListName
    query: Query
    counts: bool
    client: bytes


class ArticleRequest(NamedTuple):
    """`ids`: the article's in its normal form, then as given if that is another id; `edge`: the place that is a
    list's edge. The rest as of a list.
    """

    site: str
    ids: tuple[str, ...]
    edge: int
    counts: bool
    client: bytes


async def list_request(
    request: Request, board: Board, clients: Clients, *, html: bool, stream: bool = False
) -> ListRequest:
    """Raises ProblemError with every fault of address and query; 429 for a client that takes too much.

    A site that only the reading of its list shows to be unknown is refused later. `html`: it may be a fragment.
    """
    await board.first_attempt(FIRST_DEADLINE_S)
    raw = query_string(request)
    name = ListName(*(request.path_params[part] for part in ("site", "board", "window")))
    generation = board.generation
    query, of_query = parse(raw, board.site(name.site).ids, html=html, stream=stream)
    of_address, known = _list_faults(name, generation, board.rising) if generation else ([], {})
    of_query += _other_faults(query, name, generation, board.rising) if generation else []
    if not is_known(name.site, board):
        of_address.insert(0, unknown_site(name.site))
    counts = may_see_counts(request, board, name.site)
    if query.filter.min_count and not counts:
        of_query.append(fault("min_count", "this site does not show counts; send its read token"))
    if query.receipt:
        token, expected = accept_headers(request.scope["headers"]).authorization, board.site(name.site).read_token
        query = replace(query, names_hidden=tokens.fits(token, expected) is True)
        of_query += _receipt_faults(query, board, name)
    if of_address or of_query:
        raise refusal(of_address, of_query, known)
    if generation is None:
        raise unread(board)
    client = clients.rate_limit_key(request)
    if query.is_own and not stream:
        clients.charge(client)
    return ListRequest(name, query, counts, client)


async def article_request(request: Request, board: Board, clients: Clients) -> ArticleRequest:
    """Raises ProblemError, also 429."""
    await board.first_attempt(FIRST_DEADLINE_S)
    rule = board.site(request.path_params["site"]).ids
    ids, edge, of_query = parse_article(query_string(request), rule)
    site = _site_id(request, board, of_query)
    counts = may_see_counts(request, board, site)
    client = clients.rate_limit_key(request)
    clients.charge(client)
    return ArticleRequest(site, ids, edge, counts, client)


async def site_request(request: Request, board: Board) -> tuple[str, bool]:
    """The site, and whether its counts are shown. Raises ProblemError."""
    await board.first_attempt(FIRST_DEADLINE_S)
    site = _site_id(request, board, parse_nothing(query_string(request)))
    return site, may_see_counts(request, board, site)


def query_string(request: Request) -> bytes:
    """The query string; 414 if it is too long."""
    raw: bytes = request.scope["query_string"]
    if len(raw) > MAX_QUERY_BYTES:
        raise ProblemError(414, f"The query is longer than {MAX_QUERY_BYTES} bytes.")
    return raw


def is_known(site: str, board: Board) -> bool:
    """False if a site surely does not exist; for some only the reading of a list shows it."""
    return bool(_SITE.fullmatch(site)) and board.knows(site) is not False


def may_see_counts(request: Request, board: Board, name: str) -> bool:
    """Whether this request may see counts; 401 for a token that is not the site's."""
    site = board.site(name)
    fits = tokens.fits(accept_headers(request.scope["headers"]).authorization, site.read_token)
    if fits is False:
        raise tokens.wrong()
    return fits or site.show_counts


def _receipt_faults(query: Query, board: Board, name: ListName) -> list[Fault]:
    """Positions in the log tell how much is read on all sites: of one that hides its counts, too."""
    found = []
    if name.board == LATEST:
        found.append(fault("receipt", f"{LATEST} is not counted, so there is nothing to recount"))
    if name.board in board.rising:
        of = board.rising[name.board].of
        found.append(fault("receipt", f"{name.board} is made of the counts of board {of}, which has receipts"))
    if not board.all_show_counts and not query.names_hidden:
        mend = send_token(board.site(name.site))
        found.append(fault("receipt", f"a site of this topic hides its counts; {mend}"))
    return found


def _other_faults(
    query: Query, name: ListName, generation: Generation, rising: Mapping[str, RisingBoard]
) -> list[Fault]:
    """What is wrong with the lists that this one shall be without."""
    found = []
    for board, window, _ in query.unless:
        if board == LATEST:
            found.append(fault("unless", f"{LATEST} is not counted; name a board that is"))
        elif board in rising:
            found.append(
                fault("unless", f"{board} is read once a minute, and not with other lists; name another board")
            )
        else:
            faults, _ = _list_faults(name._replace(board=board, window=window), generation, {})
            found += [fault("unless", f"{one['parameter']} {one['detail']}") for one in faults]
    return found


def _site_id(request: Request, board: Board, of_query: list[Fault]) -> str:
    site: str = request.path_params["site"]
    of_address = [] if is_known(site, board) else [unknown_site(site)]
    if of_address or of_query:
        raise refusal(of_address, of_query, {})
    if board.generation is None:
        raise unread(board)
    return site


def _list_faults(
    name: ListName, generation: Generation, rising: Mapping[str, RisingBoard]
) -> tuple[list[Fault], dict[str, list[str]]]:
    """What is wrong with board and window, and, by the plural of each that is, what there is."""
    boards = [*sorted([*generation.boards, *rising]), LATEST]
    windows = [window.name for window in generation.windows]
    if name.board in rising:
        windows = [rising[name.board].recent]
    faults: list[Fault] = []
    known: dict[str, list[str]] = {}
    for parameter, value, choices in (("board", name.board, boards), ("window", name.window, windows)):
        if value not in choices:
            faults.append(fault(parameter, f"{quoted(value)} is unknown; there are {', '.join(choices)}"))
            known[f"{parameter}s"] = choices
    return faults, known
