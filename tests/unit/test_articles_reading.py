"""What a document is, is decided by the parser that reads it; what it cannot read whole is a sentence."""

import contextlib
import gzip
import io
from typing import Any

import pytest

from producers.articles import files, imports
from producers.articles.imports import Import, ImportDefaults
from producers.articles.markup import UnreadableError

SHELF = ImportDefaults("demo", 1_795_392_000_000)


def rss(title: str = "T", declared: str = "", *, link: str = "https://demo.example/a", channel: str = "") -> str:
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    item = f"<item><title>{title}</title><link>{link}</link></item>"
    return f"{head}<rss version='2.0'><channel>{channel}{item}</channel></rss>"


def read(document: str | bytes, kind: str = "auto") -> Import:
    raw = document.encode() if isinstance(document, str) else document
    return imports.from_document(raw, kind, SHELF)


def only(document: str | bytes) -> tuple[Any, list[str]]:
    """Its one article, and the notes."""
    about = read(document)
    (article,) = about.found
    return article, about.notes


ENCODINGS = [
    ("gb2312", "gb18030", "中文标题 與繁體"),
    ("gbk", "gbk", "中文标题"),
    ("gb18030", "gb18030", "中文标题"),
    ("euc-kr", "cp949", "한국어 뷁"),
    ("ks_c_5601-1987", "cp949", "한국어"),
    ("shift_jis", "cp932", "日本語①"),
    ("x-sjis", "cp932", "日本語"),
    ("euc-jp", "euc_jp", "日本語"),
    ("iso-2022-jp", "iso2022_jp", "日本語"),
    ("big5", "big5", "中文標題"),
    ("windows-1252", "cp1252", "“été” œuvre"),
    ("iso-8859-1", "cp1252", "“été”"),
    ("iso-8859-15", "iso-8859-15", "œ 5 €"),
    ("windows-1251", "cp1251", "мир"),
    ("windows-1256", "cp1256", "سلام"),
    ("koi8-r", "koi8-r", "мир"),
    ("tis-620", "tis-620", "ไทย"),
    ("macintosh", "mac_roman", "été"),
    ("UTF8", "utf-8", "été"),
    (" windows-1252 ", "cp1252", "été"),
    ("x-cp1251", "cp1251", "мир"),
    ("utf-16", "utf-16", "été"),
    ("utf-16", "utf-16-le", "été"),
    ("utf-16", "utf-16-be", "été"),
    ("utf-32", "utf-32", "été"),
]


@pytest.mark.parametrize(("declared", "encoding", "title"), ENCODINGS, ids=lambda value: str(value)[:12])
def test_encodings_are_read(declared: str, encoding: str, title: str) -> None:
    """By the names that they have on the web."""
    article, notes = only(rss(title, declared).encode(encoding))
    assert (article["title"], notes) == (title, [])


def test_what_stands_before_a_document_is_no_matter() -> None:
    """Blank lines and byte order marks, in whatever order."""
    bom = b"\xef\xbb\xbf"
    for before in (b"\n", b" \r\n\n", bom, bom + bom, bom + b"\n", b"\n" + bom + b" " + bom, b"\n" * 100):
        article, notes = only(before + rss("été", "utf-8").encode())
        assert (article["title"], notes) == ("été", []), before
    article, _ = only(b"\xff\xfe\xff\xfe" + ("\n" + rss("été", "utf-16")).encode("utf-16-le"))
    assert article["title"] == "été"


def test_characters_and_faults_at_the_end_of_a_piece_are_found() -> None:
    """Documents are decoded in pieces, between whose bytes a character may lie."""
    for fill in range((1 << 20) - 120, (1 << 20) - 112):
        start = f"<?xml version='1.0' encoding='gb2312'?>\n<!--{'x' * fill}-->\n".encode()
        article, _ = only(start + rss("中文标题" * 20).encode("gb18030"))
        assert article["title"] == "中文标题" * 20
        start = start.replace(b"gb2312", b"utf-8")
        assert only(start + rss("中文标题" * 20).encode())[0]["title"] == "中文标题" * 20
        with pytest.raises(UnreadableError, match="byte 0xE9 in line 3, column 41"):
            read(start + rss("é").encode("latin-1"))


