"""One article explained on the real server: every field, its places, ids, faults and forms of the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ranker.core.generation import ListName
from ranker.core.times import rfc3339
from ranker.store import history
from tests.support.counted_articles import (
    EVENTS,
    HOUR,
    HOUR_MS,
    PARTITIONS,
    about,
    count,
    counting,
    describe,
    has_lists,
    naive,
    placed,
    refreshed,
    seal,
    settled,
)
from tests.support.defaults import DEFAULT_BOARDS
from tests.support.reader import GENERATION, T, running_reader, until
from tests.support.shard_writer import publish


@pytest.mark.parametrize("sealed", [False, True])
async def test_every_field(redis_url: str, sealed: bool) -> None:
    """Place, distances and hours of an article in each list, as a recount has them."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        if sealed:
            await seal(shards)
        await describe(
            reader.client,
            {
                "article_id": "/a",
                "status": "published",
                "title": "L’écluse",
                "url": "https://demo.example/a",
                "format": "pépites",
                "section": "Culture",
                "published_at": T,
            },
        )
        answer = await settled(reader, "/a", "&places=3")
        unlisted = {"listed_since": None, "best_rank": None}
        alone = {"rank": 1, "to_above": None, "to_below": None, "to_edge": None, **unlisted}
        assert answer == {
            "site": "demo",
            "article_id": "/a",
            "title": "L’écluse",
            "url": "https://demo.example/a",
            "format": "pépites",
            "section": "Culture",
            "published_at": "2026-11-23T01:17:04.735Z",
            "hidden": False,
            "alias_of": None,
            "aliases": [],
            "as_of": "2026-11-23T01:17:04.735Z",
            "lists": [
                {"board": "commented", "window": "24h", "count": 1, **alone},
                {
                    "board": "read",
                    "window": "24h",
                    "count": 162,
                    "rank": 2,
                    **unlisted,
                    "to_above": 8,
                    "to_below": 151,
                    "to_edge": 151,
                },
                {"board": "shared", "window": "24h", "count": 4, **alone},
                {"board": "commented", "window": "7d", "count": 1, **alone},
                {
                    "board": "read",
                    "window": "7d",
                    "count": 10_162,
                    "rank": 1,
                    **unlisted,
                    "to_above": None,
                    "to_below": 9_992,
                    "to_edge": 10_151,
                },
                {"board": "shared", "window": "7d", "count": 4, **alone},
            ],
            "dropped": {"bot": 1_000},
            "hours": naive(EVENTS, {"/a"}, DEFAULT_BOARDS),
        }
        before_ms = T - HOUR + 23 * HOUR_MS  # all that lies further back than the first hour
        outside = sum(n for a, o, ago, n in EVENTS if a == "/a" and o == "view" and before_ms < ago < 24 * HOUR_MS)
        assert sum(hour["read"] for hour in answer["hours"]) + outside == 162


async def test_below_all_places(redis_url: str) -> None:
    """No rank and no neighbours beyond the first 2,000 places, yet the exact count, and what it lacks."""
    views = [("demo", f"/{i:04d}", "view", 2_010 - i) for i in range(2_010)]
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: has_lists(reader), "readiness")
        answer = await about(reader, "/2005")
        assert placed(answer) == {
            "board": "read",
            "window": "24h",
            "count": 5,
            "rank": None,
            "listed_since": None,
            "best_rank": None,
            "to_above": None,
            "to_below": None,
            "to_edge": 2_001 - 5,
        }
        assert placed(answer, "shared", "7d")["count"] == 0
        last = placed(await about(reader, "/1999", "&places=1000"))
        assert (last["rank"], last["count"], last["to_above"], last["to_below"]) == (2_000, 11, 1, None)
        assert last["to_edge"] == 1_011 - 11
        # requested when its lists have been read already, without it
        assert placed(await about(reader, "/2009"))["count"] == 1
        assert (await reader.get("/v1/demo/article?id=/9999")).status == 404


