"""What a request means: which list of which site, and whether its counts are shown. All faults in one problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from ranker.core.generation import LATEST, Generation, ListName
from ranker.serve.api.items import MOST_BEHIND
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Fault, Query, fault, parse, parse_article, parse_nothing, shown
from ranker.serve.http import tokens
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import asked
from ranker.serve.live.published import Published

MAX_QUERY_BYTES = 8_192
MAX_FAULTS = 20
"""So many are told of one request."""
_SITE = re.compile(r"[a-z0-9._-]{1,64}")


def asked_list(request: Request, lists: Lists, *, html: bool, stream: bool = False) -> tuple[ListName, Query, bool]:
    """The list, the query, and whether counts are shown. Raises ProblemError with every fault of address and query.

    One is told later: a site of which only reading its list can tell whether it exists. `html`: it may be a fragment.
    """
    raw = query_of(request)
    name = ListName(*(request.path_params[part] for part in ("site", "board", "window")))
    generation = lists.refresher.generation
    query, of_query = parse(raw, html=html, stream=stream)
    of_address, known = _list_faults(name, generation) if generation else ([], {})
    if not is_known(name.site, lists):
        of_address.insert(0, unknown_site(name.site))
    counts = counts_shown(request, lists, name.site)
    if query.filter.min_count and not counts:
        of_query.append(fault("min_count", "this site does not show counts; send its read token"))
    if of_address or of_query:
        raise refusal(of_address, of_query, known)
    if generation is None:
        raise unread(lists)
    return name, query, counts


def query_of(request: Request) -> bytes:
    """The query string; 414 where it is too long."""
    raw: bytes = request.scope["query_string"]
    if len(raw) > MAX_QUERY_BYTES:
        raise ProblemError(414, f"The query is longer than {MAX_QUERY_BYTES} bytes.")
    return raw


def is_known(site: str, lists: Lists) -> bool:
    """False where a site surely does not exist; of some only reading a list can tell."""
    return bool(_SITE.fullmatch(site)) and lists.refresher.knows(site) is not False


def counts_shown(request: Request, lists: Lists, site: str) -> bool:
    """Whether this request may see counts; 401 for a token that is not the site's."""
    about = lists.site(site)
    fits = tokens.fits(asked(request.scope["headers"]).authorization, about.read_token)
    if fits is False:
        raise tokens.wrong()
    return fits or about.show_counts


def asked_article(request: Request, lists: Lists) -> tuple[str, str, int, bool]:
    """Site, article id, the place that is a list's edge, and whether counts are shown. Raises ProblemError."""
    article_id, places, of_query = parse_article(query_of(request))
    return _site_of(request, lists, of_query), article_id, places, counts_shown(request, lists, _site(request))


def asked_site(request: Request, lists: Lists) -> tuple[str, bool]:
    """The site, and whether counts are shown. Raises ProblemError."""
    return _site_of(request, lists, parse_nothing(query_of(request))), counts_shown(request, lists, _site(request))


def _site(request: Request) -> str:
    name: str = request.path_params["site"]
    return name


def _site_of(request: Request, lists: Lists, of_query: list[Fault]) -> str:
    site = _site(request)
    of_address = [] if is_known(site, lists) else [unknown_site(site)]
    if of_address or of_query:
        raise refusal(of_address, of_query, {})
    if lists.refresher.generation is None:
        raise unread(lists)
    return site


def held(published: Published | None, site: str, lists: Lists) -> Published:
    """A list that was read, of a site that exists; otherwise raises the ProblemError that says what is missing."""
    refresher = lists.refresher
    if published is None and refresher.knows(site) is not False:
        reason = refresher.fault or "the list was not read in time"
        raise ProblemError(503, f"There is no list to serve: {reason}.", headers={"Retry-After": "1"})
    if published is None or (refresher.knows(site) is None and not published.read.site_known):
        raise refusal([unknown_site(site)], [], {})
    return published


def check_age(age_ms: int, lists: Lists, published: Published | None = None) -> None:
    """503 for what is too old to serve; says which of its partitions `published` waits for, if it is not all."""
    ages = lists.refresher.ages
    if age_ms > ages.gone_ms:
        detail = f"The last list is {age_ms // 1000} s old, too old to serve."
        behind = [] if published is None else published.behind(ages)
        if published is not None and 0 < len(behind) < published.partitions:
            detail += f" It waits for partition {', '.join(str(shard) for shard, _ in behind[:MOST_BEHIND])}."
        raise ProblemError(503, detail, headers={"Retry-After": "5"})


def unread(lists: Lists) -> ProblemError:
    """What is said while nothing has been read yet."""
    return ProblemError(
        503,
        f"There is no list to serve: {lists.refresher.fault or 'none has been read yet'}.",
        headers={"Retry-After": "1"},
    )


def unknown_site(site: str) -> Fault:
    return fault("site", f"{shown(site)} is not configured and has neither counts nor articles")


def refusal(address: list[Fault], query: list[Fault], known: Mapping[str, Any]) -> ProblemError:
    """One problem for all faults: 404 where only the address is at fault, 400 as soon as the query is too.

    The first MAX_FAULTS are told, and the number of the others.
    """
    faults = address + query
    told, others = faults[:MAX_FAULTS], len(faults) - MAX_FAULTS
    detail = "; ".join(f"{one['parameter']}: {one['detail']}" for one in told)
    more: dict[str, Any] = {"more_faults": others} if others > 0 else {}
    if more:
        detail += f"; and {others} more"
    return ProblemError(400 if query else 404, detail, faults=told, **more, **known)


def _list_faults(name: ListName, generation: Generation) -> tuple[list[Fault], dict[str, list[str]]]:
    """What is wrong with board and window, and, by the plural of each that is, what there is."""
    boards = [*sorted(generation.boards), LATEST]
    windows = [window.name for window in generation.windows]
    faults: list[Fault] = []
    known: dict[str, list[str]] = {}
    for parameter, value, choices in (("board", name.board, boards), ("window", name.window, windows)):
        if value not in choices:
            faults.append(fault(parameter, f"{shown(value)} is unknown; there are {', '.join(choices)}"))
            known[f"{parameter}s"] = choices
    return faults, known
