"""The API's description: schemas/openapi.yaml itself, and as a page made of it. No scripts, no host but this one."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

import schemas
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import asked, matches

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
    """The page is made when it is first asked for (60 ms), so that a reader does not start later for it."""

    def __init__(self) -> None:
        style = resources.files(__package__).joinpath("docs.css").read_bytes()
        self._files = {"openapi.yaml": schemas.openapi(), "docs.css": style}

    def index(self, request: Request) -> Response:
        """The page."""
        return _answer(request, self._page, "html", _PAGE)

    def file(self, request: Request) -> Response:
        """The description as it is, or the page's style."""
        name = request.path_params["name"]
        if name not in self._files:
            raise ProblemError(404, "The description has no such file.")
        return _answer(request, self._files[name], name.rpartition(".")[2], _FILE)

    @cached_property
    def _page(self) -> bytes:
        import yaml

        from ranker.serve.docspage import page

        return page(yaml.load(self._files["openapi.yaml"], Loader=yaml.CSafeLoader)).encode()


def _answer(request: Request, content: bytes, kind: str, more: dict[str, str]) -> Response:
    etag = b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"'
    headers = {**_COMMON, **more, "etag": etag.decode()}
    if matches(asked(request.scope["headers"]).tags, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, _TYPES[kind])
