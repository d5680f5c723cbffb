"""The public port on the real server, over shards written by hand: answers, faults, caching, and Redis going away."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from deploy.local.redis import RedisServer
from ranker.core.generation import Generation, Window
from ranker.serve import refresh, server
from ranker.serve.web import FIRST_DEADLINE_S, LIST_ROUTE
from ranker.store import reader as reading
from ranker.store.catalogue import CatalogueShard, Change
from ranker.store.keys import ShardKeys
from tests.by_hand import activate, meta_of, publish, write
from tests.reading import GENERATION, LIST, Answer, Reader, T, raw, running_reader, until

BLUE = Generation("page-views", (Window("24h", 86_400_000, 60_000),), {"read": {"view": 2}})
PARTITIONS = 2
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(30)]


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """Two shards hold 30 articles of site demo."""
    async with running_reader(redis_url, {"demo": "La <Dépêche>", "quiet": "Calme"}) as running:
        await publish(running.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(running), "readiness")
        yield running


async def ready(reader: Reader) -> bool:
    return reader.refresher.not_ready() == []


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
        "total": sum(count for *_, count in VIEWS),
        "items": [
            {
                "rank": rank,
                "article_id": f"/{30 - rank}",
                "count": 31 - rank,
                "title": None,
                "url": None,
                "format": None,
                "section": None,
                "published_at": None,
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
        ("section=Culture&limit=-1&x", ["section", "x", "limit"]),
    ],
)
async def test_every_fault_in_one_problem(reader: Reader, query: str, parameters: list[str]) -> None:
    """400 with one entry per fault, and nothing is ignored in silence."""
    answer = await reader.get(f"{LIST}?{query}")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [fault["parameter"] for fault in answer.json["faults"]] == parameters
    assert answer.json["status"] == 400


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
    boards, windows = ["commented", "read", "shared"], ["24h", "7d"]
    answer = await reader.get("/v1/demo/popular/raed/25h")
    assert (answer.status, answer.json["boards"], answer.json["windows"]) == (404, boards, windows)
    answer = await reader.get("/v1/demo/popular/read/25h")
    assert (answer.status, answer.json.get("boards"), answer.json["windows"]) == (404, None, windows)
    assert answer.json["faults"] == [{"parameter": "window", "detail": "'25h' is unknown; there are 24h, 7d"}]
    for target in ("/v1/nobody/popular/read/24h", "/v1/No%20body/popular/read/24h", "/v1/", "/page/no.js", LIST + "/"):
        answer = await reader.get(target)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json"), target


async def test_a_known_site_without_views(reader: Reader) -> None:
    """Configured, nothing counted: an empty list, not a fault."""
    answer = await reader.ranking("/v1/quiet/popular/shared/7d")
    assert (answer["items"], answer["total"], answer["complete"]) == ([], 0, True)


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
        return reader.refresher.knows("nobody") is None

    await until(too_many, "reader that cannot name every site")
    for i in range(20):
        answer = await reader.get(f"/v1/invented-{i}/popular/read/24h")
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert reader.items(await reader.ranking("/v1/site-3/popular/read/24h")) == [("/3", 1)]
    assert reader.items(await reader.ranking("/v1/quiet/popular/read/24h")) == []
    assert reader.registry.get_sample_value("ranker_lists") == 2
    assert len(reader.refresher._asked) == 2


async def test_lists_waited_for_are_bounded(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for one more list than may be waited for is told to come again at once, not queued."""
    monkeypatch.setattr(refresh, "MAX_LISTS", 0)
    began = time.monotonic()
    answer = await reader.get(LIST)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert time.monotonic() - began < FIRST_DEADLINE_S
    assert reader.refresher._asked == {}


async def test_methods(reader: Reader) -> None:
    """HEAD has the headers of GET and no body, first and from memory; other methods are refused."""
    for _ in range(2):
        whole, head = await reader.get(LIST), await reader.get(LIST, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.body))
    refused = await reader.get(LIST, "POST")
    assert (refused.status, refused.headers["content-type"]) == (405, "application/problem+json")
    assert set(refused.headers["allow"].split(", ")) == {"get", "head"}


async def test_tags(reader: Reader) -> None:
    """304 while the bytes are the same, from the framework and from memory; 200 with another tag when they move."""
    first = await reader.get(LIST)
    tag = first.headers["etag"]
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        same = await reader.get(LIST, If_None_Match=asked)
        assert (same.status, same.body, same.headers["etag"]) == (304, b"", tag)
        assert same.headers["cache-control"] == "public, max-age=1"
    assert (await reader.get(LIST, If_None_Match='"other"')).status == 200
    await write(reader.client, GENERATION, PARTITIONS, [("demo", "/0", "view", 99)], T)

    async def moved() -> Answer | None:
        answer = await reader.get(LIST, If_None_Match=tag)
        return answer if answer.status == 200 else None

    moved_to = await until(moved, "list with another tag")
    assert reader.items(moved_to.json)[0] == ("/0", 99)


