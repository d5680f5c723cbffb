"""Pages and files with an ETag, which clients check at each use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ranker.serve.http.response_cache import accept_headers
from ranker.service.accept import matches

NO_SCRIPT = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "strict-origin-when-cross-origin",
}
"""Headers of a page that needs neither scripts nor another host."""
HTML = "text/html; charset=utf-8"


def document(request: Request, content: bytes, media_type: str, more: Mapping[str, str]) -> Response:
    """`content`, or 304 if the client has it."""
    etag = b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"'
    headers = {"cache-control": "no-cache", "x-content-type-options": "nosniff", **more, "etag": etag.decode()}
    if matches(accept_headers(request.scope["headers"]).tags, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)
