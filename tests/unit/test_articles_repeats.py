"""The same id twice in one import."""

import io
import time
from typing import Any

import pytest

from producers.articles import imports, repeats
from producers.articles.imports import Import, ImportDefaults
from producers.articles.repeats import Found, Refused
from schemas.article_id import IdRule

NOW_MS = 1_795_392_000_000


def feed(*items: tuple[str, str, str], source: str | None = None) -> tuple[list[Any], Import]:
    """Of items with title, link and date."""
    written = "".join(
        f"<item><title>{title}</title><link>https://demo.example{link}</link><pubDate>{date}</pubDate></item>"
        for title, link, date in items
    ).replace("&", "&amp;")
    about = imports.from_document(
        f"<rss><channel>{written}</channel></rss>".encode(), "auto", ImportDefaults("demo", NOW_MS, source=source)
    )
    return list(about.found), about


def rows(*lines: str, **about: Any) -> tuple[list[Any], Import]:
    found = imports.from_json_lines(
        io.BytesIO("\n".join(lines).encode()).readline, ImportDefaults("demo", NOW_MS, **about)
    )
    return list(found.found), found


def row(title: str, link: str, at: int = NOW_MS) -> str:
    return f'{{"title":"{title}","url":"https://demo.example{link}","published_at":{at}}}'


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("2026-11-22", "2026-11-21", "A"),
        ("2026-11-21", "2026-11-22", "B"),
        ("", "2026-11-20", "B"),
        ("2026-11-20", "", "A"),
        ("soon", "", "B"),
        ("2026-11-22", "2026-11-22", "B"),
    ],
)
def test_the_newest_by_its_own_date_holds(first: str, second: str, kept: str) -> None:
    """And is counted; of campaigns' parameters, fragments and spellings there are no two articles."""
    campaigns = (
        "utm_source=x&utm_medium=y",
        "at_medium=Custom+level&at_campaign=rss&at_custom1=x",
        "pk_campaign=x&pk_kwd=y&PK_Medium=z&piwik_campaign=x",
        "mtm_campaign=x&mtm_group=y",
        "mc_cid=x&mc_eid=y&fbclid=z&gclid=1&msclkid=2",
        "xtor=RSS-1",
    )
    for link in ("/a", "/a/", "/a#suite", "/b/../a", "/%61", *(f"/a?{campaign}" for campaign in campaigns)):
        found, about = feed(("A", "/a?utm_source=rss", first), ("B", link, second))
        assert [article["title"] for article in found] == [kept], link
        assert about.repeated == 1


def test_a_date_of_the_import_is_not_the_articles_own() -> None:
    found, about = feed(("A", "/a", ""), ("B", "/a", "2020-01-01"))
    assert ([article["title"] for article in found], about.undated) == (["B"], set())


CLASHES = [
    (("/index.php?p=1", "/index.php?p=2"), "query:p"),
    (("/?lang=fr&id=1", "/?lang=fr&id=2"), "query:id"),
    (("/index.php", "/index.php?p=2"), "query:p"),
    (("/index.php?p=1&utm_source=a", "/index.php?p=2&utm_source=a"), "query:p"),
    *(
        ((f"/a?{name}=1&utm_id=1", f"/a?{name}=2&utm_id=2"), f"query:{name}")
        for name in (
            "refid",
            "ref",
            "pk_article",
            "pk",
            "pk_id",
            "pk_content",
            "at_id",
            "mc_id",
            "mc",
            "at",
            "xtor_id",
            "source",
        )
    ),
    (("/spip.php?article12", "/spip.php?article13&lang=fr"), r"[?&](article\d+)"),
    (("/?12", "/?13"), r"[?&](\d+)"),
    (("/?une", "/?deux"), ""),
    (("/news?tx_news%5Bnews%5D=1&cHash=a", "/news?tx_news%5Bnews%5D=2&cHash=b"), "query:tx_news[news]"),
    (("/#!/a", "/#!/b"), ""),
]


@pytest.mark.parametrize(("links", "source"), CLASHES)
def test_what_only_the_query_tells_apart_is_refused_with_the_fix(links: tuple[str, str], source: str) -> None:
    """Each by its address, in feeds and JSON lines alike; what is beside them is imported."""
    found, _ = feed(("A", links[0], ""), ("B", links[1], ""), ("C", "/c", ""))
    assert [isinstance(each, Refused) for each in found] == [True, True, False]
    lines, _ = rows(row("A", links[0]), row("B", links[1]), row("C", "/c"))
    assert [isinstance(each, Refused) for each in lines] == [False, True, False]
    for refused, link in ((found[0], links[0]), (found[1], links[1]), (lines[1], links[1])):
        assert link in refused.reason
        assert (source or "a path of its own") in refused.reason
    if source:
        mended, _ = feed(*((link, link, "") for link in links if "?" in link), source=source)
        assert not any(isinstance(each, Refused) for each in mended)


