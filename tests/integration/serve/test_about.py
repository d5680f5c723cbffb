"""One article explained and what a site has, on the real server, over shards that the real script has counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from redis import Redis

from ranker.core import delta, hours
from ranker.core.generation import DEFAULT_BOARDS, DEFAULT_WINDOWS, Generation, ListName, Window
from ranker.core.home import home
from ranker.core.route import Router
from ranker.core.step import Changes
from ranker.lists.articles import Articles
from ranker.serve.live.published import rfc3339
from ranker.settings import Site
from ranker.store import history
from ranker.store import hours as reading
from ranker.store.catalogue import CatalogueShard, Change
from ranker.store.keys import ShardKeys
from tests.bench.shards import Shard, begin
from tests.support.reader import GENERATION, Reader, T, running_reader, until
from tests.support.shard_writer import publish

PARTITIONS = 4
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOUR = T // HOUR_MS * HOUR_MS
TOKEN = {"authorization": "Bearer secret"}

Event = tuple[str, str, int, int]
"""(article, outcome, ms before T, count)."""


async def count(shards: list[Shard], events: Iterable[Event], at: Mapping[str, int] | None = None) -> None:
    """As the consumer does; `at` says where an article is counted that is not counted at home."""
    for article, outcome, ago_ms, number in events:
        at_home = home(f"demo/{article}".encode(), len(shards))
        where = (at or {}).get(article, at_home)
        shard = shards[where]
        minute = (shard.watermark_ms - ago_ms) // shard.generation.windows[0].grain_ms
        group = {(minute, "demo", outcome): {article: number}}
        step = shard.step(Router(shard.generation).route(group, shard.version.floors), 1)
        await shard.advance(replace(step, strays={f"demo/{article}"} if where != at_home else set()))


async def seal(shards: list[Shard]) -> None:
    for shard in shards:
        state = await shard.store.load()
        assert state is not None
        _, slices = await shard.store.read_slices(state.slices)
        seals = {slice_id: delta.seal(delta.total(deltas)) for slice_id, deltas in slices.items()}
        await shard.advance(replace(shard.step(Changes()), seals=seals))


async def describe(client: Any, *records: dict[str, Any]) -> None:
    """Writes the catalogue: these records, anew."""
    shard = CatalogueShard(client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    changes = [
        Change(f"demo/{record['article_id']}".encode(), orjson.dumps({"site_id": "demo", **record}), state.n + at)
        for at, record in enumerate(records)
    ]
    assert await shard.advance(state, state.n + len(records), "1:5:7", changes)


def removed(article_id: str) -> dict[str, Any]:
    return {"article_id": article_id, "status": "removed", "title": "Retiré", "section": "Sport"}


@asynccontextmanager
async def counting(
    url: str, generation: Generation = GENERATION, partitions: int = PARTITIONS, site: Site | None = None
) -> AsyncIterator[tuple[Reader, list[Shard]]]:
    """A reader over empty shards of a generation that is active."""
    async with running_reader(url, {"demo": site or Site("Le Courrier", read_token="secret")}) as running:
        shards = await begin(running.client, generation, partitions, T)
        await until(lambda: _ready(running), "readiness")
        yield running, shards


async def _ready(reader: Reader) -> bool:
    return reader.board.not_ready() == []


async def about(reader: Reader, article: str, more: str = "", **headers: str) -> Any:
    answer = await reader.get(f"/v1/demo/article?id={quote(article, safe='')}{more}", **headers)
    assert answer.status == 200, answer
    return answer.json


async def settled(reader: Reader, article: str, more: str = "", **headers: str) -> Any:
    """The answer once every list has been read after all that was written."""
    await refreshed(reader)
    return await about(reader, article, more, **headers)


async def refreshed(reader: Reader) -> None:
    """Two whole refreshes from now on: what was under way does not count."""
    before = reader.board.version

    async def twice() -> bool:
        return reader.board.version >= before + 2

    await until(twice, "second refresh")


def placed(answer: Any, board: str = "read", window: str = "24h") -> Any:
    return next(one for one in answer["lists"] if (one["board"], one["window"]) == (board, window))


def hour_of(ago_ms: int) -> int:
    """Index among the 24 hours."""
    return 23 - (HOUR // HOUR_MS - (T - ago_ms) // HOUR_MS)


def naive(events: Iterable[Event], articles: set[str], boards: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    want: list[dict[str, Any]] = [
        {"from": rfc3339(HOUR - (23 - at) * HOUR_MS), **dict.fromkeys(boards, 0)} for at in range(24)
    ]
    for article, outcome, ago_ms, number in events:
        at = hour_of(ago_ms)
        if article in articles and 0 <= at < 24:
            for board, weights in boards.items():
                want[at][board] += weights.get(outcome, 0) * number
    return want


EVENTS: list[Event] = [
    ("/a", "view", 0, 7),
    ("/a", "view", 16 * MINUTE_MS, 3),
    ("/a", "view", 18 * MINUTE_MS, 2),  # the hour before
    ("/a", "share", 5 * HOUR_MS, 4),
    ("/a", "comment", 23 * HOUR_MS, 1),
    ("/a", "view", 23 * HOUR_MS + 30 * MINUTE_MS, 100),  # in the window, in the hour before the first
    ("/a", "view", -4 * MINUTE_MS, 50),  # 4 minutes ahead, in the hour under way
    ("/a", "!bot", 0, 1_000),
    ("/a", "view", 30 * HOUR_MS, 10_000),
    ("/b", "view", 0, 170),
    ("/c", "view", 0, 11),
    ("/ab", "view", 0, 1),
]


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
            "hours": naive(EVENTS, {"/a"}, DEFAULT_BOARDS),
        }
        before_ms = T - HOUR + 23 * HOUR_MS  # all that lies further back than the first hour
        outside = sum(n for a, o, ago, n in EVENTS if a == "/a" and o == "view" and before_ms < ago < 24 * HOUR_MS)
        assert sum(hour["read"] for hour in answer["hours"]) + outside == 162


async def test_hours_of_coarser_slices(redis_url: str) -> None:
    """Where minutes have become hours already they count in theirs, also beside minutes of the same hour."""
    boards = {"read": {"view": 1}, "engaged": {"view": 1, "share": 5}}
    generation = Generation("page-views", (Window("2h", 2 * HOUR_MS, MINUTE_MS), DEFAULT_WINDOWS[1]), boards)
    events = [("/a", kind, ago * 13 * MINUTE_MS, ago + 1) for ago in range(120) for kind in ("view", "share")]
    async with counting(redis_url, generation) as (reader, shards):
        await count(shards, events)
        answer = await settled(reader, "/a")
        assert answer["hours"] == naive(events, {"/a"}, boards)
        state = await shards[home(b"demo//a", PARTITIONS)].store.load()
        assert state is not None
        assert {tier for tier, _ in state.slices} == {0, 1}


async def test_slices_that_cannot_tell_hours(redis_url: str) -> None:
    """A tier of days: the rest of the answer stands."""
    generation = Generation("page-views", (Window("7d", 604_800_000, 86_400_000),), {"read": {"view": 1}})
    async with counting(redis_url, generation) as (reader, shards):
        await count(shards, [("/a", "view", 0, 3)])
        answer = await settled(reader, "/a")
        assert answer["hours"] is None
        assert placed(answer, window="7d")["count"] == 3


async def test_the_budget(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it there are no hours; a byte less would have done."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, [("/a", "view", 0, 3), ("/a", "view", 2 * HOUR_MS, 3)])
        shard = shards[home(b"demo//a", PARTITIONS)]
        state = await shard.store.load()
        assert state is not None
        _, slices = await shard.store.read_slices(state.slices)
        taken = sum(len(one) for deltas in slices.values() for one in deltas)
        monkeypatch.setattr(reading, "MAX_BYTES", taken - 1)
        assert (await settled(reader, "/a"))["hours"] is None
        monkeypatch.setattr(reading, "MAX_BYTES", taken)
        reader.now_ms = T + 60_001
        assert sum(hour["read"] for hour in (await settled(reader, "/a"))["hours"]) == 6


async def test_floors_that_move_while_slices_are_read(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is moved on to a coarser tier meanwhile is counted once: the shard is read again, or not told."""
    generation = Generation(
        "page-views", (Window("2h", 2 * HOUR_MS, MINUTE_MS), DEFAULT_WINDOWS[1]), {"read": {"view": 1}}
    )
    monkeypatch.setattr(reading, "AT_ONCE", 1)
    async with counting(redis_url, generation, partitions=1) as (reader, shards):
        await count(shards, [("/a", "view", minutes * MINUTE_MS, 1) for minutes in range(5)])
        keys = ShardKeys(generation.id, 0)
        fine, coarse = shards[0].version.floors
        times = [0]
        add_up = hours.add_up

        def moving(*arguments: Any) -> None:
            add_up(*arguments)
            times[0] += 1
            if times[0] <= wanted:
                client.hset(keys.meta, "floors", f"{fine + times[0]},{coarse}")

        client = Redis.from_url(redis_url)
        monkeypatch.setattr(hours, "add_up", moving)
        wanted = 1
        found = await reading.HoursReader(reader.client).read(
            generation, "demo", {0: frozenset({"/a"})}, HOUR - 23 * HOUR_MS
        )
        assert found is not None
        assert sum(hour["view"] for hour in found) == 5
        assert times[0] == 6  # one slice before the floors moved, then all five
        times[0], wanted = 0, 100
        found = await reading.HoursReader(reader.client).read(
            generation, "demo", {0: frozenset({"/a"})}, HOUR - 23 * HOUR_MS
        )
        assert found is None
        client.close()


