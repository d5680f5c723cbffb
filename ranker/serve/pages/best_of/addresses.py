"""Where documents are, and the headers that lead from one to the next."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qsl, urlencode

from ranker.core.best_of import Key

FORMS = ("", ".html", ".mail.html", ".txt")
"""What stands behind a date: JSON, a page, a mail, a text."""


def document_address(site: str, kind: str, day: date | str, form: str, query: dict[str, str] | None = None) -> str:
    """`query` without what is empty."""
    return _with(f"/v1/{site}/best-of/{kind}/{day}{form}", query)


def archive_address(site: str, form: str, query: dict[str, str] | None = None) -> str:
    """`form` is "", ".html", "/feed.rss" or "/feed.json"."""
    return _with(f"/v1/{site}/best-of{form}", query)


def _with(path: str, query: dict[str, str] | None) -> str:
    given = urlencode({name: value for name, value in (query or {}).items() if value})
    return f"{path}?{given}" if given else path


def same_query(raw: bytes, *without: str) -> dict[str, str]:
    """A query that was found right, but some parameters."""
    return {name: value for name, value in parse_qsl(raw.decode("ascii", "replace")) if name not in without}


def link_header(
    key: Key, form: str, query: dict[str, str], earlier: date | None, later: date | None, newest: int
) -> bytes:
    """The value of Link: the periods before and after, and the newest revision of one that was corrected."""
    found = [(day, relation) for day, relation in ((earlier, "prev"), (later, "next")) if day is not None]
    found += [(key.first, "latest-version")] * (key.revision < newest)
    return ", ".join(
        f'<{document_address(key.site, key.kind, day, form, query)}>; rel="{relation}"' for day, relation in found
    ).encode()