@pytest.mark.parametrize(
    ("declared", "encoding", "title", "note"),
    [
        ("iso-8859-1", "utf-8", "été", "it declares iso-8859-1 and was read as UTF-8"),
        ("windows-1251", "utf-8", "мир", "it declares windows-1251 and was read as UTF-8"),
        ("gb2312", "utf-8", "中文标题" * 4, "it declares gb2312 and was read as UTF-8"),
        ("gb2312", "utf-8", "\u00b4\u00b5", "it was read as gb2312, which it declares; it could be UTF-8 too"),
        ("us-ascii", "utf-8", "été", "it declares us-ascii and was read as UTF-8"),
        ("utf-16", "utf-8", "été", "it declares utf-16 and was read as UTF-8"),
        ("gb2312", "gb18030", "中文标题", "it begins with the mark of UTF-8, and was read as gb2312"),
        ("iso-8859-1", "cp1252", "été", "it begins with the mark of UTF-8, and was read as iso-8859-1"),
    ],
)
def test_a_wrong_declaration_is_told(declared: str, encoding: str, title: str, note: str) -> None:
    """If it is certain what the document is."""
    document = (b"\xef\xbb\xbf" if "mark" in note else b"") + rss(title, declared).encode(encoding)
    article, notes = only(document)
    assert article["title"] == (title if "could be" not in note else title.encode(encoding).decode(declared))
    assert note in notes[0]


MENDED = [
    ("R & D", "R & D", "line 1: an & that begins no entity was read as &"),
    ("a &nosuch; b", "a &nosuch; b", "line 1: an & that begins no entity was read as &"),
    ("a\x0bb\x1fc\0", "a b c", "line 1: a control character that XML does not allow was read as a space"),
    ("l&#146;&#233;t&#xe9;", "l’été", "line 1: a number of no character was read as browsers read it"),
    (
        "&#55357;&#56832; &#xD83D;&#xDE00;",
        "😀 😀",
        "line 1: a number of no character was read as browsers read it (2 times)",
    ),
    ("a&#0;&#x1f;b", "a b", "line 1: a number of no character was read as browsers read it"),
    ("l&eacute;gende&hellip;", "légende…", ""),
    ("<![CDATA[R & D &amp;nosuch; ]]>", "R & D &nosuch;", ""),
]


@pytest.mark.parametrize(("written", "title", "note"), MENDED)
def test_what_is_meant_is_read_and_told(written: str, title: str, note: str) -> None:
    """Without a letter left out."""
    article, notes = only(rss(written))
    assert article["title"] == title
    assert notes == ([note] if note else [])


def test_addresses_keep_every_letter() -> None:
    """Also in attributes, of which XML parsers leave out entities that they do not know."""
    article, notes = only(rss("T", link="https://demo.example/?a=1&b=2&copy=3"))
    assert (article["url"], len(notes)) == ("https://demo.example/?a=1&b=2&copy=3", 1)
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>T</title><link href="https://x.example/caf&eacute;&x;"/></entry></feed>'
    assert only(atom)[0]["article_id"] == "/café&x;"


SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
NEWS = "http://www.google.com/schemas/sitemap-news/0.9"


def sitemap(namespace: str, news: str) -> str:
    declared = (f' xmlns="{namespace}"' if namespace else "") + (f' xmlns:news="{news}"' if news else "")
    return (
        f"<urlset{declared}><url><loc>https://demo.example/a</loc><news:news>"
        "<news:publication_date>2026-11-21T09:00:00Z</news:publication_date><news:title>T</news:title></news:news></url>"
        "</urlset>"
    )