async def test_no_header_says_what_runs(reader: Reader) -> None:
    """Neither on a list nor on a fault nor on the page."""
    for target in (LIST, "/nothing", "/", f"{LIST}?limit=0"):
        answer = await reader.get(target)
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers
        assert not re.search("uvicorn|starlette|python|redis", str(answer.headers))


async def test_titles_and_takedowns(reader: Reader) -> None:
    """What the catalogue says is shown within a refresh or two; a hidden article leaves before the cut."""
    shard = CatalogueShard(reader.client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    article = {
        "site_id": "demo",
        "article_id": "/29",
        "title": "L’écluse",
        "url": "https://demo.example/29",
        "format": "pépites",
        "section": "Culture",
        "published_at": T,
        "status": "published",
    }
    hidden = {"site_id": "demo", "article_id": "/28", "hidden": True}
    changes = [
        Change(b"demo//29", orjson.dumps(article), 0),
        Change(b"demo//28#editor", orjson.dumps(hidden), 1),
    ]
    assert await shard.advance(state, 2, "1:5:7", changes)

    async def named() -> Any:
        answer = await reader.ranking(f"{LIST}?limit=2")
        return answer if answer["items"][0]["title"] else None

    items = (await until(named, "list with the title"))["items"]
    assert [item["article_id"] for item in items] == ["/29", "/27"]
    assert items[0] == {
        "rank": 1,
        "article_id": "/29",
        "count": 30,
        "title": "L’écluse",
        "url": "https://demo.example/29",
        "format": "pépites",
        "section": "Culture",
        "published_at": "2026-11-23T01:17:04.735Z",
    }


async def test_another_generation_is_followed_at_once(reader: Reader) -> None:
    """Boards, windows and counts of the active generation, whatever its clock."""
    await reader.ranking()
    await write(reader.client, BLUE, 1, [("demo", "/blue", "view", 1)], T - 60_000)
    await activate(reader.client, BLUE, 1, seq=2)

    async def blue() -> bool:
        return reader.items(await reader.ranking()) == [("/blue", 2)]

    await until(blue, "list of the new generation")
    assert (await reader.get("/v1/demo/popular/shared/24h")).status == 404


async def test_the_active_generation_is_put_back(reader: Reader) -> None:
    """A Redis that lost it gets it from whoever has read it."""
    await reader.ranking()
    await activate(reader.client, GENERATION, PARTITIONS, seq=7)
    await until(lambda: seen(reader, 7), "reader that has seen seq 7")
    await reader.client.delete("ranker:active")

    async def back() -> bool:
        stored = await reader.client.get("ranker:active")
        return stored is not None and orjson.loads(stored)["seq"] == 7

    await until(back, "active generation put back")


async def seen(reader: Reader, seq: int) -> bool:
    active = reader.refresher._following.active
    return active is not None and active.seq == seq


async def test_redis_away(reader: Reader, redis_server: RedisServer) -> None:
    """The last lists, then marked, then 503; lists nobody has read yet 503 at once; all again when it is back."""
    await reader.ranking()
    redis_server.suspend()
    assert (await reader.ranking())["stale"] is False
    reader.now_ms = T + 30_001
    stale = await until(lambda: marked(reader), "stale list")
    assert reader.items(stale)[0] == ("/29", 30)
    assert reader.refresher.not_ready() == []
    unread = await reader.get("/v1/demo/popular/shared/7d")
    assert (unread.status, unread.headers["retry-after"]) == (503, "1")
    assert "Redis" in unread.json["detail"]
    reader.now_ms = T + 3_600_001
    gone = await until(lambda: refused(reader), "refusal of a list too old")
    assert "too old" in gone.json["detail"]
    assert reader.refresher.not_ready() != []
    redis_server.resume()
    for shard in range(PARTITIONS):
        keys = ShardKeys(GENERATION.id, shard)
        await reader.client.hset(keys.meta, mapping=meta_of(GENERATION, reader.now_ms, PARTITIONS))
    await until(lambda: marked(reader, stale=False), "fresh list")
    assert reader.refresher.not_ready() == []


async def test_shards_counted_again_from_the_start(redis_url: str) -> None:
    """An emptied Redis begins a week ago and names no site: the list on show stays, marked, until it is passed."""
    async with running_reader(redis_url, {}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        await reader.ranking()
        await reader.client.flushall()
        week_ms = 604_800_000
        await publish(reader.client, GENERATION, PARTITIONS, [], T - week_ms)
        reader.now_ms = T + 31_000

        async def read_again() -> bool:
            return reader.refresher._sites == frozenset()

        await until(read_again, "reading of the emptied shards")
        assert reader.items(await until(lambda: marked(reader), "stale list"))[0] == ("/29", 30)
        await write(reader.client, GENERATION, PARTITIONS, VIEWS[:5], T + 1)

        async def passed() -> bool:
            return reader.items(await reader.ranking())[0] == ("/4", 5)

        await until(passed, "list counted again")


async def marked(reader: Reader, *, stale: bool = True) -> Any:
    answer = await reader.get(LIST)
    return answer.json if answer.status == 200 and answer.json["stale"] is stale else None


async def refused(reader: Reader) -> Answer | None:
    answer = await reader.get(LIST)
    return answer if answer.status == 503 else None


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


async def test_heads_without_end(reader: Reader) -> None:
    """A request head beyond 16 KiB is refused, and other clients do not notice."""
    endless = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"y" * 100) for i in range(160))
    answer = await raw(reader.port, endless)
    assert answer.status == 431
    assert (await reader.get(LIST)).status == 200


