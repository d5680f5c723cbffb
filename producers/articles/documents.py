"""Feeds and news sitemaps, read with expat in one pass, so that no document costs more than its length.

A document with entities of its own, which can make a small file fill the memory, is refused; those of HTML, which many
feeds use undeclared, are known. Texts and nesting beyond any real document are faults of the entry or the document.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from producers.articles import markup, titles
from producers.articles.markup import Notes, UnreadableError
from producers.articles.names import FEED, NAMESPACES, SITEMAP, Names

LONGEST_TEXT = 65_536
"""Characters of one text in an entry, such as a title."""
DEEPEST = 256
"""Nesting of elements."""
LONGEST_BASE = 8_192
"""Characters of an address that links are resolved by."""
MOST_ENTRIES = 200_000
"""Entries of a document; a sitemap may have 50,000 by its own standard."""
MOST_UNDECLARED = 20
"""Namespaces that are used and not declared."""
_PIECE = 1 << 20
"""Bytes given to the parser at once."""

_PAGE = re.compile(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_ROOT = re.compile(rb"<(?:[\w.-]{1,64}:)?(?:rss|feed|urlset|RDF)(?=[\s/>])[^>]*")
_PREFIX = re.compile(rb"</?([A-Za-z_][\w.-]{0,63}):|\s([A-Za-z_][\w.-]{0,63}):[\w.-]{1,64}\s*=")
_WRAPPED = re.compile(r"[\t ]*[\r\n]\s*|\t")
_ENDS_EARLY = {
    expat.errors.codes[fault]
    for fault in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
}
_UNBOUND = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]


@dataclass(slots=True)
class Entry:
    """An <url>, <item> or <entry>; missing fields are empty. `fault` is the reason why it cannot be used."""

    url: str = ""
    title: str = ""
    section: str = ""
    published: str = ""
    updated: str = ""
    guid: str = ""
    original: str = ""
    fault: str = ""


@dataclass
class Document:
    """What was read: `kind` is feed or sitemap, `notes` are sentences on what was not as it should be."""

    kind: str
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)


def read(document: bytes) -> Document:
    """An RSS or Atom feed or a sitemap; raises UnreadableError. The first title, link or section of an entry holds."""
    notes = Notes()
    text = markup.text_of(document, notes)
    if not text or text.isspace():
        raise UnreadableError("it is empty")
    if _PAGE.match(text[:8_192]):
        raise UnreadableError("it is a page of HTML, as servers send in place of a feed; import the feed's own address")
    if not re.match(rb"\s*<", text):
        raise UnreadableError(
            "it is neither JSON lines nor RSS, Atom or a news sitemap: this is not XML, which begins with <,"
            f" but {text.strip()[:80].decode(errors='replace')[:40]!r}"
        )
    try:
        return _Reading(notes).read(text)
    except expat.ExpatError as error:
        if error.code != _UNBOUND:
            raise _unreadable(error) from error
    try:
        return _Reading(notes).read(_with_prefixes(text, notes))
    except expat.ExpatError as error:
        raise _unreadable(error) from error


def _unreadable(error: expat.ExpatError) -> UnreadableError:
    if error.code in _ENDS_EARLY:
        return UnreadableError(f"its end is missing: {str(error)[:200]}; it was cut, so nothing of it was imported")
    return UnreadableError(f"this is not XML: {str(error)[:200]}")


def _with_prefixes(text: bytes, notes: Notes) -> bytes:
    """With the prefixes that are used, and that the root does not declare."""
    root = _ROOT.search(text)
    if root is None:
        return text
    used = {first or second for first, second in _PREFIX.findall(text)}
    bound = root[0].replace(b" ", b"")
    missing = sorted(p.decode() for p in used if not p.lower().startswith(b"xml") and b"xmlns:%b=" % p not in bound)
    if len(missing) > MOST_UNDECLARED:
        return text
    notes.add(f"it uses namespaces that it does not declare: {', '.join(missing)}")
    declared = "".join(f' xmlns:{p}="{NAMESPACES.get(p, f"urn:undeclared:{p}")}"' for p in missing)
    at = root.end() - root[0].endswith(b"/")
    return text[:at] + declared.encode() + text[at:]


class _Reading:
    """One pass over a document. A field lies `deepest` below its entry at most, and has the text of all within it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._kind = ""
        self._names = Names("", "")
        self._deepest = 1
        self._entries: list[Entry] = []
        self._depth = 0
        self._entry_at = 0
        self._field = ""
        self._field_at = 0
        self._is: Callable[[str], str] = str.strip
        self._text: list[str] = []
        self._length = 0
        self._bases: list[tuple[int, str]] = []
        self._home = ""
        """The address of the feed's site, for links that have none of their own."""

    def read(self, text: bytes) -> Document:
        parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        parser.EntityDeclHandler = _refuse
        for at in range(0, len(text), _PIECE):
            parser.Parse(text[at : at + _PIECE], False)
        parser.Parse(b"", True)
        for entry in self._entries:
            guid = entry.guid if entry.guid.lower().startswith(("http://", "https://")) else ""
            entry.url = _resolved(entry.original or entry.url or guid, self._home)
        return Document(self._kind, self._entries, [*self._notes.sentences(), *self._names.notes()])

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError(f"it has more than {DEEPEST} elements within each other")
        namespace, _, local = name.rpartition(" ")
        if self._depth == 1:
            self._begin(namespace, local)
        if base := attributes.get("http://www.w3.org/XML/1998/namespace base"):
            self._bases.append((self._depth, _resolved(base.strip(), self._bases[-1][1] if self._bases else "")))
        if self._field:
            if local == "br":
                self._add(" ")
            return
        if not self._entry_at and self._names.is_entry(namespace, local):
            self._entry_at = self._depth
            self._entries.append(Entry())
            if len(self._entries) > MOST_ENTRIES:
                raise UnreadableError(f"it has more than {MOST_ENTRIES:,} entries; import it in parts")
            return
        found = self._names.field(namespace, local)
        if not found or not self._is_here(found):
            return
        given = _given(found, attributes)
        if given is not None:
            self._keep(found, given)
            return
        self._field, self._field_at = found, self._depth
        self._is = self._names.title(namespace, attributes) if found in {"title", "section"} else str.strip

    def _begin(self, namespace: str, local: str) -> None:
        root = local.lower()
        if root == "sitemapindex":
            raise UnreadableError("it is an index of sitemaps; import the sitemaps that it names, one by one")
        if root not in {"urlset", "rss", "feed", "rdf"}:
            raise UnreadableError(
                f"it is neither JSON lines nor RSS, Atom or a news sitemap, but an XML document <{local[:60]}>"
            )
        self._kind = SITEMAP if root == "urlset" else FEED
        self._deepest = DEEPEST if self._kind == SITEMAP else 1
        self._names = Names(root, namespace)

    def _is_here(self, found: str) -> bool:
        """Whether this field belongs to the entry, or is the feed's link to its site."""
        if self._entry_at:
            # Deeper ones, such as the title of a picture or of the feed that an entry comes from, are not its own.
            return self._depth - self._entry_at <= self._deepest
        return found == "url" and not self._home and self._kind == FEED and self._depth <= 3

    def _end(self, _: str) -> None:
        if self._field and self._depth == self._field_at:
            self._keep(self._field, self._is("".join(self._text)))
            self._field, self._length = "", 0
            self._text.clear()
        if self._bases and self._bases[-1][0] == self._depth:
            self._bases.pop()
        if self._depth == self._entry_at:
            self._entry_at = 0
        self._depth -= 1

    def _add(self, text: str) -> None:
        if self._field and self._length <= LONGEST_TEXT:
            self._length += len(text)
            self._text.append(text)
            if self._length > LONGEST_TEXT:
                if self._entry_at:
                    self._entries[-1].fault = f"its {self._field} is longer than {LONGEST_TEXT:,} characters"
                self._text.clear()

    def _keep(self, found: str, text: str) -> None:
        text = text.strip()
        if found in {"url", "original"} and text and self._bases:
            text = _resolved(text, self._bases[-1][1])
        if not self._entry_at:
            self._home = text
        elif not getattr(self._entries[-1], found):
            setattr(self._entries[-1], found, text)


def _refuse(*_: object) -> None:
    raise UnreadableError("it declares entities of its own, which can make a small file fill the memory")


def _resolved(url: str, base: str) -> str:
    """An address as browsers read a link on the page `base`. Of a host without its scheme nothing is made."""
    url = _WRAPPED.sub("", url).replace(" ", "%20")
    if not url or not base or len(base) > LONGEST_BASE or url.lower().startswith("www."):
        return url
    try:
        return urllib.parse.urljoin(base, url)
    except ValueError:
        return url


def _given(found: str, attributes: dict[str, str]) -> str | None:
    """The value of an attribute in place of the text: Atom's links and categories. "" for a link to something else."""
    if found == "url" and "href" in attributes:
        return attributes["href"] if attributes.get("rel", "alternate") == "alternate" else ""
    if found == "guid" and any(v.lower() != "true" for name, v in attributes.items() if name.lower() == "ispermalink"):
        return ""
    if found == "section" and (term := attributes.get("term") or attributes.get("label")):
        return titles.of_text(term)
    return None
