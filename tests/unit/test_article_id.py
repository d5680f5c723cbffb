"""The normal form of article ids: every spelling of an address is one id, which is its own normal form."""

from __future__ import annotations

import contextlib
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.article_id import (
    MAX_BYTES,
    IdRule,
    NoArticleError,
    from_address,
    is_address,
    is_article_id,
    normalized,
    source_fault,
)

KEEP = IdRule(trailing_slash="keep")

SAME: dict[str, list[str]] = {
    "/société/un-été": [
        "/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9",
        "/soci%c3%a9t%c3%a9/un-%c3%a9t%c3%a9",
        "/soci\u00e9t\u00e9/un-\u00e9t\u00e9",
        "/soci%C3%A9t%C3%A9/un%2D%C3%A9t%C3%A9",
        "/socie\u0301te\u0301/un-e\u0301te\u0301",  # as macOS writes file names
        "/socie%CC%81te%CC%81/un-e%CC%81te%CC%81/",
        "https://www.example.org:8443/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9?utm_source=x#lire",
        "HTTP://user:word@www.example.org//sport/../soci%C3%A9t%C3%A9/./un-%C3%A9t%C3%A9",
        "\n  https://www.example.org/soci%C3%A9t%C3%A9/%2e%2E/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9\n",
    ],
    "/": ["/", "//", "https://www.example.org", "https://www.example.org?p=12", "/..", "/a/..", "/%2e%2e/", "/#top"],
    "/a//b": ["/a//b/", "//a//b", "/c/..//a//b"],  # an empty segment inside is a segment by RFC 3986
    "/100%25-sûr": ["/100%-s%C3%BBr", "/100%25-s%c3%bbr"],
    "/a%2Fb": ["/a%2fb", "/a%2Fb"],
    "/a%3Fb%23c%2541": ["/a%3fb%23c%2541"],
    "/a%20b%C2%A0c%0A": ["/a b\u00a0c%0a", "/a%20b%c2%a0c%0A"],
    "/caf%E9": ["/caf%e9", "/caf\udce9"],  # Latin-1, as Internet Explorer sent it
    "/été": ["/\udcc3%A9t%C3\udca9", "/\udcc3\udca9t\u00e9"],  # bytes of a log, one half of them escaped
    "/%ED%A0%80": ["/\ud800", "/%ed%a0%80"],
    "/%C0%AF": ["/%c0%af"],  # an overlong slash is none
    "/a%E2%80%AEb%EF%BB%BF": ["/a\u202eb\ufeff", "/a%e2%80%aeb%ef%bb%bf"],
    "/می\u200cخواهم": ["/%d9%85%db%8c%e2%80%8c%d8%ae%d9%88%d8%a7%d9%87%d9%85"],
    "/ക്\u200dഷ": ["/%E0%B4%95%E0%B5%8D%E2%80%8D%E0%B4%B7"],
    "/日本語/記事": ["/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E8%A8%98%E4%BA%8B"],
    "/한글": ["/\u1112\u1161\u11ab\u1100\u1173\u11af", "/%ED%95%9C%EA%B8%80"],
    "/❤\ufe0f-👩\u200d💻": ["/%e2%9d%a4%ef%b8%8f-%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB"],
    "/A/b;v=1,2!$&'()*+:@~_.-": [
        "/A/b;v=1,2!$&'()*+:@~_.-",
        "/A/b%3Bv%3D1%2C2%21%24%26%27%28%29%2A%2B%3A%40%7E%5F%2E%2D",
    ],
    '/"<>\\^`{|}': ['/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"],
    "/.well-known/x": ["/.well-known/x", "/%2Ewell-known/x/"],
    "/...": ["/...", "/%2e%2e%2e"],
    "/K": ["/\u212a"],  # the Kelvin sign is the letter
}


@pytest.mark.parametrize("form", SAME)
def test_every_spelling_is_one_article(form: str) -> None:
    for spelling in [*SAME[form], form]:
        assert from_address(spelling) == form, ascii(spelling)
        assert normalized(spelling.strip()) == form, ascii(spelling)
    assert is_article_id(form)


def test_case_is_kept() -> None:
    assert from_address("/Une") != from_address("/une")


def test_trailing_slashes_by_site() -> None:
    """Stripped by default, but for the root; kept if the site says so."""
    assert from_address("/a/") == from_address("/a//") == "/a"
    assert from_address("/a/", KEEP) == from_address("https://x/a/?q", KEEP) == "/a/"
    assert from_address("/a", KEEP) == "/a"
    assert from_address("/a/.", KEEP) == from_address("/a/b/..", KEEP) == "/a/"
    assert from_address("/", KEEP) == "/"


@pytest.mark.parametrize(
    ("rule", "address", "article"),
    [
        (IdRule("query:p"), "https://x/?p=123&utm_source=y#z", "123"),
        (IdRule("query:p"), "/index.php?a=1&p=caf%C3%A9+noir", "café%20noir"),
        (IdRule("query:p"), "/?p=&p=2", "2"),
        (IdRule("query:id[]"), "/?id%5B%5D=7", "7"),
        (IdRule("query:r"), "/?r=%2Fblog%2Fmoon%2F", "/blog/moon"),
        (IdRule("query:r"), "/?r=/blog/./moon", "/blog/moon"),
        (IdRule("query:u"), "/?u=a%252Fb", "a%252Fb"),
        (IdRule(r"^/articles/([0-9]+)"), "https://x/articles/17-un-titre?x", "17"),
        (IdRule(r"^/articles/(.+)/$"), "/articles/%C3%A9t%C3%A9/", "été"),
        (IdRule(r"^(/blog/.+)"), "/blog/moon/", "/blog/moon"),
        (IdRule(r"^/blog/(.+)"), "/blog/moon/", "moon"),
        (IdRule(r"^/blog/(.+)", "keep"), "/blog/moon/", "moon/"),
        (IdRule("query:q"), "/?q=node/12/", "node/12"),
        (IdRule("query:u"), "/?u=https%3A%2F%2Fx.example%2Fa%2F%3Fb=c", "/a/%3Fb=c"),
        (IdRule(r"^/amp/s/(.+)"), "/amp/s/https://x.example/a/", "/a"),
        (IdRule(r"[?&]id=([0-9]+)"), "/article.asp?lang=fr&id=12", "12"),
        (IdRule(r"^(/article\.php\?id=\d+)"), "/article.php?id=12&x", "/article.php?id=12"),
        (IdRule(r"^/a/(\d+)|^/b/(\d+)"), "/a/1", "1"),
    ],
)
def test_rules_of_sites(rule: IdRule, address: str, article: str) -> None:
    assert source_fault(rule.source) == ""
    assert from_address(address, rule) == article
    assert normalized(article, rule) == article  # by which reader and editor find it


@pytest.mark.parametrize(
    ("rule", "address", "why"),
    [
        (IdRule(), "blog/moon", "neither with / nor"),
        (IdRule(), "www.example.org/a", "neither with / nor"),
        (IdRule(), "", "neither with / nor"),
        (IdRule(), "*", "neither with / nor"),
        (IdRule(), "mailto:a@example.org", "neither with / nor"),
        (IdRule(), "/" + "é" * 256, "longer than 512 bytes"),
        (IdRule(), "/" + "%C3%A9" * 300, "longer than 512 bytes"),
        (IdRule(), "/a" + "\u0301\u0316" * 400, "longer than 512 bytes"),
        (IdRule(), "/" + "a/../" * 2000, "longer than 8,192 characters"),
        (IdRule("query:p"), "/about", "its query has no p"),
        (IdRule("query:p"), "/?p=", "its query has no p"),
        (IdRule("query:p"), "/?q=1", "its query has no p"),
        (IdRule(r"^/articles/([0-9]+)"), "/about", "finds no id"),
        (IdRule(r"^/articles/([0-9]*)"), "/articles/", "finds no id"),
        (IdRule(r"^/blog/([^/]+)/?$"), "/blog/?page=2", "finds no id"),
        (IdRule(r"^/(blog/[^/]+/[^/]+?)(?:\.html|/)?$"), "/blog/a.html?utm_campaign=Feed:+x/y", "finds no id"),
        (IdRule(r"^/a/(\d+)|^/b/(\d+)"), "/b/1", "finds no id"),
    ],
)
def test_addresses_without_an_article(rule: IdRule, address: str, why: str) -> None:
    with pytest.raises(NoArticleError, match=why):
        from_address(address, rule)


@pytest.mark.parametrize(
    ("source", "address"),
    [
        (r"^/[^/]+(/.*)$", "/sport/2026/finale"),
        (r"^/(?:fr|en)(/.*)$", "/fr/en/guide"),
    ],
)
def test_a_rule_that_finds_another_id_in_its_own_is_refused(source: str, address: str) -> None:
    """Ids are given to the rule too, by editors and readers: they would name another article there."""
    rule = IdRule(source)
    with pytest.raises(NoArticleError, match="in its own id"):
        from_address(address, rule)
    assert normalized(address, rule) == normalized(normalized(address, rule), rule) == address


@given(
    st.sampled_from(["query:p", "query:u", r"^/[^/]+(/.*)$", r"^/blog(/.+)", r"^/a/([^/]+)", r"[?&]id=([^&]+)"]),
    st.text(st.sampled_from("/abp?=&#%2F.\u0301éid:"), max_size=40),
)
@example("query:u", "?u=https://x.org/a/?u=b")
@example(r"^/blog(/.+)", "blog/blog/x/")
def test_whatever_rule_made_an_id_it_is_one(source: str, text: str) -> None:
    """Of every address, whatever door it came through, `normalized` makes an id that stands for itself."""
    rule = IdRule(source)
    for address in ("/" + text, "https://www.example.org/" + text):
        made = normalized(address, rule)
        assert normalized(made, rule) == made
        with contextlib.suppress(NoArticleError):
            assert from_address(address, rule) == made


def test_what_somebody_gives_may_be_an_id_already() -> None:
    """Only addresses have a normal form; one without the rule's article stands for its path."""
    rule = IdRule("query:p")
    for plain in ("17", "guid-%C3%A9", "tag:example.org,2026:1", "a/b/", "urn:x:1"):
        assert not is_address(plain)
        assert normalized(plain) == plain
    assert normalized("/?p=12", rule) == "12"
    assert normalized("/about/", rule) == normalized("https://x/about", rule) == "/about"
    with pytest.raises(NoArticleError):
        normalized("/" + "x" * MAX_BYTES)


@pytest.mark.parametrize("source", ["article", "^/a/[0-9]+", "query:", "(", "path/(", ""])
def test_a_source_that_cannot_be_used_is_named(source: str) -> None:
    assert source_fault(source)


@pytest.mark.parametrize("text", ["a\u200bb", "a\u202eb", "a\u2066b", "a\ufeffb", "a\u3164", "a\u00ad", "a b", "\t"])
def test_what_shows_nothing_is_in_no_id(text: str) -> None:
    assert not is_article_id(text)


_segments = st.text(st.characters(codec="utf-8") | st.sampled_from("/%?#. \u0301\u200c\u202eéA~"), max_size=30)
_raw = st.text(st.characters() | st.sampled_from("/%?#. \udce9\udcc3\udca9\u0301\u0338CA39Fé"), max_size=40)


@given(_raw, st.sampled_from(["strip", "keep"]))
@example("%2F\u0307", "strip")
@example("\u0338a", "keep")
@example("a/.//../b", "keep")
@example("%", "strip")
@example("%%41", "strip")
@example("\udcc3%A9", "strip")
def test_the_form_is_its_own_form(text: str, slash: str) -> None:
    rule = IdRule(trailing_slash=slash)
    form = from_address("/" + text, rule)
    assert from_address(form, rule) == normalized(form, rule) == form
    assert is_article_id(form)
    assert unicodedata.normalize("NFC", form) == form


@given(_segments, st.data())
def test_spellings_of_rfc_3986_are_equal(text: str, data: st.DataObject) -> None:
    """Case of digits, encoding of what needs none, dot segments (6.2.2.1 to 6.2.2.3), and NFD for NFC."""
    path = "/" + text.translate(dict.fromkeys(map(ord, "%?#"))).strip(" \t\r\n")
    form = from_address(path)
    assert from_address(quote(path)) == form
    assert from_address(quote(path).lower() if path.islower() else quote(path, safe="/~!$&'()*+,;=:@")) == form
    assert from_address("".join(f"%{byte:02x}" if byte != 0x2F else "/" for byte in path.encode())) == form
    assert from_address(quote(unicodedata.normalize("NFD", path))) == form
    assert from_address(f"/./x/..{path}") == form
    at = data.draw(st.integers(0, len(path)))
    assert from_address(path[:at] + quote(path[at:])) == form
    assert from_address(f"https://www.example.org{path}?q=1#f") == form
