"""Answers that are not a list: problem details as RFC 9457 has them, one for all faults of a request."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response


class ProblemError(Exception):
    """Ends a request with this status; `more` are fields beside the standard ones."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def answer(problem: ProblemError) -> Response:
    """The problem as application/problem+json, not to be cached."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    headers = {
        "access-control-allow-origin": "*",  # what is wrong may be read by any page; nothing else is in it
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        **problem.headers,
    }
    return Response(orjson.dumps(content), problem.status, headers, "application/problem+json")
