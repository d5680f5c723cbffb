"""The API's description as a file and as a page."""

from ranker.serve.pages.docs.docs import Docs

__all__ = ["Docs"]
