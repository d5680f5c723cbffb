"""Problems as the web framework sends them."""

from __future__ import annotations

from starlette.responses import Response

from ranker.service.problems import ProblemError

__all__ = ["ANY_ORIGIN", "ProblemError", "answer"]

ANY_ORIGIN = (b"access-control-allow-origin", b"*")
"""What is wrong may be read by any page; nothing else is in it."""


def answer(problem: ProblemError) -> Response:
    response = Response(problem.content, problem.status)
    response.raw_headers += [*problem.raw_headers, ANY_ORIGIN]
    return response