async def test_strays(redis_url: str) -> None:
    """Counts of an article that stand in several shards are its own, by the hour too."""
    async with counting(redis_url) as (reader, shards):
        at_home = home(b"demo//a", PARTITIONS)
        await count(shards, [("/a", "view", 0, 3)])
        await count(shards, [("/a", "view", HOUR_MS, 4)], {"/a": (at_home + 1) % PARTITIONS})
        await count(shards, [("/a", "view", HOUR_MS, 5)], {"/a": (at_home + 2) % PARTITIONS})
        answer = await settled(reader, "/a")
        assert placed(answer)["count"] == 12
        assert [hour["read"] for hour in answer["hours"]][-2:] == [9, 3]
        # made for another number of partitions, the marks say nothing: every shard is read
        keys = ShardKeys(GENERATION.id, (at_home + 1) % PARTITIONS)
        await reader.client.delete(keys.strays)
        await reader.client.hset(keys.meta, "P", PARTITIONS - 1)
        reader.now_ms = T + 60_001
        answer = await settled(reader, "/a")
        assert placed(answer)["count"] == 12
        assert [hour["read"] for hour in answer["hours"]][-2:] == [9, 3]


async def test_below_all_places(redis_url: str) -> None:
    """No rank and no neighbours beyond the first 2,000 places, yet the exact count, and what it lacks."""
    views = [("demo", f"/{i:04d}", "view", 2_010 - i) for i in range(2_010)]
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: _ready(reader), "readiness")
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
        # asked for when its lists have been read already, without it
        assert placed(await about(reader, "/2009"))["count"] == 1
        assert (await reader.get("/v1/demo/article?id=/9999")).status == 404


