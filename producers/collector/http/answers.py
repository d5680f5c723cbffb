"""What is sent back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import orjson

from ranker.service.problems import NO_STORE, NOSNIFF, Headers, ProblemError

PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
"""43 bytes of GIF: one transparent pixel."""
CROSS_ORIGIN = (b"cross-origin-resource-policy", b"cross-origin")
VARY = (b"vary", b"origin")


@dataclass(frozen=True)
class Answer:
    """A whole answer; Content-Length is the server's to add."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def image(*headers: tuple[bytes, bytes]) -> Answer:
    """The pixel, shown on any page and never cached."""
    return Answer(200, PIXEL, [(b"content-type", b"image/gif"), NO_STORE, NOSNIFF, CROSS_ORIGIN, *headers])


def preflight(methods: Sequence[str], headers: bytes) -> Answer:
    """What a browser asks for before it sends from another origin."""
    return Answer(
        204,
        headers=[
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", b"7200"),
        ],
    )


def with_headers(answer: Answer, more: Headers) -> Answer:
    return replace(answer, headers=[*answer.headers, *more])


def json(status: int, content: Any) -> Answer:
    return Answer(status, orjson.dumps(content), [(b"content-type", b"application/json"), NO_STORE, NOSNIFF])


def problem(refused: ProblemError) -> Answer:
    return Answer(refused.status, refused.content, refused.raw_headers)


async def send_answer(answer: Answer, send: Any) -> None:
    """As ASGI messages."""
    headers = answer.headers
    if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