@pytest.mark.parametrize(
    ("namespace", "news", "notes"),
    [
        (SITEMAP, NEWS, 0),
        (SITEMAP.replace("http:", "https:"), NEWS.replace("http:", "https:"), 2),
        ("http://www.google.com/schemas/sitemap/0.84", NEWS, 1),
        (SITEMAP + "/", NEWS + "/", 2),
        ("http://sitemaps.org/schemas/sitemap/0.9", "https://google.com/schemas/sitemap-news/0.84", 2),
        ("", NEWS, 1),
        (SITEMAP, "", 1),
        ("", "", 2),
    ],
)
def test_namespaces_that_are_nearly_right_are_read_and_told(namespace: str, news: str, notes: int) -> None:
    """https, another version, a slash at the end, none; and a prefix that is not declared."""
    article, said = only(sitemap(namespace, news))
    assert (article["article_id"], article["title"], article["published_at"]) == ("/a", "T", 1795251600000)
    assert len(said) == notes, said


@pytest.mark.parametrize(
    "document",
    [
        '<feed><entry><title>T</title><link href="https://demo.example/a"/></entry></feed>',
        '<feed xmlns="https://www.w3.org/2005/Atom/"><entry><title>T</title><link href="https://demo.example/a"/></entry></feed>',
        '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:title>T</a:title><a:link href="https://demo.example/a"/></a:entry></a:feed>',
        rss().replace("<rss", "<rss xmlns='http://backend.userland.com/RSS2'"),
        rss().replace("<item>", "<item><media:title>Photo</media:title>"),
        rss().replace("<item>", "<item><m:title xmlns:m='http://search.yahoo.com/mrss/'>Photo</m:title>"),
    ],
)
def test_feeds_of_nearly_right_namespaces_are_read(document: str) -> None:
    assert only(document)[0]["title"] == "T"


CUT = rss()
NOTHING = [
    ("", "it is empty"),
    (" \n\n", "it is empty"),
    ("\ufeff", "it is empty"),
    (CUT[:-20], "its end is missing: .* line 1"),
    (CUT[:60], "its end is missing: .* line 1"),
    ("<urlset>", "its end is missing: .* line 1"),
    (rss("<![CDATA[x")[:-5], "its end is missing"),
    ("<!DOCTYPE html><html><head><meta charset=utf-8><title>404</title>", "a page of HTML"),
    ("\n<!-- cached -->\n<html><body>Not found</body></html>", "a page of HTML"),
    ("Warning: include() in x.php\n" + rss(), "not XML, which begins with <, but 'Warning"),
    ("nothing at all <", "not XML"),
    ("a,b\n", "neither JSON lines nor RSS"),
    ("<opml><body/></opml>", "neither JSON lines nor RSS, Atom or a news sitemap, but an XML document <opml>"),
    (f'<sitemapindex xmlns="{SITEMAP}"/>', "index of sitemaps"),
    ("<rss><channel><title>x</title></channel></rss>", "a feed without entries"),
    (f'<urlset xmlns="{SITEMAP}"/>', "a sitemap without entries"),
    (f'<urlset xmlns="{SITEMAP}"><url><loc>https://x.example/a</loc></url></urlset>', "a sitemap of pages"),
    (sitemap(SITEMAP, "urn:x"), "none of its 1 entries has a title"),
    (rss("\u200b\u202e"), "none of its 1 entries has a title"),
    (rss() + "\n<b>", "junk after document element: line 2, column 0"),
    (rss("3 < 5"), "line 1, column"),
    (rss("</b>"), "mismatched tag: line 1, column"),
    (rss("été", "utf-8").encode("latin-1"), "it is not utf-8: byte 0xE9 in line 2, column"),
    (rss("été").encode("latin-1"), "not UTF-8, and declares no encoding: byte 0xE9 in line 1"),
    (rss("日本語", "shift_jis").encode("cp932")[:-60] + b"\x81<", "it is not shift_jis: byte 0x81"),
    (b"\xef\xbb\xbf" + rss("œ", "latin1").encode() + b"\xe9", "it is not UTF-8, whose mark it begins with: byte 0xE9"),
    *(
        (rss("t", name), f"an unknown encoding, {name}")
        for name in ("x-nobody", "zip", "rot13", "base64", "utf-7", "unicode_escape", "idna", "punycode", "cp037", "hz")
    ),
]