def test_an_id_without_the_query_of_its_address_is_told() -> None:
    """Also if no other entry has it today: the next import may. Parameters of campaigns are no matter."""
    links = ("/spip.php?article12", "/a?utm_source=x", "/b", "/c?d=1")
    _, about = feed(*((link, link, "") for link in links))
    assert (about.queried, about.query) == (2, "https://demo.example/spip.php?article12")
    _, about = rows(*(row(link, link) for link in links))
    assert (about.queried, about.query) == (2, "https://demo.example/spip.php?article12")
    assert feed(("A", "/c?d=1", ""), source="query:d")[1].queried == 0


def test_many_of_one_id_cost_no_more_than_each() -> None:
    """Whether they are one article or thousands."""
    article = {"site_id": "demo", "article_id": "/a"}
    began = time.process_time()
    assert repeats.newest(Found(n, article, "/a", 0, "") for n in range(100_000))[2] == 99_999
    assert len(repeats.newest(Found(n, article, "/a", 0, f"p={n}") for n in range(20_000))[1]) == 20_000
    assert time.process_time() - began < 5


def test_of_json_lines_the_newest_or_the_last_holds() -> None:
    """A line is skipped only if it is older by its own date; a removal has none."""
    found, about = rows(row("A", "/a"), row("B", "/a", NOW_MS - 1), row("C", "/a", NOW_MS + 1), row("D", "/a", NOW_MS))
    assert ([each["title"] for each in found], about.repeated) == (["A", "C"], 3)
    gone = '{"article_id":"https://demo.example/a/","status":"removed"}'
    found, about = rows(row("A", "/a"), gone)
    assert ([each["status"] for each in found], about.repeated) == (["published", "removed"], 1)
    found, about = rows(gone, row("A", "/a?x=1"))
    assert ([each["status"] for each in found], about.repeated) == (["removed", "published"], 1)


def given(article_id: str, link: str = "/x", status: str = "published") -> str:
    return row("T", link).replace("{", f'{{"article_id":"{article_id}","status":"{status}",', 1)


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (given("/a?id=1"), given("/a?id=2"), '/a?id=2; set ids.from = "query:id"'),
        (given("/a?id=1"), given("https://demo.example/a/?id=2"), "https://demo.example/a/?id=2; set ids.from"),
        (given("/a"), given("/a?id=2"), '/a?id=2; set ids.from = "query:id"'),
        (given("/a?id=1"), given("/a"), '/a; set ids.from = "query:id"'),
        (given("/a?id=1"), row("T", "/a?id=2"), "https://demo.example/a?id=2; set ids.from"),
        (given("/#!/a"), given("/#!/b"), "/#!/b; give each article a path of its own"),
        (given("/a?id=1", status="removed"), given("/a?id=2"), '/a?id=2; set ids.from = "query:id"'),
        (given("/a?id=1"), given("/a?id=2", status="removed"), '/a?id=2; set ids.from = "query:id"'),
        (given("/a?id=1"), given("/a", status="removed"), ""),
        (given("/a?id=1"), given("/a?id=1&utm_source=x"), ""),
        (given("/a", "/x?id=1"), given("/a/", "/x?id=2"), ""),
        (given("42", "/x?id=1"), given("42", "/x?id=2"), ""),
        (given("?id=1"), given("?id=1"), ""),
    ],
)
def test_ids_that_are_given_are_compared_as_addresses_are(first: str, second: str, clash: str) -> None:
    """One that is removed without a query takes off whatever has its id."""
    found, about = rows(first, second)
    assert len(found) == 2
    assert clash in found[1].reason if isinstance(found[1], Refused) else not clash, found[1]
    assert about.repeated == (not clash)
    assert not isinstance(rows(first, second, source="query:id")[0][1], Refused)


def test_ids_are_those_of_the_sites_rules() -> None:
    """Each line's own site has its own; an id that is given as an address is normalised too."""
    rules = {"forum": IdRule("query:p"), "keep": IdRule(trailing_slash="keep")}
    site = '"status":"removed","site_id"'
    found, _ = rows(
        '{"article_id":"/soci%c3%a9t%c3%a9/","status":"removed"}',
        f'{{"article_id":"https://x.example/?p=12",{site}:"forum"}}',
        f'{{"article_id":"/a/",{site}:"keep"}}',
        f'{{"article_id":"42",{site}:"keep"}}',
        f'{{"article_id":"/{"a" * 600}",{site}:"keep"}}',
        rules=rules,
    )
    assert [each["article_id"] for each in found[:4]] == ["/société", "12", "/a/", "42"]
    assert "longer than 512 bytes" in found[4].reason
    assert [each["article_id"] for each in rows(row("A", "/x-7/?p=1"), rules=rules, source=r"-(\d)")[0]] == ["7"]
