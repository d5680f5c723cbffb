"""The public port on the real server, over shards that the real script has counted: lists, methods, tags, the page."""

import re
from typing import Any

from ranker.serve.app import LIST_ROUTE
from tests.support.example_site import record, write_articles
from tests.support.http import Answer
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, until
from tests.support.shard_writer import write

TOTAL = sum(count for *_, count in VIEWS)
NO_HISTORY = {"previous_rank": None, "entered_at": None, "best_rank": None, "trend": None}


async def test_a_list(reader: Reader) -> None:
    """Exactly the promised fields, ten places by default, in order, with total and times."""
    answer = await reader.get(LIST)
    assert answer.status == 200
    assert answer.json == {
        "site": "demo",
        "board": "read",
        "window": {
            "name": "24h",
            "from": "2026-11-22T01:17:00.000Z",
            "to": "2026-11-23T01:17:04.735Z",
            "grain_s": 60,
        },
        "as_of": "2026-11-23T01:17:04.735Z",
        "complete": True,
        "stale": False,
        "total": TOTAL,
        "rules": ["bots@1"],
        "dropped": {"bot": 0},
        "rules_paused": None,
        "history": {"grain_s": 3600, "places": 200, "since": None},
        "items": [
            {
                "rank": rank,
                "article_id": f"/{30 - rank}",
                "count": 31 - rank,
                "share": round((31 - rank) / TOTAL, 6),
                "title": None,
                "url": None,
                "format": None,
                "section": None,
                "published_at": None,
                **NO_HISTORY,
            }
            for rank in range(1, 11)
        ],
    }


async def test_the_limit(reader: Reader) -> None:
    """From 1 to 1,000; a list has as many places as there are articles."""
    assert reader.items(await reader.ranking(f"{LIST}?limit=1")) == [("/29", 30)]
    assert len((await reader.ranking(f"{LIST}?limit=1000"))["items"]) == 30


async def test_methods(reader: Reader) -> None:
    """HEAD has the headers of GET and no body, first and from memory; other methods are refused."""
    for _ in range(2):
        whole, head = await reader.get(LIST), await reader.get(LIST, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.body))
    refused = await reader.get(LIST, "POST")
    assert (refused.status, refused.headers["content-type"]) == (405, "application/problem+json")
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_tags(reader: Reader) -> None:
    """304 while the bytes are the same, from the framework and from memory; 200 with another tag when they move."""
    first = await reader.get(LIST)
    tag = first.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await reader.get(LIST, If_None_Match=asked)
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
    assert (await reader.get(LIST, If_None_Match='"other"')).status == 200
    await write(reader.client, GENERATION, PARTITIONS, [("demo", "/0", "view", 99)], T)

    async def moved() -> Answer | None:
        answer = await reader.get(LIST, If_None_Match=tag)
        return answer if answer.status == 200 else None

    moved_to = await until(moved, "list with another tag")
    assert reader.items(moved_to.json)[0] == ("/0", 99)


async def test_no_header_says_what_runs(reader: Reader) -> None:
    """Neither on a list nor on a fault nor on the page."""
    for target in (LIST, "/nothing", "/", "/docs", "/docs/openapi.yaml", f"{LIST}/feed.rss", f"{LIST}?limit=0"):
        answer = await reader.get(target)
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers
        assert not re.search("uvicorn|starlette|python|redis", str(answer.headers))


async def test_titles_and_takedowns(reader: Reader) -> None:
    """What the catalogue says is shown within a refresh or two; a removed article leaves before the cut."""
    article = record("demo", "/29", title="L’écluse", format="pépites", section="Culture", published_at=T)
    hidden = {**record("demo", "/28"), "status": "removed"}
    await write_articles(reader.client, [article, hidden])

    async def named() -> Any:
        answer = await reader.ranking(f"{LIST}?limit=2")
        return answer if answer["items"][0]["title"] else None

    items = (await until(named, "list with the title"))["items"]
    assert [item["article_id"] for item in items] == ["/29", "/27"]
    assert items[0] == {
        "rank": 1,
        "article_id": "/29",
        "count": 30,
        "share": round(30 / TOTAL, 6),
        "title": "L’écluse",
        "url": "https://www.demo.example/29",
        "format": "pépites",
        "section": "Culture",
        "published_at": "2026-11-23T01:17:04.735Z",
        **NO_HISTORY,
    }


async def test_requests_are_counted_by_route_and_status(reader: Reader) -> None:
    """From the framework and from memory alike, 304 and faults included."""
    tag = (await reader.get(LIST)).headers["etag"]
    for _ in range(3):
        await reader.get(LIST)
    await reader.get(LIST, If_None_Match=tag)
    await reader.get(f"{LIST}?limit=0")
    await reader.get("/nothing")

    def counted(route: str, status: str) -> float:
        return reader.registry.get_sample_value("ranker_requests_total", {"route": route, "status": status}) or 0

    async def all_counted() -> bool:
        wanted = {"200": 4, "304": 1, "400": 1}
        return all(counted(LIST_ROUTE, status) == number for status, number in wanted.items())

    await until(all_counted, "count of every request")
    assert counted("other", "404") == 1
    durations = reader.registry.get_sample_value("ranker_request_duration_seconds_count", {"route": LIST_ROUTE})
    assert durations == 6
    assert reader.registry.get_sample_value("ranker_lists") == 1


async def test_the_page(reader: Reader) -> None:
    """French unless English is requested, whatever the browser prefers; titles escaped; no host but this one; its files cached."""
    page = await reader.get("/")
    text = page.body.decode()
    assert '<html lang="fr">' in text
    assert "Articles populaires" in text
    assert "La &lt;Dépêche&gt;" in text
    assert "{{" not in text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert (await reader.get("/", If_None_Match=page.headers["etag"])).status == 304
    assert "vary" not in page.headers
    assert (await reader.get("/", Accept_Language="en-GB,en;q=0.9")).body == page.body
    assert (await reader.get("/?lang=xx")).body == page.body
    english = (await reader.get("/?lang=en", Accept_Language="fr")).body.decode()
    assert '<html lang="en">' in english
    assert "Popular articles" in english
    for site in ("demo", "quiet"):
        assert f"/?site={site}&amp;lang=en&amp;window=24h" in english
    assert (await reader.get("/?site=nobody")).status == 404
    for address in re.findall(r'(?:src|href)="(/page/[^"]+)"', text):
        file = await reader.get(address)
        assert (file.status, "immutable" in file.headers["cache-control"]) == (200, True)