@pytest.mark.parametrize(("document", "said"), NOTHING)
def test_what_is_not_understood_is_a_sentence(document: str | bytes, said: str) -> None:
    """And no article comes of it."""
    with pytest.raises(UnreadableError, match=said):
        read(document)


def test_another_kind_than_the_given_one_is_a_sentence() -> None:
    with pytest.raises(UnreadableError, match="it is a sitemap and no feed"):
        read(sitemap(SITEMAP, NEWS), "feed")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b'[{"title":"A"}]', "array of JSON"),
        (b'\xef\xbb\xbf {"version": "https://jsonfeed.org/version/1.1", "items": []}', "JSON Feed"),
        (b'{\n  "title": "A"\n}\n', "over several lines"),
        ('{"title":"A"}'.encode("utf-16"), "JSON in UTF-16"),
        ('{"title":"A"}'.encode("utf-16-be"), "JSON in UTF-16"),
    ],
)
def test_json_of_another_form_is_a_sentence(start: bytes, said: str) -> None:
    """That says how it becomes JSON lines."""
    with pytest.raises(UnreadableError, match=said):
        imports.is_json(start)


def test_json_lines_are_known() -> None:
    bom = b"\xef\xbb\xbf"
    assert all(imports.is_json(start) for start in (b'{"a', b' \n{"article_id"', bom + b'{"', bom + bom + b'\n{ "'))
    assert not any(imports.is_json(start) for start in (b"", b"<", b"a,b\n", "<a".encode("utf-16")))


def test_gzip_is_unpacked_also_twice() -> None:
    packed = gzip.compress(gzip.compress(rss().encode()))
    head, source, was_packed = files.unpacked(io.BytesIO(packed))
    assert (head, source.read(), was_packed) == (rss().encode(), rss().encode(), True)
    rows = b'{"article_id":"/a","status":"removed"}\n' * 5_000
    with files.whole(files.unpacked(io.BytesIO(gzip.compress(rows)))[1]) as unpacked:
        assert unpacked.read() == rows


@pytest.mark.parametrize("cut", [-6, -100, 15])
def test_gzip_that_is_cut_is_a_sentence(cut: int) -> None:
    """Before any of it was used."""
    rows = b"".join(b'{"article_id":"/%d","status":"removed"}\n' % n for n in range(20_000))
    with (
        pytest.raises(UnreadableError, match="gzip that is damaged, or whose end is missing"),
        contextlib.ExitStack() as stack,
    ):
        stack.enter_context(files.whole(files.unpacked(io.BytesIO(gzip.compress(rows)[:cut]))[1]))
    with pytest.raises(UnreadableError, match="more than 3 times"):
        files.unpacked(io.BytesIO(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x"))))))


def test_json_lines_that_are_cut_are_a_sentence() -> None:
    """If it is a file; the position stays where it was."""
    whole = b'{"article_id":"/a","status":"removed"}'
    over = (whole + b"\n") * (files.HEAD_BYTES // len(whole + b"\n")) + whole  # the end of what is read first
    for rows in (whole, whole + b"\n", whole + b"\n" + whole, b"", b"\n\n", b"nothing\n", over):
        file = io.BytesIO(rows)
        _, source, _ = files.unpacked(file)
        files.check_end(file)
        assert source.read() == rows
    for cut in (1, 10, 30):
        for count in (1, 3_000):  # whose beginning is all of the file, and more than was looked at
            file = io.BytesIO((whole + b"\n") * count + whole[:-cut])
            _, source, _ = files.unpacked(file)
            with pytest.raises(UnreadableError, match="its end is missing"):
                files.check_end(file)
            assert source.read() == file.getvalue()
