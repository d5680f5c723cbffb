"""The feed, as readers of feeds take it."""

from typing import Any

import feedparser

from ranker.serve.api.rss import feed
from tests.support.example_site import newsroom, record, write_articles
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, until
from tests.support.shard_writer import publish

FEED = f"{LIST}/feed.rss"


async def parsed(reader: Reader, target: str = FEED) -> Any:
    answer = await reader.get(target)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/rss+xml; charset=utf-8")
    found = feedparser.parse(answer.body)
    assert not found.bozo, found.get("bozo_exception")
    return found


async def test_a_feed(redis_url: str) -> None:
    """Sound RSS 2.0: the list's order, and of each article address, title, date, section and format."""
    async with newsroom(redis_url) as reader:
        found = await parsed(reader, f"{FEED}?limit=3")
        assert (found.version, found.feed.title) == ("rss20", "Le Courrier · read · 24h")
        assert found.feed.link == "https://www.demo.example/"
        items = (await reader.ranking(f"{LIST}?limit=3"))["items"]
        assert [entry.link for entry in found.entries] == [item["url"] for item in items]
        assert [entry.title for entry in found.entries] == [item["title"] for item in items]
        assert found.entries[0].id == "demo//ecluses"
        assert found.entries[0].guidislink is False
        assert found.entries[0].published_parsed[:6] == (2026, 11, 22, 20, 17, 4)
        assert [tag.term for tag in found.entries[0].tags] == ["Société", "enquête"]


async def test_hostile_titles(reader: Reader) -> None:
    """Markup is text, what XML cannot hold is left out; an article without an address that can be opened is no entry."""
    odd = "<script>alert(1)</script> & ]]> \u00a0\u202f«\u0001\ufffe»\u0000"
    address = {"url": "https://www.demo.example/?a=1&b=2"}
    records = [record("demo", "/29", title=odd, section="A&B") | address]
    for place, url in enumerate(
        (None, "", "javascript:alert(1)", "http://[", "http://", "/x", "http://a.example/\u0001")
    ):
        records.append(record("demo", f"/{28 - place}", title="Sans", url=url))
    await write_articles(reader.client, records)

    async def named() -> Any:
        found = await parsed(reader)
        return found if found.entries else None

    (entry,) = (await until(named, "entry")).entries
    assert entry.title == "<script>alert(1)</script> & ]]> \u00a0\u202f«»"
    assert entry.link == address["url"]


async def test_equal_lists_have_equal_bytes(reader: Reader) -> None:
    """Dates or none: the tag changes with the list, not with the time of day."""
    await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
    content = await reader.ranking()
    assert feedparser.parse(feed(content, "Demo")).feed.updated_parsed[:6] == (2026, 11, 23, 1, 17, 4)
