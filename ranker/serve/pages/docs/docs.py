"""The API's description: schemas/openapi.yaml itself, and index.html. No scripts, no host but this one.

`python -m tests.support.docs_page` writes index.html from openapi.yaml.
"""

from __future__ import annotations

from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

import schemas
from ranker.serve.http.problems import ProblemError
from ranker.serve.pages.documents import HTML, NO_SCRIPT, document

_TYPES = {"yaml": "application/yaml", "css": "text/css; charset=utf-8"}
_FILE = {"access-control-allow-origin": "*"}


class Docs:
    """Its files, read once."""

    def __init__(self) -> None:
        folder = resources.files(__package__)
        self._page = folder.joinpath("index.html").read_bytes()
        self._files = {"openapi.yaml": schemas.openapi(), "docs.css": folder.joinpath("docs.css").read_bytes()}

    def index(self, request: Request) -> Response:
        """The page."""
        return document(request, self._page, HTML, NO_SCRIPT)

    def file(self, request: Request) -> Response:
        """The description as it is, or the page's style."""
        name = request.path_params["name"]
        if name not in self._files:
            raise ProblemError(404, "The description has no such file.")
        return document(request, self._files[name], _TYPES[name.rpartition(".")[2]], _FILE)
