"""The public port on the real server, over shards written by hand: answers, faults, and what is counted of them."""

import re
import time
from typing import Any

import pytest

from ranker.serve.api.list_request import FIRST_DEADLINE_S
from ranker.serve.app import LIST_ROUTE
from ranker.serve.live import demand
from ranker.store import shard_query as reading
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


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=1e1", ["limit"]),
        ("limit=", ["limit"]),
        ("limit=%31%30&limit=5", ["limit"]),
        ("section=Culture&limit=-1&x", ["x", "limit"]),
        ("offset=1000", ["offset"]),
        ("offset=1&limit=1000", ["offset"]),
        ("section=&format=" + "x" * 65, ["section", "format"]),
        ("&".join(f"section={i}" for i in range(101)), ["section"]),
        (
            "published_within=2w&exclude=a%20b&min_count=-1&fallback=yes",
            ["exclude", "published_within", "min_count", "fallback"],
        ),
        ("published_within=367d", ["published_within"]),
        ("last_event_id=1", ["last_event_id"]),
    ],
)
async def test_every_fault_in_one_problem(reader: Reader, query: str, parameters: list[str]) -> None:
    """400 with one entry per fault, and nothing is ignored in silence."""
    answer = await reader.get(f"{LIST}?{query}")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [fault["parameter"] for fault in answer.json["faults"]] == parameters
    assert answer.json["status"] == 400


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("&".join("a" * 3_000), 3_000),
        ("&".join(f"limit=x{i}" for i in range(90)), 91),
        ("x" * 8_000, 1),
        ("limit=" + "%C3%A9" * 1_300, 1),
        ("limit=" + "%00" * 2_500, 1),
        ("exclude=" + "%F3%A0%80%81" * 600, 1),
    ],
)
async def test_faults_are_bounded(reader: Reader, query: str, faults: int) -> None:
    """Twenty are told and the others counted; of what was sent no more than 100 characters are repeated."""
    answer = await reader.get(f"{LIST}?{query}")
    assert answer.status == 400
    told = answer.json["faults"]
    assert (len(told), answer.json.get("more_faults", 0)) == (min(20, faults), max(0, faults - 20))
    assert f"and {faults - 20} more" in answer.json["detail"] or faults <= 20
    assert all(len(one["parameter"]) <= 100 and len(one["detail"]) < 250 for one in told)
    assert len(answer.body) < 5_000


@pytest.mark.parametrize(
    ("target", "status", "parameters"),
    [
        ("demo/popular/raed/24h?limit=0", 400, ["board", "limit"]),
        ("demo/popular/read/25h?x=1&limit=5", 400, ["window", "x"]),
        ("nobody/popular/raed/25h?limit=0&limit=1001", 400, ["site", "board", "window", "limit", "limit", "limit"]),
        ("No%20body/popular/read/24h?limit=-1", 400, ["site", "limit"]),
        ("nobody/popular/raed/25h", 404, ["site", "board", "window"]),
        ("nobody/popular/read/24h?limit=5", 404, ["site"]),
    ],
)
async def test_faults_of_address_and_query_together(
    reader: Reader, target: str, status: int, parameters: list[str]
) -> None:
    """All told at once: 404 where only the address is at fault, 400 as soon as the query is too."""
    answer = await reader.get(f"/v1/{target}")
    assert (answer.status, answer.json["status"]) == (status, status)
    assert [fault["parameter"] for fault in answer.json["faults"]] == parameters
    assert all(fault["detail"] in answer.json["detail"] for fault in answer.json["faults"])


async def test_what_there_is_not(reader: Reader) -> None:
    """Unknown boards and windows are answered with those there are; unknown sites and addresses with 404."""
    boards, windows = ["commented", "read", "shared", "latest"], ["24h", "7d"]
    answer = await reader.get("/v1/demo/popular/raed/25h")
    assert (answer.status, answer.json["boards"], answer.json["windows"]) == (404, boards, windows)
    answer = await reader.get("/v1/demo/popular/read/25h")
    assert (answer.status, answer.json.get("boards"), answer.json["windows"]) == (404, None, windows)
    assert answer.json["faults"] == [{"parameter": "window", "detail": "'25h' is unknown; there are 24h, 7d"}]
    for target in ("/v1/nobody/popular/read/24h", "/v1/No%20body/popular/read/24h", "/v1/", "/page/no.js", LIST + "/"):
        answer = await reader.get(target)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json"), target


