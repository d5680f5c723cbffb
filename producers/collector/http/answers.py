"""What is sent back."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from producers.collector.http.refusal import RefusedError

Headers = list[tuple[bytes, bytes]]

MAX_REJECTED = 20
"""Where no event of a request is accepted, so many are told why."""
NO_STORE = (b"cache-control", b"no-store")
NOSNIFF = (b"x-content-type-options", b"nosniff")
CROSS_ORIGIN = (b"cross-origin-resource-policy", b"cross-origin")
VARY = (b"vary", b"origin")


@dataclass(frozen=True)
class Answer:
    """A whole answer; Content-Length is the server's to add."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def json(status: int, content: Any) -> Answer:
    return Answer(status, orjson.dumps(content), [(b"content-type", b"application/json"), NO_STORE, NOSNIFF])


def problem(refused: RefusedError) -> Answer:
    """Problem details as RFC 9457 has them."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
    }
    if refused.rejected:
        content["rejected"] = refused.rejected[:MAX_REJECTED]
        if len(refused.rejected) > MAX_REJECTED:
            content["more_rejected"] = len(refused.rejected) - MAX_REJECTED
    headers: Headers = [(b"content-type", b"application/problem+json"), NO_STORE, NOSNIFF]
    if refused.retry_s is not None:
        headers.append((b"retry-after", str(refused.retry_s).encode()))
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    return Answer(refused.status, orjson.dumps(content), headers)


async def send_answer(answer: Answer, send: Any) -> None:
    """As ASGI messages."""
    headers = answer.headers
    if answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
