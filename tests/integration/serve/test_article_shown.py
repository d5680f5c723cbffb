"""What the catalogue and the site change about the answer: hidden counts and articles, aliases."""

from __future__ import annotations

from typing import Any

import pytest

from ranker.lists.articles import Articles
from ranker.settings import Site
from tests.support.counted_articles import (
    EVENTS,
    HOUR_MS,
    TOKEN,
    about,
    count,
    counting,
    describe,
    naive,
    placed,
    removed,
    settled,
)
from tests.support.defaults import DEFAULT_BOARDS
from tests.support.reader import until


async def test_hidden_counts(redis_url: str) -> None:
    """No count, distance or hour leaves without the token; ranks do. With it everything does, and is not kept."""
    async with counting(redis_url, site=Site("S", show_counts=False, read_token="secret")) as (reader, shards):
        await count(shards, EVENTS)
        await describe(reader.client, removed("/c"), {"article_id": "/a", "status": "published", "section": "Culture"})
        answer = await settled(reader, "/a")
        assert answer["hours"] is None
        for one in answer["lists"]:
            assert {one[field] for field in ("count", "to_above", "to_below", "to_edge")} == {None}
        assert placed(answer)["rank"] == 2
        assert (await reader.get("/v1/demo/article?id=/c")).status == 404
        shown = await reader.get("/v1/demo/article?id=/a", **TOKEN)
        assert placed(shown.json)["count"] == 162
        assert sum(hour["shared"] for hour in shown.json["hours"]) == 4
        assert shown.headers["cache-control"] == "private, no-store"
        assert (await about(reader, "/c", **TOKEN))["hidden"] is True
        assert placed(await about(reader, "/a"))["count"] is None
        assert (await reader.get("/v1/demo/article?id=/a", authorization="Bearer wrong")).status == 401
        site = (await reader.get("/v1/demo")).json
        assert (site["show_counts"], site["articles"]) == (False, None)
        assert site["sections"] == [{"name": "Culture", "articles": None}]
        assert (await reader.get("/v1/demo", **TOKEN)).json["articles"] == 1


async def test_hidden_articles(redis_url: str) -> None:
    """Explained to an editor although no list shows it; the places are those of the list without it."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        await describe(reader.client, removed("/b"))

        async def seen() -> Any:
            answer = await about(reader, "/b")
            return answer if answer["hidden"] else None

        answer = await until(seen, "takedown")
        found = placed(answer)
        assert (found["count"], found["rank"], found["to_above"], found["to_below"]) == (170, None, None, None)
        assert placed(await about(reader, "/b", "&places=1"))["to_edge"] == 170 - 162
        assert answer["hours"][-1]["read"] == 170
        first = placed(await about(reader, "/a"))
        assert (first["rank"], first["to_above"], first["to_below"]) == (1, None, 162 - 11)


async def test_sites_that_hide_unknown_articles(redis_url: str) -> None:
    """An article without a record has a count but no place, and takes none."""
    async with counting(redis_url, site=Site("S", hide_unknown=True)) as (reader, shards):
        await count(shards, EVENTS)
        await describe(reader.client, {"article_id": "/c", "status": "published", "title": "C"})
        assert placed(await settled(reader, "/c"))["rank"] == 1
        unknown = placed(await about(reader, "/b", "&places=1"))
        assert (unknown["rank"], unknown["count"], unknown["to_edge"]) == (None, 170, 159)


async def test_aliases(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ids get the one answer; its counts and hours are those of both together."""
    moved = {"/old": "/new", "/older": "/new"}
    monkeypatch.setattr(Articles, "aliases", lambda _, site: moved if site == "demo" else {})
    events = [("/old", "view", HOUR_MS, 5), ("/new", "view", 0, 3), ("/x", "view", 0, 6)]
    async with counting(redis_url) as (reader, shards):
        await count(shards, events)
        await describe(reader.client, {"article_id": "/new", "status": "published", "title": "Neuf"})
        new = await settled(reader, "/new")
        assert (new["alias_of"], new["aliases"], new["title"]) == (None, ["/old", "/older"], "Neuf")
        assert (placed(new)["count"], placed(new)["rank"]) == (8, 1)
        assert new["hours"] == naive(events, {"/old", "/new"}, DEFAULT_BOARDS)
        for other in ("/old", "/older"):
            assert await about(reader, other) == {**new, "article_id": other, "alias_of": "/new"}


async def test_an_article_of_many_ids(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted; but the hours of so many are not read, and an answer names no more than the first hundred."""
    moved = {f"/old{number:03d}": "/new" for number in range(120)}
    monkeypatch.setattr(Articles, "aliases", lambda _, site: moved)
    async with counting(redis_url) as (reader, shards):
        await count(shards, [(article, "view", 0, 1) for article in [*moved, "/new"]])
        answer = await settled(reader, "/old119")
        assert placed(answer)["count"] == 121
        assert answer["aliases"] == [f"/old{number:03d}" for number in range(100)]
        assert answer["hours"] is None