async def test_the_query_is_bounded(reader: Reader) -> None:
    """414 beyond 1 KiB."""
    assert (await reader.get(f"{LIST}?limit={'1' * 2000}")).status == 414


async def test_redis_empty_at_the_start(redis_url: str) -> None:
    """Nothing to read yet: not ready with the reason, 503 for lists, and the page waits."""
    async with running_reader(redis_url, {}, None) as waiting:
        assert not await ready(waiting)
        assert (await waiting.get(LIST)).status == 503
        assert (await waiting.get("/")).status == 200
        assert "no generation is active" in waiting.refresher.not_ready()[0]
        await publish(waiting.client, GENERATION, PARTITIONS, VIEWS, time.time_ns() // 1_000_000)
        await until(lambda: ready(waiting), "readiness")
        assert waiting.items(await waiting.ranking())[0] == ("/29", 30)


async def test_one_connection_many_requests(reader: Reader) -> None:
    """Kept alive and pipelined, from memory and not, with bodies nobody wanted: every answer, in order, the same bytes."""
    whole = await reader.get(LIST)
    tag = whole.headers["etag"].encode()
    plain = f"GET {LIST} HTTP/1.1\r\nHost: t\r\n".encode()
    requests = [
        (plain, 200),
        (plain + b"If-None-Match: " + tag + b"\r\n", 304),
        (b"GET /nothing HTTP/1.1\r\nHost: t\r\n", 404),
        (plain, 200),
        (plain + b"Content-Length: 0\r\n", 200),
        (f"HEAD {LIST} HTTP/1.1\r\nHost: t\r\n".encode(), 200),
        (plain, 200),
        (plain + b"Connection: close\r\n", 200),
    ]
    for pipelined in (True, False):
        stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
        bodies = []
        if pipelined:
            writer.write(b"".join(request + b"\r\n" for request, _ in requests))
        async with asyncio.timeout(20):
            for request, status in requests:
                if not pipelined:
                    writer.write(request + b"\r\n")
                head = (await stream.readuntil(b"\r\n\r\n")).lower()
                assert int(head.split()[1]) == status
                assert head.count(b"\r\ndate: ") == 1
                length = re.search(rb"content-length: (\d+)", head)
                if length and not request.startswith(b"HEAD"):
                    bodies.append(await stream.readexactly(int(length[1])))
                if status == 200:
                    assert re.search(rb"etag: (\S+)", head)[1] == tag  # type: ignore[index]
                    assert b"content-type: application/json" in head
            assert await stream.read() == b""
        assert [body for body in bodies if b"There is nothing" not in body] == [whole.body] * 5
        writer.close()
        await writer.wait_closed()


async def test_a_trickling_client_is_cut_off(reader: Reader) -> None:
    """Who does not finish a head loses the connection; who only pauses between requests keeps it."""
    stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
    patient, other = await asyncio.open_connection("127.0.0.1", reader.port)
    other.write(f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    await patient.readuntil(b"}")
    writer.write(b"GET / HTTP/1.1\r\nHost: t\r\n")
    async with asyncio.timeout(2 * server.HEAD_S + 5):
        assert await stream.read() == b""
    other.write(f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    async with asyncio.timeout(5):
        await patient.readuntil(b"HTTP/1.1 200 OK")
    for connection in (writer, other):
        connection.close()
        await connection.wait_closed()
