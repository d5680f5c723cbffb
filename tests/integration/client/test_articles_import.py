"""`producers articles` with addresses, feeds and files as people have them: the real command on a broker."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranker.lists.articles import Articles
from tests.support.producers_command import read, run

CONFIG = """
[sites.demo]
title = "Demo"

[sites.forum]
title = "Forum"
ids = { from = "query:p" }
"""


def news(namespace: str = "http://www.sitemaps.org/schemas/sitemap/0.9", slug: str = "a", date: str = "") -> bytes:
    google = "http://www.google.com/schemas/sitemap-news/0.9"
    given = f"<n:publication_date>{date}</n:publication_date>" if date else ""
    return (
        f'<urlset xmlns="{namespace}" xmlns:n="{google}"><url><loc>https://demo.example/{slug}</loc>'
        f"<n:news>{given}<n:title>La balise &lt;nav&gt;</n:title></n:news></url></urlset>"
    ).encode()


class Desk:
    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self.err = ""

    async def says(self, *args: str, stdin: bytes = b"", code: int = 0) -> str:
        """What `producers articles ARGS` printed."""
        given, out, self.err = await run(self._bootstrap, "articles", *args, "--topic", self._topic, stdin=stdin)
        assert given == code, (out, self.err)
        assert "Traceback" not in self.err
        return out

    async def raw(self, count: int) -> list[tuple[bytes, bytes | None, int]]:
        """All records, which are so many: key, value, and offset from 1."""
        found = await read(self._bootstrap, self._topic, count, partitions=1)
        assert len(found) == count
        return [(record.key, record.value, record.offset + 1) for record in found]

    async def records(self, count: int) -> list[tuple[bytes, Any]]:
        found = await read(self._bootstrap, self._topic, count, partitions=1)
        return [(record.key, orjson.loads(record.value)) for record in found]


def catalogue(records: Iterable[tuple[bytes, bytes | None, int]]) -> Articles:
    """As readers have it."""
    articles = Articles({})
    articles.apply(records)
    return articles


@pytest.fixture
def desk(kafka_embedded: str, topics: tuple[str, str]) -> Desk:
    return Desk(kafka_embedded, topics[1])


@pytest.mark.long
async def test_one_article_has_one_id_at_every_command(desk: Desk, tmp_path: Path) -> None:
    """However its address is spelled, and by the rule of its site; each command says which id it used."""
    config = tmp_path / "ranker.toml"
    config.write_text(CONFIG)
    spelled = "/soci%c3%a9t%c3%a9/un%2D%C3%A9t%C3%A9"
    by_rule = ("--config", str(config))
    row = f'{{"title":"A","url":"https://demo.example{spelled}/?x=1","published_at":1795338000000}}'
    await desk.says("import", "-", *by_rule, stdin=row.encode())
    await desk.says("import", "-", *by_rule, stdin=news(slug=spelled, date="2026-11-22"))
    assert "/société/un-été of demo" in await desk.says("hide", "demo", spelled, *by_rule)
    assert "/société/un-été of demo" in await desk.says("show", "demo", f"https://demo.example{spelled}/")
    moved = await desk.says("alias", "forum", "https://x.example/?p=1", "https://x.example/?a=b&p=2", *by_rule)
    assert "1 of forum is counted together with 2" in moved
    by_pattern = ("--site", "forum", "--article-pattern", "path")
    await desk.says("import", "-", *by_rule, *by_pattern, stdin=news(slug="x?p=1", date="2026-11-22"))
    keys = [key for key, _ in await desk.records(7)]
    article = "demo//société/un-été".encode()
    spelled_alias = b"forum/https://x.example/?p=1 #alias"
    assert keys == [article, article, *(article + b" #editor",) * 2, b"forum/1 #alias", spelled_alias, b"forum//x"]


async def test_a_row_that_a_list_shows_is_moved_and_shown_whatever_its_spelling(desk: Desk) -> None:
    """Lists have what version 0.1 and other producers counted: a spelling, or an address with its query."""
    moved = {"/%6Fld/": "/new", "/old": "/new", "https://demo.example/a?id=1": "/b", "/a": "/b", "/x%20y": "/z"}
    await desk.says("alias", "demo", "/%6Fld/", "/new")
    await desk.says("alias", "demo", "https://demo.example/a?id=1", "/b/")
    await desk.says("alias", "demo", "/x y", "/z")  # as it is given, it is no id
    found = catalogue(await desk.raw(5))
    assert moved.items() <= found.aliases("demo").items()
    for row in ("/%6Fld/", "https://demo.example/a?id=1", "/x y"):
        await desk.says("alias", "demo", row)
    await desk.says("show", "demo", "/c?id=1")
    words = await desk.raw(12)
    assert catalogue(words).aliases("demo") == {}
    hidden = orjson.dumps({"site_id": "demo", "article_id": "/c?id=1", "hidden": True})
    former = (b"demo//c?id=1#editor", hidden, 0)
    assert catalogue([former]).of("demo")["/c?id=1"].hidden
    assert catalogue([former, *words]).of("demo") == {}


async def test_a_sitemap_whose_namespace_says_https_is_imported(desk: Desk, tmp_path: Path) -> None:
    """And the summary says so. Of what is not understood, packed or not, nothing is imported."""
    wrong = "https://www.sitemaps.org/schemas/sitemap/0.9"
    assert "1 articles imported" in await desk.says("import", "-", stdin=gzip.compress(news(wrong, date="2026-11-22")))
    assert f"Note: its namespace {wrong} was read as" in desk.err
    rows = b'{"article_id":"/a","status":"removed"}\n' * 3_000
    cut = tmp_path / "cut"
    for document in (news()[:-20], gzip.compress(rows)[:-6], rows[:-20], rows[:60]):
        cut.write_bytes(document)
        assert await desk.says("import", str(cut), code=1) == ""
        assert "end is missing" in desk.err
    ((key, article),) = await desk.records(1)
    assert (key, article["title"]) == (b"demo//a", "La balise <nav>")


@pytest.mark.long
async def test_an_article_without_a_date_keeps_that_of_its_first_import(desk: Desk) -> None:
    """Also if its address was spelled otherwise, and if its date cannot be read. The summary says how many."""
    out = await desk.says("import", "-", "--json", stdin=news())
    assert orjson.loads(out) == {"imported": 1, "removed": 0, "refused": 0, "repeated": 0, "undated": 1}
    await desk.says("hide", "demo", "/a")
    assert (
        "1 articles have no date of publication" in (await desk.says("import", "-", stdin=news(slug="%61/"))) + desk.err
    )
    assert "1 without a date" in await desk.says("import", "-", stdin=news(date="22/11/2026 10:05"))
    assert "cannot be read, could be two, or has no offset (--zone), such as '22/11/2026 10:05'" in desk.err
    await desk.says("import", "-", stdin=news(date="2020-01-02"))
    await desk.says("import", "-", stdin=news())
    await desk.says("import", "-", "--zone", "Europe/Paris", stdin=news(date="2026/10/25 02:30"))
    assert "1 times are of an hour that came twice in Europe/Paris" in desk.err
    given = [article.get("published_at") for _, article in await desk.records(7)]
    assert given == [given[0], None, given[0], given[0], 1577923200000, 1577923200000, 1792888200000]
