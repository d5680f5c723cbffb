"""Whatever the spelling of an address in a file, its article is one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from producers.replay import replaying, sources
from producers.replay.replaying import Rules
from producers.replay.summary import Fault
from schemas.article_id import IdRule

AT_MS = 1_795_338_303_000


def line(target: bytes) -> bytes:
    return b'1.2.3.4 - - [22/Nov/2026:10:05:03 +0100] "GET ' + target + b' HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n'


def found(tmp_path: Path, content: bytes, rules: Rules, name: str = "access.log") -> list[Any]:
    """Article ids; the reason if a line is not sent."""
    file = tmp_path / name
    file.write_bytes(content)
    outcomes = replaying.outcomes(sources.source(str(file)), rules)
    return [
        one.reason if isinstance(one, Fault) else one["article_id"] if isinstance(one, dict) else one
        for one in outcomes
    ]


def test_an_article_is_one_however_its_address_is_spelled(tmp_path: Path) -> None:
    """By browsers, CMSes and servers: percent-encoded, raw, escaped, with an origin, a query, a slash at the end."""
    spellings = [
        b"/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9",
        b"/soci%c3%a9t%c3%a9/un-%c3%a9t%c3%a9",
        "/société/un-été".encode(),
        b"/soci%C3%A9t%C3%A9/un%2D%C3%A9t%C3%A9",
        rb"/soci\xC3\xA9t\xC3\xA9/un-\xC3\xA9t\xC3\xA9",  # nginx
        rb"/soci\xc3\xa9t\xc3\xa9/un-\xc3\xa9t\xc3\xa9",  # Apache
        rb"/soci\xC3\xA9t%C3%A9/un-\xc3\xa9t%c3%a9",
        b"/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9/",
        b"/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9?utm_source=x#lire",
        b"https://www.example.org:8443/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9",
        b"/sport/../soci%C3%A9t%C3%A9/./un-%C3%A9t%C3%A9",
        "/socie\u0301te\u0301/un-e\u0301te\u0301".encode(),
    ]
    assert Counter(found(tmp_path, b"".join(map(line, spellings)), Rules("demo"))) == {
        "/société/un-été": len(spellings)
    }
    rows = [{"occurred_at": AT_MS, name: one.decode()} for one in spellings for name in ("url", "path", "article_id")]
    # A backslash in JSON is one: no server escaped it.
    rows = [row for row in rows if "\\" not in str(row)]
    text = "\n".join(map(json.dumps, rows)).encode()
    assert set(found(tmp_path, text, Rules("demo"), "events.jsonl")) == {"/société/un-été"}


@pytest.mark.parametrize(
    ("target", "article"),
    [
        (b"/a b", "/a%20b"),
        (b"/caf\xe9", "/caf%E9"),
        (rb"/caf\xE9", "/caf%E9"),
        (rb"/a\"b\\c", '/a"b\\c'),
        (rb"/a\x22b\x5Cc", '/a"b\\c'),
        (rb"/a\nb", "/a%0Ab"),
        ("/a\u202eb".encode(), "/a%E2%80%AEb"),
        (b"/%D9%85%DB%8C%E2%80%8C%D8%AE", "/می\u200cخ"),
        (b"/100%", "/100%25"),
        (b"/", "/"),
        (b"//", "/"),
        (b"https://www.example.org", "/"),
        (b"/" + b"x" * 512, "pattern"),
        (b"*", "pattern"),
        (b"a/b", "pattern"),
    ],
)
def test_ids_are_in_the_normal_form(tmp_path: Path, target: bytes, article: str) -> None:
    """Bytes that are not UTF-8 stay encoded; what is no address has no id."""
    assert found(tmp_path, line(target), Rules("demo")) == [article]


@pytest.mark.parametrize(
    ("pattern", "target", "article"),
    [
        ("query:p", b"/?p=12&utm_source=x", "12"),
        ("query:p", b"/index.php?x=1&p=%C3%A9t%c3%a9", "été"),
        ("query:p", b"/?page=12", "pattern"),
        ("query:p", b"/?p=", "pattern"),
        (r"^/article\.php\?.*\bid=([0-9]+)", b"/article.php?lang=fr&id=17", "17"),
        ("^/société/([^/?]+)", b"/soci%c3%a9t%C3%A9/un-%C3%A9t%C3%A9?x=/b", "un-été"),
        ("^/blog/([^/]+)", b"/blog/a%20b/", "a%20b"),
        ("^/blog/([^/]+)", b"/other?next=/blog/a", "pattern"),
        ("^(/blog/[^/]+)/", b"/blog/a%2Db/", "/blog/a-b"),
        ("path", b"/?p=12", "/"),
    ],
)
def test_the_pattern_sees_the_normal_form_and_the_query(
    tmp_path: Path, pattern: str, target: bytes, article: str
) -> None:
    """Of --article-pattern: path, query:NAME or an expression. It holds instead of the site's own rule."""
    assert found(tmp_path, line(target), Rules("demo", pattern, ids={"demo": IdRule("query:z")})) == [article]


def test_each_site_has_its_rule(tmp_path: Path) -> None:
    """Rows that name a site follow that site's rule, others that of the site chosen."""
    rules = Rules("demo", ids={"demo": IdRule("query:p"), "b": IdRule("path", "keep"), "c": IdRule("^/([0-9]+)")})
    rows: list[dict[str, Any]] = [
        {"url": "/x/?p=1"},
        {"url": "/x/?p=1", "site_id": "b"},
        {"url": "https://c.example/12-titre", "site_id": "c"},
        {"url": "/titre", "site_id": "c"},
        {"url": "/x/?p=1", "site_id": "unknown"},
        {"article_id": "/x/?p=1"},
        {"article_id": "/x/"},
        {"article_id": "/x/", "site_id": "b"},
        {"article_id": "17"},
        {"article_id": "17", "url": "/x?p=18"},
        {"article_id": "/a b"},
        {"article_id": "a b"},
        {"article_id": None, "url": "/x?p=18", "status": None},
    ]
    text = "\n".join(json.dumps(row | {"occurred_at": AT_MS}) for row in rows).encode()
    expected = ["1", "/x/", "12", "pattern", "/x", "1", "/x", "/x/", "17", "17", "/a%20b", "malformed", "18"]
    assert found(tmp_path, text, rules, "events.jsonl") == expected


@pytest.mark.parametrize("address", ["www.example.org/a", "blog/a", "", "mailto:a@example.org", 5, ["/a"]])
def test_what_is_no_address_is_malformed(tmp_path: Path, address: Any) -> None:
    """Such as a column of host and path, without a scheme."""
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps({"url": address, "occurred_at": AT_MS}))
    (fault,) = replaying.outcomes(sources.source(str(file)), Rules("demo"))
    assert isinstance(fault, Fault)
    assert "it must begin with / or a scheme such as https://" in fault.text
