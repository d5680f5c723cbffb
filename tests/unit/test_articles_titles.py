"""Titles are what the feed says that they are: text, HTML or XHTML."""

import pytest

from tests.unit.test_articles_reading import NEWS, SITEMAP, only, rss, sitemap

TEXTS = [
    "La balise <nav> dans <header>",
    "Pourquoi 3 < 5 et 7 > 2",
    "R&amp;D",
    "a <b>b</b> &eacute; &#39;",
    "x &lt;y&gt;",
]


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def atom(title: str, kind: str = "") -> str:
    link = '<link href="https://demo.example/a"/>'
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><title {kind}>{title}</title>{link}</entry></feed>'


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_what_it_is(text: str) -> None:
    """In sitemaps, in Atom without a type, and in Atom of type text."""
    for document in (
        sitemap(SITEMAP, NEWS).replace(">T<", f">{escaped(text)}<"),
        sitemap(SITEMAP, NEWS).replace(">T<", f"><![CDATA[{text}]]><"),
        atom(escaped(text)),
        atom(escaped(text), 'type="text"'),
        atom(escaped(text), 'type="text/plain" mode="escaped"'),
        atom(f'<div xmlns="http://www.w3.org/1999/xhtml">{escaped(text)}</div>', 'type="xhtml"'),
    ):
        assert only(document)[0]["title"] == text, document


@pytest.mark.parametrize("kind", ['type="html"', 'type="text/html"', 'type="text/html" mode="escaped"'])
def test_html_is_read_as_html(kind: str) -> None:
    for written, title in (
        ("<b>gras</b> et R&amp;D", "gras et R&D"),
        ("3 < 5 et 7 &gt; 2", "3 < 5 et 7 > 2"),
        ("La balise &lt;nav&gt;", "La balise <nav>"),
        ("un<br/>deux<!-- x -->", "un deux"),
        ("l&eacute;gende&nbsp;!", "légende\u00a0!"),
    ):
        assert only(atom(escaped(written), kind))[0]["title"] == title, written


def test_xhtml_is_the_text_in_it() -> None:
    title = '<div xmlns="http://www.w3.org/1999/xhtml">La <b>balise</b> &lt;nav&gt;<br/>et R&amp;amp;D</div>'
    assert only(atom(title, 'type="xhtml"'))[0]["title"] == "La balise <nav> et R&amp;D"


@pytest.mark.parametrize(
    ("given", "title"),
    [
        *((text, text) for text in TEXTS[:2]),
        ("R&D", "R&D"),
        ("R&amp;D", "R&D"),
        ("<b>gras</b> et <i>l’autre</i>", "gras et l’autre"),
        ("l&eacute;gende &#8217;", "légende ’"),
        ("un<br>deux", "un deux"),
        ("La balise <nav></nav>", "La balise <nav></nav>"),
        ("Comment écrire <b> en HTML", "Comment écrire <b> en HTML"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("List<String> et Map<K, V>", "List<String> et Map<K, V>"),
        ("a &nosuch; b", "a &nosuch; b"),
        ("AT&T &amp; Verizon", "AT&T & Verizon"),
        ("x <y et z> w", "x <y et z> w"),
        ("A free guide to <head> elements", "A free guide to <head> elements"),
        ("A free guide to &lt;head&gt; elements", "A free guide to <head> elements"),
    ],
)
def test_titles_of_rss_are_html_if_they_look_like_it(given: str, title: str) -> None:
    """RSS does not say; both ways to write it are read alike."""
    assert only(rss(escaped(given)))[0]["title"] == title
    assert only(rss(f"<![CDATA[{given}]]>"))[0]["title"] == title


def test_a_section_that_was_escaped_is_no_part_of_the_title() -> None:
    assert only(rss(escaped("<![CDATA[Bonjour]]>")))[0]["title"] == "Bonjour"


def test_blanks_and_joiners() -> None:
    """Line ends and controls are one space. What Persian and emoji need stays, and no-break spaces do."""
    for given, title in (
        ("  un\n   deux\t trois ", "un deux trois"),
        ("un\u2028deux\u0085trois", "un deux trois"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚀 va", "👩\u200d🚀 va"),
        ("Vraiment\u202f?", "Vraiment\u202f?"),
        ("\ufeffun \u202exued", "un xued"),
        ("\u200fשלום\u200f!", "\u200fשלום\u200f!"),
    ):
        assert only(rss(given))[0]["title"] == title
        assert only(atom(given))[0]["title"] == title


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("a", "https://demo.example/home/a"),
        ("/a", "https://demo.example/a"),
        ("../a?b=1", "https://demo.example/a?b=1"),
        ("//www.demo.example/a", "https://www.demo.example/a"),
        ("\n https://demo.example/\n   a \n", "https://demo.example/a"),
        ("https://demo.example/a b", "https://demo.example/a%20b"),
        ("HTTP://demo.example/a", "HTTP://demo.example/a"),
    ],
)
def test_links_are_read_as_browsers_read_them_on_the_channels_page(link: str, url: str) -> None:
    given, _ = only(rss(link=link, channel="<link>https://demo.example/home/</link>"))
    assert getattr(given, "reason", "") or given["url"] == url


def test_links_by_bases_guids_and_redirections() -> None:
    """xml:base of the entry within that of the feed; a guid that is an address; the address before a counting one."""
    base = "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='https://demo.example/blog/'>"
    entry = "<entry xml:base='2026/'><title>T</title><link rel='replies' href='x'/><link href='un'/></entry></feed>"
    assert only(base + entry)[0]["url"] == "https://demo.example/blog/2026/un"
    original = "<f:origLink xmlns:f='http://rssnamespace.org/feedburner/ext/1.0'>https://demo.example/o</f:origLink>"
    for more, url in (
        ("<guid>https://demo.example/g</guid>", "https://demo.example/g"),
        ("<guid isPermaLink='TRUE'>https://demo.example/g</guid>", "https://demo.example/g"),
        (original + "<guid>https://demo.example/g</guid>", "https://demo.example/o"),
    ):
        assert only(rss(link="").replace("</item>", f"{more}</item>"))[0]["url"] == url
    for more in ("<guid>886840</guid>", "<guid ispermalink='false'>https://demo.example/no</guid>", ""):
        document = rss(link="", channel="<link>https://demo.example/</link>").replace("</item>", f"{more}</item>")
        assert only(document)[0].reason == "no link: T"
