"""Filters, pages, fallback and latest, end to end: from Redis and the catalogue to the answer."""

from typing import Any

import pytest

from ranker.core.times import HOUR_MS
from ranker.serve.live import lookups
from ranker.settings import Site
from tests.support.example_site import newsroom, record, write_articles
from tests.support.reader import GENERATION, LIST, PARTITIONS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import publish

HISTORY = {"previous_rank", "entered_at", "best_rank", "trend"}
FAR = [("demo", f"/{i:04}", "view", 10_000 - i) for i in range(2_400)]
"""2,000 places are read: /2000 and what follows stands below them."""


def ids(answer: Any) -> list[str]:
    return [item["article_id"] for item in answer["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("section=Culture", ["/cinema"]),
        ("section=Culture&section=Sport", ["/cinema", "/corsaires"]),
        ("section=-Soci%C3%A9t%C3%A9&section=-Culture", ["/facture-d-eau", "/corsaires", "/marais"]),
        ("format=enqu%C3%AAte", ["/ecluses", "/marais"]),
        ("format=enqu%C3%AAte&section=Environnement", ["/marais"]),
        ("format=-enqu%C3%AAte&limit=2", ["/facture-d-eau", "/cinema"]),
        ("published_within=300m", ["/ecluses", "/corsaires"]),
        ("published_within=299m", ["/corsaires"]),
        ("published_within=26h", ["/ecluses", "/facture-d-eau", "/cinema", "/corsaires"]),
        ("published_within=1d", ["/ecluses", "/facture-d-eau", "/corsaires"]),
        ("exclude=/ecluses&exclude=/cinema&limit=2", ["/facture-d-eau", "/corsaires"]),
        ("min_count=150", ["/ecluses", "/facture-d-eau", "/cinema"]),
        ("min_count=151", ["/ecluses", "/facture-d-eau"]),
        ("section=Culture&section=-Culture", []),
        ("section=culture", []),
    ],
)
async def test_filters(redis_url: str, query: str, found: list[str]) -> None:
    """Before the cut, on list, feed and stream alike; ranks count what is left; no history; the total is the list's."""
    async with newsroom(redis_url) as reader:
        answer = await reader.ranking(f"{LIST}?{query}")
        assert (ids(answer), answer["complete"], answer["total"]) == (found, True, 900)
        assert [item["rank"] for item in answer["items"]] == list(range(1, len(found) + 1))
        assert "history" not in answer
        assert not any(HISTORY & item.keys() for item in answer["items"])
        feed = (await reader.get(f"{LIST}/feed.rss?{query}")).body.decode()
        assert [article for article in ids(await reader.ranking(LIST)) if f"demo/{article}<" in feed] == found


async def test_pages(redis_url: str) -> None:
    """Page after page, with and without filters, gives the list, each place once."""
    async with newsroom(redis_url) as reader:
        for query in ("", "&section=-Sport", "&fallback=true", "&published_within=40h"):
            whole = (await reader.ranking(f"{LIST}?limit=100{query}"))["items"]
            for size in (1, 2, 3):
                pages = [await reader.ranking(f"{LIST}?limit={size}&offset={at}{query}") for at in range(0, 9, size)]
                assert [item for page in pages for item in page["items"]] == whole, query
        beyond = await reader.ranking(f"{LIST}?limit=1&offset=999")
        assert (beyond["items"], beyond["complete"]) == ([], True)


async def test_the_fallback_chain(redis_url: str) -> None:
    """From the requested window to the longer ones, then what was just published; each item says from where, none twice."""
    async with newsroom(redis_url) as reader:
        answer = await reader.ranking(f"{LIST}?fallback=true&limit=7")
        places = [(item["article_id"], item["origin"], item["count"]) for item in answer["items"]]
        assert places[4:] == [("/marais", "24h", 60), ("/soupes", "7d", 45), ("/amendes", "latest", None)]
        assert answer["fallback"] == ["24h", "7d", "latest"]
        assert answer["items"][5]["share"] == round(45 / 945, 6)
        full = await reader.ranking(f"{LIST}?fallback=true&limit=5")
        assert ({item["origin"] for item in full["items"]}, full["fallback"]) == ({"24h"}, ["24h"])
        longest = await reader.ranking("/v1/demo/popular/read/7d?fallback=true&limit=7")
        assert longest["fallback"] == ["7d", "latest"]
        without = await reader.ranking(f"{LIST}?limit=7")
        assert (len(without["items"]), "fallback" in without) == (5, False)
        assert "origin" not in without["items"][0]