async def test_articles_do_not_hurry_a_refresh(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked for below the first places: Redis is asked for lists when a refresh is due, no sooner."""
    views = [("demo", f"/{i:04d}", "view", 2_050 - i) for i in range(2_050)]
    monkeypatch.setattr("ranker.serve.app.FIRST_DEADLINE_S", 0.2)
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: _ready(reader), "readiness")
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


@pytest.mark.parametrize(
    "article", ["/é?x=1&y=%2F#f", "a+b", "🐟", "a;b,c\"'<>", "x" * 512, "é" * 256, "%20", "/a/../b//"]
)
async def test_odd_ids(redis_url: str, article: str) -> None:
    """Any id that can be counted can be asked for, percent-encoded."""
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


async def test_a_site(redis_url: str) -> None:
    """Boards and windows of the generation; sections and formats of what is shown, by name."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        described = [("/a", "Culture", "pépites"), ("/b", "Âges", "pépites"), ("/c", "Culture", None)]
        records: list[dict[str, Any]] = [
            {"article_id": article_id, "status": "published", "section": section, "format": format_}
            for article_id, section, format_ in described
        ]
        await describe(reader.client, *records, removed("/d"))

        async def seen() -> Any:
            answer = (await reader.get("/v1/demo")).json
            return answer if answer["articles"] else None

        assert await until(seen, "catalogue") == {
            "site": "demo",
            "title": "Le Courrier",
            "boards": ["commented", "read", "shared"],
            "windows": [
                {"name": "24h", "length_s": 86_400, "grain_s": 60},
                {"name": "7d", "length_s": 604_800, "grain_s": 3_600},
            ],
            "show_counts": True,
            "articles": 3,
            "sections": [{"name": "Âges", "articles": 1}, {"name": "Culture", "articles": 2}],
            "formats": [{"name": "pépites", "articles": 2}],
        }


async def test_a_site_that_nobody_configured(redis_url: str) -> None:
    """It exists where it holds counts."""
    async with running_reader(redis_url, {}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, [("demo", "/a", "view", 3)], T)
        await until(lambda: _ready(reader), "readiness")
        answer = await reader.get("/v1/demo")
        assert (answer.json["title"], answer.json["articles"], answer.json["sections"]) == ("demo", 0, [])
        assert placed(await about(reader, "/a"))["count"] == 3


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
