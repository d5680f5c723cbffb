"""Articles from JSON lines, feeds and sitemaps."""

import re
from typing import Any

import pytest

import schemas
from producers import imports
from producers.imports import Refused, Shelf
from producers.sitemap import UnreadableError

NOW_MS = 1_795_392_000_000
SHELF = Shelf("demo", None, NOW_MS)
NUMBERED = Shelf("demo", re.compile(r"/articles/(\d+)"), NOW_MS)

RSS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>Journal</title>
<item><title>Mar\xc3\xa9e &amp; vent\xc2\xa0: &lt;i&gt;le&lt;/i&gt; r\xc3\xa9cit</title>
<link>https://demo.example/articles/12-maree?utm_source=rss</link><category>Culture</category>
<pubDate>Sun, 22 Nov 2026 10:00:00 +0100</pubDate></item>
<item><title>Sans date</title><link>https://demo.example/articles/13-vent</link></item>
<item><title>Sans article</title><link>https://demo.example/contact</link></item>
<item><link>https://demo.example/articles/14</link></item>
</channel></rss>"""

ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>Journal</title><id>urn:x</id>
<updated>2026-11-22T10:00:00Z</updated>
<entry><id>urn:1</id><title>Une entr\xc3\xa9e</title><link href="https://demo.example/a"/>
<published>2026-11-22T09:00:00Z</published><updated>2026-11-22T10:00:00Z</updated></entry></feed>"""

NEWS = b"""<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
 xmlns:n="http://www.google.com/schemas/sitemap-news/0.9">
<url><loc> https://demo.example/a </loc><lastmod>2026-11-22</lastmod><n:news><n:publication><n:name>Journal</n:name>
</n:publication><n:publication_date>2026-11-21T09:00:00Z</n:publication_date><n:title>Pluie &amp; vent</n:title></n:news></url>
<url><loc>https://demo.example/contact</loc></url></urlset>"""

BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>&b;</loc></url></urlset>"""


def test_a_feed_becomes_articles() -> None:
    """Plain titles, the first category as section, ids by the pattern; what has no id or title is refused."""
    first, undated, no_id, no_title = imports.from_feed(RSS, NUMBERED)
    assert first == {
        "site_id": "demo",
        "article_id": "12",
        "title": "Marée & vent\u00a0: le récit",
        "url": "https://demo.example/articles/12-maree?utm_source=rss",
        "format": "",
        "section": "Culture",
        "published_at": 1795338000000,
        "status": "published",
    }
    assert schemas.faults("article", first) == []
    assert isinstance(undated, dict)
    assert undated["published_at"] == NOW_MS
    assert no_id == Refused(3, "--article-pattern finds no id in https://demo.example/contact")
    assert no_title == Refused(4, "no title: https://demo.example/articles/14")


def test_an_atom_feed_tells_changes_too() -> None:
    """published and updated are different times."""
    (entry,) = imports.from_feed(ATOM, SHELF)
    assert isinstance(entry, dict)
    assert (entry["article_id"], entry["title"]) == ("/a", "Une entrée")
    assert entry["updated_at"] - entry["published_at"] == 3_600_000


def test_a_news_sitemap_becomes_articles() -> None:
    """Pages without a news title are no articles."""
    first, page = imports.from_sitemap(NEWS, SHELF)
    assert isinstance(first, dict)
    assert (first["article_id"], first["title"], first["url"]) == ("/a", "Pluie & vent", "https://demo.example/a")
    assert first["published_at"] == 1795251600000
    assert isinstance(page, Refused)


@pytest.mark.parametrize("document", [BOMB, BOMB.decode().encode("utf-16")], ids=["utf-8", "utf-16"])
def test_a_document_with_entities_is_refused(document: bytes) -> None:
    """Small files that grow without end are not expanded, in whatever encoding they come."""
    with pytest.raises(UnreadableError, match="entities"):
        list(imports.from_sitemap(document, SHELF))
    with pytest.raises(UnreadableError, match="entities"):
        imports.guess(document)


def test_what_is_no_xml_is_refused() -> None:
    """With the parser's place."""
    with pytest.raises(UnreadableError, match=r"not XML: .* line 1"):
        list(imports.from_sitemap(b"<urlset>", SHELF))
    with pytest.raises(UnreadableError, match="cannot be read"):
        list(imports.from_feed(b"nothing at all <", SHELF))


@pytest.mark.parametrize(
    ("start", "kind"),
    [(RSS, "feed"), (ATOM, "feed"), (NEWS, "sitemap"), (b' \n{"article_id"', "jsonl"), (b"\xef\xbb\xbf{", "jsonl")],
)
def test_the_kind_is_guessed(start: bytes, kind: str) -> None:
    """By the first bytes."""
    assert imports.guess(start) == kind


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"/>', "index of sitemaps"),
        (b"<html><body/></html>", "neither"),
        (b"a,b\n", "neither"),
        (b"", "neither"),
    ],
)
def test_what_cannot_be_imported_is_told(start: bytes, said: str) -> None:
    """The sentence says what to do instead."""
    with pytest.raises(UnreadableError, match=said):
        imports.guess(start)


def test_json_lines_are_completed() -> None:
    """Site, status and id may be left out, times written for people; a removal needs no title."""
    rows = [
        b'{"title":"A","url":"https://demo.example/articles/7","published_at":"2026-11-22T09:00:00Z","format":"light"}\n',
        b"\n",
        b'{"article_id":"7","status":"removed"}',
    ]
    first, removed = imports.from_json_lines(rows, NUMBERED)
    assert isinstance(first, dict)
    assert (first["article_id"], first["published_at"], first["format"]) == ("7", 1795338000000, "light")
    assert removed == {"site_id": "demo", "article_id": "7", "status": "removed"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"article_id":"a"}', "title"),
        (b'{"article_id":"a b","status":"removed"}', "spaces"),
        (b'{"title":"A","url":"https://demo.example/contact","published_at":5}', "finds no id"),
        (b'{"article_id":"a","title":"A","url":"https://x/","published_at":"soon"}', "published_at"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_line(row: bytes, said: str) -> None:
    """The rest of the file is not lost for it."""
    good: bytes = b'{"article_id":"a","status":"removed"}'
    first, refused, last = imports.from_json_lines([good, row, good], NUMBERED)
    answer: Any = refused
    assert isinstance(answer, Refused)
    assert answer.place == 2
    assert said in answer.reason
    assert isinstance(first, dict)
    assert isinstance(last, dict)
