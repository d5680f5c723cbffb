"""The elements of feeds and sitemaps by their namespaces, and by those that publishers write in their place."""

from __future__ import annotations

import re
from collections.abc import Callable

from producers.articles import titles

FEED, SITEMAP = "feed", "sitemap"
NAMESPACES = {
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
    "atom": "http://www.w3.org/2005/Atom",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "feedburner": "http://rssnamespace.org/feedburner/ext/1.0",
}
"""Of elements that are read, by their usual prefixes."""
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_ATOM = (NAMESPACES["atom"], "http://purl.org/atom/ns#")
_RSS = (
    "", "purl.org/rss/1.0", "purl.org/net/rss1.1", "my.netscape.com/rdf/simple/0.9", "backend.userland.com/rss",
    "backend.userland.com/rss2", "blogs.law.harvard.edu/tech/rss", "cyber.law.harvard.edu/rss/rss.html",
)  # fmt: skip
"""As `_plain` writes them."""

# What differs only in these is one namespace to readers: https, www., upper case, the slash or # at its end.
_SPELLING = re.compile(r"^https?://(?:www\.)?|[/#]+$")
_VERSION = re.compile(r"/[0-9.]+$")

_OWN = {
    "title": "title", "link": "url", "guid": "guid", "category": "section", "pubdate": "published",
    "published": "published", "issued": "published", "updated": "updated", "modified": "updated",
}  # fmt: skip
_FIELDS = {
    "sitemap": {"loc": "url", "lastmod": "updated", "title": "title", "publication_date": "published"},
    "news": {"title": "title", "publication_date": "published"},
    "feed": _OWN,
    "atom": _OWN,
    "dc": {"title": "title", "subject": "section", "date": "published"},
    "dcterms": {"title": "title", "created": "published", "issued": "published", "modified": "updated"},
    "feedburner": {"origlink": "original"},
}


def _plain(namespace: str) -> str:
    return _SPELLING.sub("", namespace.strip().lower())


def _vocabulary(namespace: str) -> str:
    """Of these vocabularies; "" if it is another one."""
    plain = _plain(namespace)
    if _VERSION.sub("", plain) == "google.com/schemas/sitemap-news":
        return "news"
    if plain in {_plain(atom) for atom in _ATOM}:
        return "atom"
    return next((name for name, known in NAMESPACES.items() if plain == _plain(known)), "")


class Names:
    """What the elements of a document mean, by its root's local name in lower case and the root's namespace."""

    def __init__(self, root: str, namespace: str) -> None:
        self._root = root
        self._namespace = namespace
        self._known: dict[str, str] = {}
        self._odd: set[str] = set()

    def notes(self) -> list[str]:
        """A sentence for each namespace that is not the one of its standard."""
        found = [
            f"its namespace {odd[:200]} was read as {NAMESPACES['news']}, which is Google's"
            for odd in sorted(self._odd)
        ]
        right = {"urlset": (_SITEMAP,), "feed": _ATOM}.get(self._root, (self._namespace,))
        if self._namespace not in right:
            found.append(
                f"its namespace {self._namespace[:200] or '(none)'} was read as {right[0]}, which is the standard's"
            )
        return found

    def is_entry(self, namespace: str, local: str) -> bool:
        if self._root == "urlset":
            return local == "url" and self._of(namespace) == "sitemap"
        return local in {"item", "entry"} and self._of(namespace) in {"feed", "atom"}

    def field(self, namespace: str, local: str) -> str:
        """The field of an entry that this element has; "" if it has none."""
        return _FIELDS.get(self._of(namespace), {}).get(local.lower(), "")

    def title(self, namespace: str, attributes: dict[str, str]) -> Callable[[str], str]:
        """How this title is to be read: as its type says, else as text in Atom and sitemaps."""
        kind = attributes.get("type", "").lower()
        if "xhtml" in kind or attributes.get("mode") == "xml":
            return titles.of_text
        if "html" in kind:
            return titles.of_html
        return (
            titles.of_rss
            if not kind and self._root in {"rss", "rdf"} and self._of(namespace) != "atom"
            else titles.of_text
        )

    def _of(self, namespace: str) -> str:
        """The vocabulary of this namespace here, by the keys of _FIELDS; "" if it is another one."""
        if namespace not in self._known:
            self._known[namespace] = self._found(namespace)
        return self._known[namespace]

    def _found(self, namespace: str) -> str:
        if self._root == "urlset":
            if namespace in {self._namespace, ""} or _plain(namespace) == _plain(_SITEMAP):
                return "sitemap"
            found = _vocabulary(namespace)
            if found == "news" and namespace != NAMESPACES["news"]:
                self._odd.add(namespace)
            return found
        if self._root == "feed" and namespace == self._namespace:
            return "atom"
        if (found := _vocabulary(namespace)) or self._root == "feed":
            return found
        return "feed" if namespace == self._namespace or _plain(namespace) in _RSS else ""
