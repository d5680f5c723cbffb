"""Articles from JSON lines, RSS and Atom feeds and news sitemaps, as records of topic articles."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

import schemas
from producers import times
from producers.articles import documents
from producers.articles.documents import Entry, UnreadableError
from producers.replay import combined

KINDS = ("jsonl", "feed", "sitemap")
LARGEST_DOCUMENT_BYTES = 64 << 20
"""Feeds and sitemaps are read whole; a sitemap may have 50 MB by its own standard."""

LONGEST_LINE_BYTES = 1 << 20
"""Of JSON; an article takes a few kilobytes."""

_TAG = re.compile(r"<[^>]*>")
_NO_CHARACTER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True)
class ImportDefaults:
    """Values for entries that lack them. `pattern` is searched in a URL's path; group 1 is the article's id."""

    site: str
    pattern: re.Pattern[str] | None
    now_ms: int


@dataclass(frozen=True)
class Refused:
    """An entry that is no article: `place` is its line or number, from 1."""

    place: int
    reason: str


def guess(start: bytes) -> str:
    """The kind by the first bytes; raises UnreadableError if it is none that can be imported."""
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{"):
        return "jsonl"
    root = documents.root_of(start)
    if root == "sitemapindex":
        raise UnreadableError("it is an index of sitemaps; import the sitemaps that it names, one by one")
    if root == "urlset":
        return "sitemap"
    if root in {"rss", "feed", "RDF"}:
        return "feed"
    raise UnreadableError("it is neither JSON lines nor RSS, Atom or a news sitemap; choose with --format")


def from_json_lines(readline: Callable[[int], bytes], defaults: ImportDefaults) -> Iterator[dict[str, Any] | Refused]:
    """Articles by the contract; site, id (from the URL) and status may be missing, times may be RFC 3339."""
    for number in itertools.count(1):
        line = readline(LONGEST_LINE_BYTES + 1)
        if len(line) > LONGEST_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = readline(LONGEST_LINE_BYTES)
            yield Refused(number, f"the line is longer than {LONGEST_LINE_BYTES >> 10} KiB")
            continue
        if not line:
            return
        if not line.strip():
            continue
        try:
            entry = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            yield Refused(number, f"no JSON: {error}")
            continue
        if not isinstance(entry, dict):
            yield Refused(number, "no JSON object")
            continue
        article = {"site_id": defaults.site, "status": "published", **entry}
        for name in ("published_at", "updated_at"):
            if isinstance(article.get(name), str):
                article[name] = times.from_rfc3339(article[name])
        if "article_id" not in article and isinstance(article.get("url"), str):
            article["article_id"] = _id_of(article["url"], defaults)
        yield _checked(article, number)


def from_feed(document: bytes, defaults: ImportDefaults) -> Iterator[dict[str, Any] | Refused]:
    """Articles of an RSS or Atom feed. The first category is the section; an entry without a date came out now."""
    return _from_entries(documents.feed(document), defaults)


def from_sitemap(document: bytes, defaults: ImportDefaults) -> Iterator[dict[str, Any] | Refused]:
    """Articles of a news sitemap: entries without a news title are pages, not articles."""
    return _from_entries(documents.sitemap(document), defaults)


def _from_entries(entries: Iterable[Entry], defaults: ImportDefaults) -> Iterator[dict[str, Any] | Refused]:
    for number, entry in enumerate(entries, 1):
        if entry.fault:
            yield Refused(number, entry.fault)
            continue
        updated_ms = times.from_feed(entry.updated)
        article: dict[str, Any] = {
            "site_id": defaults.site,
            "article_id": _id_of(entry.url, defaults),
            "title": _plain(entry.title),
            "url": entry.url,
            "format": "",
            "section": _plain(entry.section)[:64],
            "published_at": times.from_feed(entry.published) or updated_ms or defaults.now_ms,
            "status": "published",
        }
        if updated_ms is not None:
            article["updated_at"] = updated_ms
        if article["title"]:
            yield _checked(article, number)
        else:
            yield Refused(number, f"no title: {entry.url}")


def _checked(article: dict[str, Any], place: int) -> dict[str, Any] | Refused:
    if article.get("article_id", "") is None:
        return Refused(place, f"--article-pattern finds no id in {article.get('url')}")
    faults = schemas.faults("article", article)
    return Refused(place, "; ".join(faults)) if faults else article


def _id_of(url: str, defaults: ImportDefaults) -> str | None:
    path = combined.path_of(url)
    if defaults.pattern is None:
        return path
    found = defaults.pattern.search(path)
    return found[1] if found else None


def _plain(text: str) -> str:
    """A title as readers see it: without tags, entities resolved. No-break spaces stay."""
    # Python refuses numbers of more than 4,300 digits; no character has one of more than seven. Replaced as HTML does:
    # without a replacement the text before and after could join to another such number.
    return _SPACE.sub(" ", html.unescape(_NO_CHARACTER.sub("\ufffd", _without_tags(text)))).strip(" ")


def _without_tags(text: str) -> str:
    # Only up to the last >: a < without a > behind it would make the search run to the end each time.
    tagged, end, rest = text.rpartition(">")
    return _TAG.sub("", tagged + end) + rest
