"""Why a request cannot be answered: all faults in one problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranker.serve.api.items import MOST_BEHIND
from ranker.serve.api.query import Fault, fault, quoted
from ranker.serve.http.problems import ProblemError
from ranker.serve.live.board import Board
from ranker.serve.live.published import Published
from ranker.settings import Site

MAX_FAULTS = 20
"""So many are named of one request."""


def existing_list(published: Published | None, site: str, board: Board) -> Published:
    """A list that was read, of a site that exists; otherwise raises a ProblemError that names what is missing."""
    if published is None and board.knows(site) is not False:
        reason = board.fault or "the list was not read in time"
        raise ProblemError(503, f"There is no list to serve: {reason}.", headers={"Retry-After": "1"})
    if published is None or (board.knows(site) is None and not published.read.site_known):
        raise refusal([unknown_site(site)], [], {})
    return published


def check_age(age_ms: int, board: Board, published: Published | None = None) -> None:
    """503 for what is too old to serve; names the partitions that `published` waits for, if it is not all."""
    ages = board.ages
    if age_ms > ages.gone_ms:
        detail = f"The last list is {age_ms // 1000} s old, too old to serve."
        behind = [] if published is None else published.behind(ages)
        if published is not None and 0 < len(behind) < published.partitions:
            detail += f" It waits for partition {', '.join(str(shard) for shard, _ in behind[:MOST_BEHIND])}."
        raise ProblemError(503, detail, headers={"Retry-After": "5"})


def unread(board: Board) -> ProblemError:
    """The answer while nothing has been read yet."""
    return ProblemError(
        503,
        f"There is no list to serve: {board.fault or 'none has been read yet'}.",
        headers={"Retry-After": "1"},
    )


def send_token(site: Site) -> str:
    """What to do where a site's read token is needed."""
    if site.read_token:
        return "send this site's read token"
    return "this site needs a read token (RANKER_READ_TOKENS)"


def unknown_site(site: str) -> Fault:
    return fault("site", f"{quoted(site)} is not configured and has neither counts nor articles")


def refusal(address: list[Fault], query: list[Fault], known: Mapping[str, Any]) -> ProblemError:
    """One problem for all faults: 404 if only the address is at fault, 400 if the query is too.

    The first MAX_FAULTS are named, and the number of the others.
    """
    faults = address + query
    named, others = faults[:MAX_FAULTS], len(faults) - MAX_FAULTS
    detail = "; ".join(f"{one['parameter']}: {one['detail']}" for one in named)
    more: dict[str, Any] = {"more_faults": others} if others > 0 else {}
    if more:
        detail += f"; and {others} more"
    return ProblemError(400 if query else 404, detail, faults=named, **more, **known)
