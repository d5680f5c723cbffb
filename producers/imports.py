"""Articles from JSON lines, RSS and Atom feeds and news sitemaps, as records of topic articles."""

from __future__ import annotations

import html
import io
import re
import time
from calendar import timegm
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

import schemas
from producers import combined, sitemap, times
from producers.sitemap import UnreadableError

KINDS = ("jsonl", "feed", "sitemap")
LARGEST_DOCUMENT_BYTES = 64 << 20
"""Feeds and sitemaps are read whole; a sitemap may have 50 MB by its own standard."""

_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True)
class Shelf:
    """Where entries that do not say so belong. `pattern` is searched in a URL's path; group 1 is the article's id."""

    site: str
    pattern: re.Pattern[str] | None
    now_ms: int


@dataclass(frozen=True)
class Refused:
    """An entry that is no article: `place` is its line or number, from 1."""

    place: int
    reason: str


def guess(start: bytes) -> str:
    """The kind that the first bytes look like; raises UnreadableError where it is none that can be imported."""
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{"):
        return "jsonl"
    root = sitemap.root_of(start)
    if root == "sitemapindex":
        raise UnreadableError("it is an index of sitemaps; import the sitemaps that it names, one by one")
    if root == "urlset":
        return "sitemap"
    if root in {"rss", "feed", "RDF"}:
        return "feed"
    raise UnreadableError("it is neither JSON lines nor RSS, Atom or a news sitemap; choose with --format")


def from_json_lines(lines: Iterable[bytes], shelf: Shelf) -> Iterator[dict[str, Any] | Refused]:
    """Articles as the contract has them; site, id (from the URL), status and format of times may be left to us."""
    for number, line in enumerate(lines, 1):
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
        article = {"site_id": shelf.site, "status": "published", **entry}
        for name in ("published_at", "updated_at"):
            if isinstance(article.get(name), str):
                article[name] = times.from_rfc3339(article[name])
        if "article_id" not in article and isinstance(article.get("url"), str):
            article["article_id"] = _id_of(article["url"], shelf)
        yield _checked(article, number)


def from_feed(document: bytes, shelf: Shelf) -> Iterator[dict[str, Any] | Refused]:
    """Articles of an RSS or Atom feed. The first category is the section; an entry without a date came out now."""
    import feedparser

    # Bytes, not text or a name: a name that looks like an address would be fetched.
    parsed = feedparser.parse(io.BytesIO(document))
    if parsed.get("bozo") and not parsed.entries:
        raise UnreadableError(f"the feed cannot be read: {parsed.get('bozo_exception', 'no entries')}")
    for number, entry in enumerate(parsed.entries, 1):
        tags = [tag.get("term") or tag.get("label") or "" for tag in entry.get("tags", [])]
        published, updated = _feed_time(entry, "published_parsed"), _feed_time(entry, "updated_parsed")
        yield _from_entry(
            shelf,
            number,
            url=entry.get("link", ""),
            title=entry.get("title", ""),
            section=tags[0] if tags else "",
            published_ms=published,
            updated_ms=updated,
        )


def from_sitemap(document: bytes, shelf: Shelf) -> Iterator[dict[str, Any] | Refused]:
    """Articles of a news sitemap: entries without a news title are pages, not articles."""
    for number, entry in enumerate(sitemap.parse(document), 1):
        yield _from_entry(
            shelf,
            number,
            url=entry.url,
            title=entry.title,
            section="",
            published_ms=times.from_rfc3339(entry.published) if entry.published else None,
            updated_ms=times.from_rfc3339(entry.updated) if entry.updated else None,
        )


def _from_entry(
    shelf: Shelf,
    number: int,
    *,
    url: str,
    title: str,
    section: str,
    published_ms: int | None,
    updated_ms: int | None,
) -> dict[str, Any] | Refused:
    article: dict[str, Any] = {
        "site_id": shelf.site,
        "article_id": _id_of(url, shelf),
        "title": _plain(title),
        "url": url,
        "format": "",
        "section": _plain(section)[:64],
        "published_at": published_ms or updated_ms or shelf.now_ms,
        "status": "published",
    }
    if updated_ms is not None:
        article["updated_at"] = updated_ms
    if not article["title"]:
        return Refused(number, f"no title: {url}")
    return _checked(article, number)


def _checked(article: dict[str, Any], place: int) -> dict[str, Any] | Refused:
    if article.get("article_id", "") is None:
        return Refused(place, f"--article-pattern finds no id in {article.get('url')}")
    faults = schemas.faults("article", article)
    return Refused(place, "; ".join(faults)) if faults else article


def _id_of(url: str, shelf: Shelf) -> str | None:
    path = combined.path_of(url)
    if shelf.pattern is None:
        return path
    found = shelf.pattern.search(path)
    return found[1] if found else None


def _plain(text: str) -> str:
    """A title as readers see it: without tags, entities resolved. No-break spaces stay."""
    return _SPACE.sub(" ", html.unescape(_TAG.sub("", text))).strip(" ")


def _feed_time(entry: Any, name: str) -> int | None:
    # `in` first: asked for an absent "updated", feedparser answers with "published".
    parsed: time.struct_time | None = entry[name] if name in entry else None  # noqa: SIM401 - as said
    return None if parsed is None else timegm(parsed) * 1000
