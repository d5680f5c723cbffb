"""A site's read token: whether a request has it."""

from __future__ import annotations

import hmac

from ranker.serve.http.problems import ProblemError


def fits(authorization: bytes | None, token: str | None) -> bool | None:
    """Whether a request's Authorization is the site's token; None if it sends none, or the site has none."""
    if authorization is None or token is None:
        return None
    scheme, _, given = authorization.partition(b" ")
    return hmac.compare_digest(given.strip(), token.encode()) if scheme.lower() == b"bearer" else None


def wrong() -> ProblemError:
    """The answer to a request with another token."""
    return ProblemError(401, "This is not the site's read token.", headers={"WWW-Authenticate": "Bearer"})
