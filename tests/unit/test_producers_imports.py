"""Articles from JSON lines, feeds and sitemaps."""

import io
import time
import tracemalloc
from typing import Any

import pytest

import schemas
from producers.articles import imports, titles
from producers.articles.imports import ImportDefaults
from producers.articles.markup import UnreadableError
from producers.articles.repeats import Refused

NOW_MS = 1_795_392_000_000
SHELF = ImportDefaults("demo", NOW_MS)
NUMBERED = ImportDefaults("demo", NOW_MS, source=r"/articles/(\d+)")

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


def read(document: bytes, defaults: ImportDefaults = SHELF) -> list[Any]:
    return list(imports.from_document(document, "auto", defaults).found)


def read_lines(lines: bytes, defaults: ImportDefaults = SHELF) -> list[Any]:
    return list(imports.from_json_lines(io.BytesIO(lines).readline, defaults).found)


def test_a_feed_becomes_articles() -> None:
    """Plain titles, the first category as section, ids by the pattern; what has no id or title is refused."""
    first, undated, no_id, no_title = read(RSS, NUMBERED)
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
    assert no_id == Refused(3, "no id in https://demo.example/contact: the pattern finds no id in it")
    assert no_title == Refused(4, "no title: https://demo.example/articles/14")


def test_an_atom_feed_reports_changes_too() -> None:
    """published and updated are different times."""
    (entry,) = read(ATOM)
    assert isinstance(entry, dict)
    assert (entry["article_id"], entry["title"]) == ("/a", "Une entrée")
    assert entry["updated_at"] - entry["published_at"] == 3_600_000


SLOPPY = """
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"
 xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>Journal</title>
<item><media:title>Photo</media:title><title>L&eacute;gende&nbsp;: <b>gras</b> 3 < 4</title><atom:link rel="self" href="https://x/"/>
<guid isPermaLink="false">tag:1</guid><link>https://demo.example/a</link><media:group><title>Autre</title></media:group>
<dc:subject>Culture</dc:subject><category>Autre</category><dc:date>2026-11-22T10:00:00+01:00</dc:date></item>
<item><title>B</title><guid>https://demo.example/b</guid><pubDate>un jour</pubDate></item></channel></rss>""".replace(
    "3 <", "3 &lt;"
)

RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel>
<title>Journal</title></channel><item rdf:about="x"><title>C</title><link>https://demo.example/c</link></item></rdf:RDF>"""


def test_feeds_of_every_kind_are_read() -> None:
    """Undeclared entities, ids as addresses, dates of Dublin Core; what belongs to a picture is not the entry's own."""
    first, second = read(SLOPPY.encode())
    assert isinstance(first, dict)
    assert (first["title"], first["section"]) == ("Légende\u00a0: gras 3 < 4", "Culture")
    assert (first["article_id"], first["published_at"]) == ("/a", 1795338000000)
    assert isinstance(second, dict)
    assert (second["article_id"], second["published_at"]) == ("/b", NOW_MS)
    (third,) = read(RDF)
    assert isinstance(third, dict)
    assert (third["article_id"], third["title"]) == ("/c", "C")


def rss(title: str, more: str = "") -> bytes:
    item = f"<item><title>{title}</title><link>https://demo.example/a</link>{more}</item>"
    return f"<rss><channel>{item}</channel></rss>".encode()


def news(title: str) -> bytes:
    return NEWS.replace(b"Pluie &amp; vent", title.encode())


