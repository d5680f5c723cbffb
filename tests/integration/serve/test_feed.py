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


async def test_a_json_feed(redis_url: str) -> None:
    """What a JSON Feed must have: a version, a title, and for each item an id, an address and a text."""
    async with newsroom(redis_url) as reader:
        answer = await reader.get(f"{LIST}/feed.json?limit=3")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/feed+json")
        found, rss = answer.json, await parsed(reader, f"{FEED}?limit=3")
        assert (found["version"], found["title"]) == ("https://jsonfeed.org/version/1.1", rss.feed.title)
        assert found["home_page_url"] == rss.feed.link
        assert [(item["id"], item["url"], item["title"]) for item in found["items"]] == [
            (entry.id, entry.link, entry.title) for entry in rss.entries
        ]
        assert all(item["content_text"] for item in found["items"])
        assert found["items"][0]["date_published"] == "2026-11-22T20:17:04.735Z"
        assert found["items"][0]["tags"] == ["Société", "enquête"]
        assert (found["_list"]["complete"], found["_list"]["as_of"]) == (True, "2026-11-23T01:17:04.735Z")


async def test_a_json_feed_of_what_little_is_known(reader: Reader) -> None:
    """No title, no date, no section: the id stands for the title; what cannot be opened is no item."""
    await write_articles(
        reader.client, [record("demo", "/29"), record("demo", "/28", title="Sans", url="javascript:alert(1)")]
    )

    async def known() -> Any:
        found = await reader.ranking(f"{LIST}/feed.json")
        return found if found["items"] else None

    (item,) = (await until(known, "item"))["items"]
    assert item == {"id": "demo//29", "url": "https://www.demo.example/29", "title": "/29", "content_text": "/29"}