@pytest.mark.parametrize(
    "target", ["{0}/popular/read/24h", "demo/popular/{0}/24h", "demo/popular/read/{0}", "{0}", "demo/article?id=/{0}"]
)
async def test_long_names_are_not_repeated(reader: Reader, target: str) -> None:
    """An address of many kilobytes, or of characters that take ten to write, is answered with a sentence."""
    for name in ("x" * 490, "%01" * 150, "%F3%A0%80%81" * 100):
        answer = await reader.get(f"/v1/{target.format(name)}")
        assert answer.status in {400, 404}
        assert len(answer.body) < 1_000, answer
    answer = await reader.get(f"/v1/{target.format('y' * 8_000).partition('?')[0]}")
    assert answer.status in {400, 404}
    assert len(answer.body) < 1_000, answer


async def test_a_known_site_without_views(reader: Reader) -> None:
    """Configured, nothing counted: an empty list, not a fault."""
    answer = await reader.ranking("/v1/quiet/popular/shared/7d")
    assert (answer["items"], answer["total"], answer["complete"]) == ([], 0, True)


@pytest.mark.parametrize("all_known", [True, False], ids=["all sites known", "more sites than are known"])
async def test_a_site_that_has_a_catalogue_only(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, *, all_known: bool
) -> None:
    """Its articles make it known: what is new is listed, what is read is an empty list, and the page has it."""
    monkeypatch.setattr(reading, "MAX_SITES", 1_000 if all_known else 0)
    await write_articles(reader.client, [record("fresh", "/f", title="Neuf", published_at=T - 1_000)])

    async def known() -> Any:
        answer = await reader.get("/v1/fresh/popular/latest/24h")
        return answer.json if answer.status == 200 else None

    newest = await until(known, "list of the newest")
    assert [item["article_id"] for item in newest["items"]] == ["/f"]
    assert (await reader.ranking("/v1/fresh/popular/read/24h"))["items"] == []
    for target in ("/v1/fresh", "/?site=fresh"):
        assert (await reader.get(target)).status == 200
    for target in ("/v1/nobody/popular/latest/24h", "/v1/nobody/popular/read/24h", "/v1/nobody", "/?site=nobody"):
        assert (await reader.get(target)).status == 404


async def test_a_site_that_holds_counts_need_not_be_configured(reader: Reader) -> None:
    """The first view makes a site known."""
    await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, ("new", "/n", "view", 3)], T)
    target = "/v1/new/popular/read/24h"

    async def known() -> bool:
        return (await reader.get(target)).status == 200

    await until(known, "list of the new site")
    assert reader.items(await reader.ranking(target)) == [("/n", 3)]


async def test_sites_that_clients_invent(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a shard holds too many sites to name: 404 for each invented one, and none of their lists is kept or read on."""
    monkeypatch.setattr(reading, "MAX_SITES", 1)
    more = [(f"site-{i}", f"/{i}", "view", 1) for i in range(8)]
    await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, *more], T)

    async def too_many() -> bool:
        return reader.board.knows("nobody") is None

    await until(too_many, "reader that cannot name every site")
    for i in range(20):
        answer = await reader.get(f"/v1/invented-{i}/popular/read/24h")
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
        assert (await reader.get(f"/v1/invented-{i}/popular/latest/24h")).status == 404
    assert reader.web._lists._newest._orders == {}
    assert reader.items(await reader.ranking("/v1/site-3/popular/read/24h")) == [("/3", 1)]
    assert reader.items(await reader.ranking("/v1/quiet/popular/read/24h")) == []
    assert reader.registry.get_sample_value("ranker_lists") == 2
    assert len(reader.demand.used) == 2


async def test_lists_waited_for_are_bounded(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for one more list than may be waited for is told to come again at once, not queued."""
    monkeypatch.setattr(demand, "MAX_LISTS", 0)
    began = time.monotonic()
    answer = await reader.get(LIST)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert time.monotonic() - began < FIRST_DEADLINE_S
    assert reader.demand.used == {}


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
    """French unless English is asked for, whatever the browser prefers; titles escaped; no host but this one; its files cached."""
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


async def test_the_query_is_bounded(reader: Reader) -> None:
    """414 beyond 8 KiB, on lists, feeds and streams."""
    for route in (LIST, f"{LIST}/feed.rss", f"{LIST}/stream"):
        assert (await reader.get(f"{route}?section={'x' * 8_185}")).status == 414
        assert (await reader.get(f"{route}?section={'x' * 8_184}")).status == 400