LONG = 4_000_000
HOSTILE = [
    (rss("&lt;" * 16_000), ""),
    (rss("&lt;" * (LONG // 4)), "title is longer than 65,536 characters"),
    (rss("x\n" * (LONG // 2)), "title is longer than 65,536 characters"),
    (rss("x", "<author>" + "a" * LONG + "</author>"), ""),
    (rss("x", "<category>x</category>" * 50_000), ""),
    (rss("x", "<pubDate>" + "1 " * LONG + "</pubDate>"), "published is longer than"),
    (
        f"<feed xml:base='https://demo.example/{'y' * LONG}'>".encode()
        + b"<entry><title>x</title><link href='a'/></entry>" * 5_000
        + b"</feed>",
        "no id in a: it is no address",
    ),
    (rss("x") + b" " * LONG + b"\0", ""),
    (b" \n" * (LONG // 2) + b"\xef\xbb\xbf" * 100_000 + rss("x"), ""),
    (news("x" * LONG), "title is longer than 65,536 characters"),
    (news("&lt;a " * 10_000), "does not fit: The headline"),
]


@pytest.mark.parametrize(("document", "said"), HOSTILE)
def test_no_document_costs_more_than_its_length(document: bytes, said: str) -> None:
    """A title of 200,000 < once took 30 s. What is too long is refused, and what stands beside it is not."""
    began = time.process_time()
    found = read(document)
    assert time.process_time() - began < 5
    assert said in (found[0].reason if isinstance(found[0], Refused) else "")
    if not said:
        assert not isinstance(found[0], Refused) or "headline" in found[0].reason
        assert len(str(found[0])) < 2_000


@pytest.mark.parametrize("text", ["<" * 200_000, "<a" * 100_000, "<a>" * 70_000, "<" * 200_000 + ">"])
def test_tags_are_found_in_linear_time(text: str) -> None:
    """Whether they end or not; what does not end is no tag."""
    began = time.process_time()
    found = titles.of_html(text), titles.of_rss(text)
    assert time.process_time() - began < 1
    assert found[0] == ("" if text.startswith("<a>") else text)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (rss("<a>" * 300 + "</a>" * 300), "more than 256 elements within each other"),
        (rss("</title></item>" + "<item/>" * 200_001 + "<item><title>"), "more than 200,000 entries"),
        (b"<?xml version='1.0' encoding='nobodys'?><rss/>", "unknown encoding"),
        (b"<" * LONG, "not XML"),
        (b"<!DOCTYPE " * 100_000, "not XML"),
        (b"<rss>" + b"".join(b"<p%d:a/>" % n for n in range(100_000)) + b"</rss>", "unbound prefix"),
    ],
)
def test_a_document_beyond_its_bounds_is_refused(document: bytes, said: str) -> None:
    """With the bound."""
    with pytest.raises(UnreadableError, match=said):
        read(document)


def test_a_line_that_is_too_long_is_refused_and_never_held() -> None:
    """Reading goes on behind it, in the memory of one line."""
    lines = io.BytesIO(b'{"title":"' + b"x" * (32 << 20) + b'"}\n{"article_id":"a","status":"removed"}\n')
    tracemalloc.start()
    try:
        refused, article = imports.from_json_lines(lines.readline, SHELF).found
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert refused == Refused(1, "the line is longer than 1024 KiB")
    assert isinstance(article, dict)


NO_NUMBERS = [
    "&#" + "9" * 5_000,
    "&#" + "9" * 5_000 + ";",
    "&#x" + "f" * 5_000 + ";",
    "&#&#123456789;" + "9" * 5_000 + ";",
    "&#<b>" + "9" * 5_000 + ";",
]


DOORS = {
    "json lines": '{"title":"T","url":"https://demo.example/a","published_at":1795338000000}\n'
    '{"title":"B","url":"https://demo.example/b","published_at":1795338000000}',
    "rss": "<rss><channel><item><title>T</title><link>https://demo.example/a</link><category>T</category></item>"
    "<item><title>B</title><link>https://demo.example/b</link></item></channel></rss>",
    "rdf": RDF.decode().replace("<item", "<item><title>T</title><link>https://demo.example/a</link></item><item"),
    "atom": ATOM.decode().replace(
        "<entry", '<entry><title>T</title><link href="https://demo.example/a"/></entry><entry'
    ),
    "sitemap": NEWS.decode().replace("Pluie &amp; vent", "T").replace("</urlset>", "")
    + "<url><loc>https://demo.example/b</loc><n:news><n:title>B</n:title></n:news></url></urlset>",
}


@pytest.mark.parametrize("number", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
@pytest.mark.parametrize("door", DOORS)
def test_a_number_that_is_no_character_ends_no_import(door: str, number: str) -> None:
    """Python reads no number of so many digits; what stands behind such a title is imported, whichever way it comes."""
    if door == "json lines":
        document = DOORS[door].replace('"T"', f'"{number}"').encode()
        found = read_lines(document)
    else:
        document = DOORS[door].replace(">T<", f">{number.replace('&', '&amp;').replace('<', '&lt;')}<").encode()
        found = read(document)
    assert number.encode()[-9:] in document.replace(b"&lt;", b"<")
    assert isinstance(found[-1], dict)
    assert found[-1]["article_id"] in {"/a", "/b", "/c"}


def test_a_news_sitemap_becomes_articles() -> None:
    """Pages without a news title are no articles."""
    first, page = read(NEWS)
    assert isinstance(first, dict)
    assert (first["article_id"], first["title"], first["url"]) == ("/a", "Pluie & vent", "https://demo.example/a")
    assert first["published_at"] == 1795251600000
    assert isinstance(page, Refused)


@pytest.mark.parametrize("document", [BOMB, BOMB.decode().encode("utf-16")], ids=["utf-8", "utf-16"])
def test_a_document_with_entities_is_refused(document: bytes) -> None:
    """Small files that grow without end are not expanded, in whatever encoding they come."""
    with pytest.raises(UnreadableError, match="entities"):
        read(document)


def test_json_lines_are_completed() -> None:
    """Site, status and id may be left out, times written for people; a removal needs no title."""
    rows = [
        b'{"title":"A","url":"https://demo.example/articles/7","published_at":"2026-11-22T09:00:00Z","format":"light"}\n',
        b"\n",
        b'{"article_id":"7","status":"removed"}',
    ]
    first, removed = read_lines(b"".join(rows), NUMBERED)
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
        (b'{"title":"A","url":"https://demo.example/contact","published_at":1795338000000}', "finds no id"),
        (b'{"article_id":"a","title":"A","url":"https://x/","published_at":"soon"}', "published_at is 'soon'"),
        (b'{"article_id":"a","title":"A","url":"https://x/","published_at":1795338000}', "looks like seconds"),
        (b'{"article_id":"a","title":"A","url":"https://x/","published_at":1795338000000,"updated_at":1}', "seconds"),
        (
            b'{"article_id":"a","title":"A","url":"https://x/","published_at":"2026-11-22T10:05:03"}',
            "no time with an offset",
        ),
        (b'{"article_id":"a","title":"A","url":"https://x/","published_at":"22/11/2026"}', "no time with an offset"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_line(row: bytes, said: str) -> None:
    """The rest of the file is not lost for it."""
    good: bytes = b'{"article_id":"a","status":"removed"}'
    first, refused, last = read_lines(b"\n".join([good, row, good]), NUMBERED)
    assert isinstance(refused, Refused)
    assert refused.place == 2
    assert said in refused.reason
    assert isinstance(first, dict)
    assert isinstance(last, dict)
