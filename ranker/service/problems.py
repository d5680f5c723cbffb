"""Problem details as RFC 9457 has them: the answer to a request that is not served."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

Headers = list[tuple[bytes, bytes]]

NO_STORE = (b"cache-control", b"no-store")
NOSNIFF = (b"x-content-type-options", b"nosniff")


class ProblemError(Exception):
    """Ends a request with this status; `more` are fields beside the standard ones."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    @property
    def content(self) -> bytes:
        """application/problem+json."""
        standard = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return orjson.dumps({**standard, **self.more})

    @property
    def raw_headers(self) -> Headers:
        """Those of its answer, not to be cached; Content-Length is the server's to add."""
        own = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return [(b"content-type", b"application/problem+json"), NO_STORE, NOSNIFF, *own]
