"""Feeds and news sitemaps, read with expat in one pass, so that no document costs more than its length.

A document with entities of its own, which can make a small file fill the memory, is refused; those of HTML, which many
feeds use undeclared, are known. Texts and nesting beyond any real document are faults of the entry or the document.
"""

from __future__ import annotations

import contextlib
import html.entities
from dataclasses import dataclass
from xml.parsers import expat

LONGEST_TEXT = 65_536
"""Characters of one text in an entry, such as a title."""
DEEPEST = 256
"""Nesting of elements."""
MOST_ENTRIES = 200_000
"""Entries of a document; a sitemap may have 50,000 by its own standard."""

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
_ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#")
_RSS = ("", "http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/", "http://backend.userland.com/rss2")
_DUBLIN = "http://purl.org/dc/elements/1.1/"

_IN_SITEMAP = {
    (_SITEMAP, "loc"): "url",
    (_NEWS, "title"): "title",
    (_NEWS, "publication_date"): "published",
    (_SITEMAP, "lastmod"): "updated",
}
_IN_FEED = {
    (namespace, local): field
    for namespaces, fields in (
        (_RSS, {"title": "title", "link": "url", "guid": "guid", "category": "section", "pubDate": "published"}),
        (_ATOM, {"title": "title", "link": "url", "category": "section", "published": "published"}),
        (_ATOM, {"issued": "published", "updated": "updated", "modified": "updated"}),
        ((_DUBLIN,), {"title": "title", "subject": "section", "date": "published"}),
    )
    for namespace in namespaces
    for local, field in fields.items()
}
_FEED_ENTRIES = {(namespace, "item") for namespace in _RSS} | {(namespace, "entry") for namespace in _ATOM}


class UnreadableError(Exception):
    """A document that is not XML, or not of a kind that can be imported; the text says which."""


@dataclass(slots=True)
class Entry:
    """An <url>, <item> or <entry>; missing fields are empty. `fault` is the reason why it cannot be used."""

    url: str = ""
    title: str = ""
    section: str = ""
    published: str = ""
    updated: str = ""
    guid: str = ""
    fault: str = ""


def root_of(document: bytes) -> str:
    """Local name of the root element, empty if the document is not XML. Reads no further."""
    found: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        if not found:
            found.append(name.rpartition(" ")[2])

    parser = _parser()
    parser.StartElementHandler = start
    # A document may be damaged further down; the root is known by then, or it is no XML at all.
    with contextlib.suppress(expat.ExpatError, LookupError, ValueError):
        parser.Parse(document[:65_536].lstrip(), False)
    return found[0] if found else ""


def sitemap(document: bytes) -> list[Entry]:
    """The entries of a sitemap; raises UnreadableError."""
    return _Reading({(_SITEMAP, "url")}, _IN_SITEMAP, deepest=DEEPEST).read(document)


def feed(document: bytes) -> list[Entry]:
    """The entries of an RSS or Atom feed; raises UnreadableError. The first title, link or section holds."""
    # Deeper fields, such as the title of a picture or of the feed that an entry comes from, are not the entry's own.
    entries = _Reading(_FEED_ENTRIES, _IN_FEED, deepest=1).read(document)
    for entry in entries:
        entry.url = entry.url or entry.guid
    return entries


class _Reading:
    """One pass over a document. A field lies `deepest` below its entry at most, and has the text of all within it."""

    def __init__(self, entries: set[tuple[str, str]], fields: dict[tuple[str, str], str], *, deepest: int) -> None:
        self._is_entry = entries
        self._fields = fields
        self._deepest = deepest
        self._entries: list[Entry] = []
        self._depth = 0
        self._entry_at = 0
        self._field = ""
        self._field_at = 0
        self._text: list[str] = []
        self._length = 0

    def read(self, document: bytes) -> list[Entry]:
        parser = _parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        parser.SkippedEntityHandler = self._add_entity
        try:
            parser.Parse(document.lstrip(), True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an unknown encoding
            raise UnreadableError(f"this is not XML: {str(error)[:200]}") from error
        return self._entries

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError(f"it has more than {DEEPEST} elements within each other")
        namespace, _, local = name.rpartition(" ")
        if not self._entry_at:
            if (namespace, local) in self._is_entry:
                self._entry_at = self._depth
                self._entries.append(Entry())
                if len(self._entries) > MOST_ENTRIES:
                    raise UnreadableError(f"it has more than {MOST_ENTRIES:,} entries; import it in parts")
            return
        field = self._fields.get((namespace, local), "")
        if self._field or not field or self._depth - self._entry_at > self._deepest:
            return
        given = _given(field, attributes)
        if given is None:
            self._field, self._field_at = field, self._depth
        else:
            self._keep(field, given)

    def _end(self, _: str) -> None:
        if self._field and self._depth == self._field_at:
            self._keep(self._field, "".join(self._text))
            self._field, self._length = "", 0
            self._text.clear()
        if self._depth == self._entry_at:
            self._entry_at = 0
        self._depth -= 1

    def _add(self, text: str) -> None:
        if self._field and self._length <= LONGEST_TEXT:
            self._length += len(text)
            self._text.append(text)
            if self._length > LONGEST_TEXT:
                self._entries[-1].fault = f"its {self._field} is longer than {LONGEST_TEXT:,} characters"

    def _add_entity(self, name: str, _: bool) -> None:
        self._add(html.entities.html5.get(f"{name};", ""))

    def _keep(self, field: str, text: str) -> None:
        entry = self._entries[-1]
        if not getattr(entry, field):
            setattr(entry, field, text.strip())


def _given(field: str, attributes: dict[str, str]) -> str | None:
    """The value of an attribute in place of the text: Atom's links and categories. "" for a link to something else."""
    if field == "url" and "href" in attributes:
        return attributes["href"] if attributes.get("rel", "alternate") == "alternate" else ""
    if field == "guid" and attributes.get("isPermaLink", "true") != "true":
        return ""
    if field == "section":
        return attributes.get("term") or attributes.get("label")
    return None


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    # As if there were an external document type: then an undeclared entity is skipped, and reported to the handler.
    parser.UseForeignDTD(True)

    def refuse(*_: object) -> None:
        raise UnreadableError("it declares entities of its own, which can make a small file fill the memory")

    parser.EntityDeclHandler = refuse
    return parser
