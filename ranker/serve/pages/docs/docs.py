"""The API's description: schemas/openapi.yaml itself, and index.html. No scripts, no host but this one.

`python -m tests.support.docs_page` writes index.html from openapi.yaml.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

import schemas
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import accept_headers, matches

_TYPES = {"yaml": "application/yaml", "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8"}
_COMMON = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}
_PAGE = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "strict-origin-when-cross-origin",
}
_FILE = {"access-control-allow-origin": "*"}


class Docs:
    """Its files, read once."""

    def __init__(self) -> None:
        folder = resources.files(__package__)
        self._page = folder.joinpath("index.html").read_bytes()
        self._files = {"openapi.yaml": schemas.openapi(), "docs.css": folder.joinpath("docs.css").read_bytes()}

    def index(self, request: Request) -> Response:
        """The page."""
        return _answer(request, self._page, "html", _PAGE)

    def file(self, request: Request) -> Response:
        """The description as it is, or the page's style."""
        name = request.path_params["name"]
        if name not in self._files:
            raise ProblemError(404, "The description has no such file.")
        return _answer(request, self._files[name], name.rpartition(".")[2], _FILE)


def _answer(request: Request, content: bytes, kind: str, more: dict[str, str]) -> Response:
    etag = b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"'
    headers = {**_COMMON, **more, "etag": etag.decode()}
    if matches(accept_headers(request.scope["headers"]).tags, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, _TYPES[kind])