async def test_latest(redis_url: str) -> None:
    """What was published inside the window, newest first, read or not; neither what is hidden nor what is to come."""
    async with newsroom(redis_url) as reader:
        to_come = record("demo", "/demain", title="Demain", published_at=T + HOUR_MS)
        hidden = record("demo", "/retire", title="Retiré", published_at=T - 1) | {"status": "removed"}
        await write_articles(reader.client, [to_come, hidden, record("demo", "/neuf", published_at=T - 2)])
        target = "/v1/demo/popular/latest/24h"

        async def seen() -> Any:
            answer = await reader.ranking(target)
            return answer if "/neuf" in ids(answer) else None

        answer = await until(seen, "new article")
        assert ids(answer) == ["/neuf", "/amendes", "/corsaires", "/ecluses", "/facture-d-eau"]
        assert answer["window"]["grain_s"] == 0
        assert ids(await reader.ranking("/v1/demo/popular/latest/7d?limit=1&offset=5")) == ["/cinema"]
        assert ids(await reader.ranking(f"{target}?section=Culture")) == ["/amendes"]
        assert ids(await reader.ranking(f"{target}?section=Culture&fallback=true")) == [
            "/amendes",
            "/cinema",
            "/soupes",
        ]
        reader.now_ms = T + HOUR_MS

        async def published() -> bool:
            return ids(await reader.ranking(f"{target}?limit=1")) == ["/demain"]

        await until(published, "article whose time has come")


async def test_sites_that_hide_unknown_articles(redis_url: str) -> None:
    """An id that no catalogue names is not shown, and does not take a place; elsewhere it is."""
    sites = {"demo": Site("Strict", hide_unknown=True), "open": Site("Ouvert")}
    views = [(site, f"/{i}", "view", 10 - i) for site in sites for i in range(6)]
    async with running_reader(redis_url, sites) as reader:
        await write_articles(reader.client, [record("demo", "/1", title="Un"), record("demo", "/4", title="Quatre")])
        await write_articles(reader.client, [record("demo", "/5")])
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: ready(reader), "readiness")
        answer = await reader.ranking(f"{LIST}?limit=2")
        assert ([(i["rank"], i["article_id"]) for i in answer["items"]], answer["complete"]) == (
            [(1, "/1"), (2, "/4")],
            True,
        )
        assert len((await reader.ranking("/v1/open/popular/read/24h"))["items"]) == 6


async def deep(reader: Reader) -> None:
    places = [("/0003", "Près"), *((f"/{i}", "Loin") for i in range(2_050, 2_065))]
    await write_articles(
        reader.client,
        [record("demo", i, title=i, section=section, published_at=T - HOUR_MS) for i, section in places],
    )
    await publish(reader.client, GENERATION, PARTITIONS, FAR, T)
    await until(lambda: ready(reader), "readiness")


async def test_articles_below_the_places_that_are_read(redis_url: str) -> None:
    """If fewer fit among the first 2,000 than are requested, the catalogue's are looked up: full, and complete."""
    async with running_reader(redis_url, {"demo": "Long"}) as reader:
        await deep(reader)
        far = [f"/{i}" for i in range(2_050, 2_065)]
        for query, found in (
            ("section=Loin", far[:10]),
            ("section=Loin&offset=10", far[10:]),
            ("section=Loin&section=Pr%C3%A8s&limit=3", ["/0003", *far[:2]]),
            ("published_within=2h&exclude=/0003&limit=15", far),
            ("section=Loin&min_count=7945", far[:6]),
        ):
            answer = await reader.ranking(f"{LIST}?{query}")
            assert (ids(answer), answer["complete"]) == (found, True), query
        near = await reader.ranking(f"{LIST}?section=-Loin&limit=1")
        assert (ids(near), near["complete"]) == (["/0000"], True)


async def test_beyond_the_budget_of_looking_up(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take too many look-ups is answered with what there is, and says so; the rest stays whole."""
    monkeypatch.setattr(lookups, "BUDGET", 14)
    async with running_reader(redis_url, {"demo": "Long"}) as reader:
        await deep(reader)
        answer = await reader.ranking(f"{LIST}?section=Loin&section=Pr%C3%A8s")
        assert (ids(answer), answer["complete"]) == (["/0003"], False)
        assert (await reader.ranking(LIST))["complete"] is True
        enough = await reader.ranking(f"{LIST}?section=Pr%C3%A8s&limit=1")
        assert (ids(enough), enough["complete"]) == (["/0003"], True)


async def test_a_deep_list_follows_its_counts(redis_url: str) -> None:
    """What was looked up once is read at every refresh."""
    async with running_reader(redis_url, {"demo": "Long"}) as reader:
        await deep(reader)
        target = f"{LIST}?section=Loin&limit=1"
        assert ids(await reader.ranking(target)) == ["/2050"]
        await publish(reader.client, GENERATION, PARTITIONS, [*FAR, ("demo", "/2064", "view", 30)], T + 1)

        async def moved() -> bool:
            return ids(await reader.ranking(target)) == ["/2064"]

        await until(moved, "place that moved")
