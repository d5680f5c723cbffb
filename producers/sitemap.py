"""News sitemaps, read with expat itself so that a document with entities of its own is refused, not expanded."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from xml.parsers import expat

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
_WANTED = {
    f"{_SITEMAP} loc": "url",
    f"{_NEWS} title": "title",
    f"{_NEWS} publication_date": "published",
    f"{_SITEMAP} lastmod": "updated",
}


class UnreadableError(Exception):
    """A document that is not XML, or not of a kind that can be imported; the text says which."""


@dataclass
class Entry:
    """One <url>; what it does not say is empty."""

    url: str = ""
    title: str = ""
    published: str = ""
    updated: str = ""


def root_of(document: bytes) -> str:
    """Local name of the root element, empty where the document is not XML. Reads no further than that."""
    found: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        if not found:
            found.append(name.rpartition(" ")[2])

    parser = _parser()
    parser.StartElementHandler = start
    # A feed may be sloppy further down; the root is known by then, or it is no XML at all.
    with contextlib.suppress(expat.ExpatError):
        parser.Parse(document[:65_536], False)
    return found[0] if found else ""


def parse(document: bytes) -> list[Entry]:
    """The entries of a sitemap; raises UnreadableError."""
    entries: list[Entry] = []
    text: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        text.clear()
        if name == f"{_SITEMAP} url":
            entries.append(Entry())

    def end(name: str) -> None:
        field = _WANTED.get(name)
        if field is not None and entries:
            setattr(entries[-1], field, "".join(text).strip())
        text.clear()

    parser = _parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise UnreadableError(f"this is not XML: {error}") from error
    return entries


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(*_: object) -> None:
        raise UnreadableError("it declares entities of its own, which can make a small file fill the memory")

    parser.EntityDeclHandler = refuse
    return parser