async def test_articles_do_not_hurry_a_refresh(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are requested below the first places: Redis is read for lists when a refresh is due, no sooner."""
    views = [("demo", f"/{i:04d}", "view", 2_050 - i) for i in range(2_050)]
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: has_lists(reader), "readiness")
        assert placed(await about(reader, "/0000"))["rank"] == 1
        last = asyncio.Event()
        refresh = reader.refresh.refresh

        async def refresh_once() -> None:
            await refresh()
            last.set()

        reader.refresh.refresh_ms = 60_000
        monkeypatch.setattr(reader.refresh, "refresh", refresh_once)
        async with asyncio.timeout(10):
            await last.wait()

        async def lists_read() -> int:
            return int((await reader.client.info("commandstats"))["cmdstat_zrange"]["calls"])

        before = await lists_read()
        monkeypatch.setattr("ranker.serve.app.FIRST_DEADLINE_S", 0.2)
        answers = await asyncio.gather(*(about(reader, f"/{number}") for number in range(2_001, 2_050)))
        assert {(placed(answer)["count"], placed(answer)["rank"]) for answer in answers} == {(None, None)}
        assert await lists_read() == before
        assert placed(await about(reader, "/0001"))["rank"] == 2


async def test_since_when_it_is_listed(redis_url: str) -> None:
    """Out of the lists' history: since which hour, and its best place."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        name = ListName("demo", "read", "24h")
        hour = T // HOUR_MS
        for at, ids in ((hour - 2, ["/b"]), (hour - 1, ["/a", "/b"]), (hour, ["/b", "/a"])):
            await history.write_ranks(reader.client, GENERATION.id, at, {name: ids})

        async def known() -> Any:
            found = placed(await about(reader, "/a"))
            return found if found["listed_since"] else None

        found = await until(known, "history")
        assert (found["rank"], found["best_rank"]) == (2, 1)
        assert found["listed_since"] == rfc3339((hour - 1) * HOUR_MS)


@pytest.mark.parametrize(
    "article", ["/é?x=1&y=%2F#f", "a+b", "🐟", "a;b,c\"'<>", "x" * 512, "é" * 256, "%20", "/a/../b//"]
)
async def test_odd_ids(redis_url: str, article: str) -> None:
    """Any id that can be counted can be requested, percent-encoded."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, [(article, "view", 0, 3)])
        await seal(shards)
        answer = await settled(reader, article)
        assert answer["article_id"] == article
        assert placed(answer)["count"] == 3
        assert answer["hours"][-1]["read"] == 3


@pytest.mark.parametrize(
    ("target", "status", "parameters"),
    [
        ("/v1/demo/article", 400, ["id"]),
        ("/v1/demo/article?id=", 400, ["id"]),
        ("/v1/demo/article?id=a%20b", 400, ["id"]),
        (f"/v1/demo/article?id={'x' * 513}", 400, ["id"]),
        ("/v1/demo/article?id=/a&id=/b", 400, ["id"]),
        ("/v1/demo/article?id=/a&places=0", 400, ["places"]),
        ("/v1/demo/article?id=/a&places=1001", 400, ["places"]),
        ("/v1/demo/article?limit=3&places=x", 400, ["limit", "id", "places"]),
        ("/v1/nowhere/article?id=/a&places=x", 400, ["site", "places"]),
        ("/v1/nowhere/article?id=/a", 404, ["site"]),
        ("/v1/demo/article?id=/nobody", 404, ["id"]),
        ("/v1/nowhere", 404, ["site"]),
        ("/v1/UP", 404, ["site"]),
        ("/v1/demo?limit=3", 400, ["limit"]),
    ],
)
async def test_faults(redis_url: str, target: str, status: int, parameters: list[str]) -> None:
    """All of them in one problem."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, [("/a", "view", 0, 3)])
        await refreshed(reader)
        answer = await reader.get(target)
        assert answer.status == status, answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert [one["parameter"] for one in answer.json["faults"]] == parameters


async def test_forms_of_the_answer(redis_url: str) -> None:
    """Tag, 304, gzip, other origins and times as with lists; hits are counted under the route's own name."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        await refreshed(reader)
        for target, route in (("/v1/demo/article?id=/a", "/v1/{site}/article"), ("/v1/demo", "/v1/{site}")):
            first = await reader.get(target)
            assert first.headers["cache-control"].startswith("public, max-age=1")
            assert first.headers["access-control-allow-origin"] == "*"
            assert "render;dur=" in first.headers["server-timing"]
            again = await reader.get(target, if_none_match=first.headers["etag"])
            assert (again.status, again.body) == (304, b"")
            assert (await reader.get(target, "HEAD")).body == b""
            assert (await reader.get(target, "OPTIONS")).status == 204

            async def counted(status: str, route: str = route) -> bool:
                labels = {"route": route, "status": status}
                return bool(reader.registry.get_sample_value("ranker_requests_total", labels))

            await until(lambda counted=counted: counted("200"), "count of answers")  # type: ignore[misc]
            await until(lambda counted=counted: counted("304"), "count of answers not sent again")  # type: ignore[misc]
        zipped = await reader.get("/v1/demo/article?id=/a", accept_encoding="gzip")
        assert zipped.headers["content-encoding"] == "gzip"


async def test_nothing_is_active(redis_url: str) -> None:
    """Before anything was counted both say so."""
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        for target in ("/v1/demo", "/v1/demo/article?id=/a"):
            answer = await reader.get(target)
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_too_old(redis_url: str) -> None:
    """An article's places are served no longer than its lists."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        assert placed(await settled(reader, "/a"))["count"] == 162
        reader.now_ms = T + 3_600_001
        answer = await reader.get("/v1/demo/article?id=/a&places=7")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
