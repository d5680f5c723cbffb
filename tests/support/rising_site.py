"""A site where articles rise: events of today and yesterday in real shards, a reader, and what the definition makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from ranker.core.generation import from_table
from ranker.core.rising_boards import RisingBoard, boards
from ranker.settings import Site
from ranker.store.topic_copy import Change, TopicCopy
from schemas.configuration import filled, rising_windows
from tests.bench.shards import Shard, begin
from tests.property.rising import Case, Story, naive
from tests.support.counted_articles import HOUR_MS, MINUTE_MS, PARTITIONS, Event, count, describe
from tests.support.reader import Reader, T, running_reader, until

RISING = "/v1/demo/popular/rising/1h"
DAY_MS = 24 * HOUR_MS

EVENTS: list[Event] = [
    ("/spike", "view", 5 * MINUTE_MS, 60),
    ("/spike", "view", 2 * HOUR_MS, 12),
    ("/spike", "view", DAY_MS + 30 * MINUTE_MS, 10),
    ("/spike", "view", DAY_MS + 2 * HOUR_MS, 30),
    ("/small", "view", 50 * MINUTE_MS, 24),  # rises too, by less
    ("/small", "view", 3 * HOUR_MS, 3),
    ("/small", "view", DAY_MS + 3 * HOUR_MS, 5),
    ("/steady", "view", 5 * MINUTE_MS, 2_000),
    ("/steady", "view", 2 * HOUR_MS, 6_000),
    ("/daily", "view", 5 * MINUTE_MS, 200),  # as little before, and as much now, as yesterday
    ("/daily", "view", 2 * HOUR_MS, 60),
    ("/daily", "view", DAY_MS + 20 * MINUTE_MS, 3_000),
    ("/daily", "view", DAY_MS + 2 * HOUR_MS, 60),
    ("/new", "view", 5 * MINUTE_MS, 100),
    ("/hidden", "view", 5 * MINUTE_MS, 100),
    ("/hidden", "view", 30 * HOUR_MS, 1),
    ("/unknown", "view", 5 * MINUTE_MS, 100),  # neither in the catalogue nor counted before
    ("/unknown", "view", 3 * HOUR_MS, 1),
    ("/known-by-its-counts", "view", 5 * MINUTE_MS, 30),
    ("/known-by-its-counts", "view", 30 * HOUR_MS, 1),
    ("/here", "view", 5 * MINUTE_MS, 20),  # together with what it was before they are enough
    ("/was-there", "view", 10 * MINUTE_MS, 20),
    ("/was-there", "view", 2 * HOUR_MS, 5),
    ("/was-there", "view", DAY_MS + 40 * MINUTE_MS, 8),
    ("/here", "share", 5 * MINUTE_MS, 99),
    ("/spike", "!bot", 5 * MINUTE_MS, 999),
]
NEWS: list[Event] = [
    ("/cinema", "view", 20 * MINUTE_MS, 126),
    ("/cinema", "view", 2 * HOUR_MS, 27),
    ("/cinema", "view", DAY_MS + 30 * MINUTE_MS, 60),
    ("/cinema", "view", DAY_MS + 2 * HOUR_MS, 90),
    ("/ecluses", "view", 30 * MINUTE_MS, 320),
    ("/ecluses", "view", 3 * HOUR_MS, 900),
    ("/ecluses", "view", DAY_MS, 1),
]
"""Of the newsroom behind the examples of openapi.yaml."""
MOVED = {"/was-there": "/here"}
PUBLISHED = {"/new": T - 4 * HOUR_MS, "/spike": T - 40 * HOUR_MS, "/small": T - 4 * HOUR_MS - MINUTE_MS - 1}
PUBLISHED |= dict.fromkeys(("/steady", "/daily", "/hidden", "/here"), T - 50 * HOUR_MS)
HIDDEN = {"/hidden"}


TABLE = filled({"rising": {"rising": {"of": "read"}}})
GENERATION, BOARDS = from_table(TABLE), boards(TABLE)
UNUSUAL = rising_windows(TABLE)


def records(published: Mapping[str, int]) -> list[Mapping[str, Any]]:
    return [
        {
            "article_id": article,
            "status": "published",
            "title": f"Titre de {article}",
            "url": f"https://www.example.org{article}",
            "section": "Sport" if article == "/small" else "Culture",
            "published_at": at,
        }
        for article, at in published.items()
    ]


@asynccontextmanager
async def rising(
    url: str,
    events: Iterable[Event] = EVENTS,
    *,
    at: Mapping[str, int] | None = None,
    site: Site | None = None,
    catalogue: Iterable[Mapping[str, Any]] | None = None,
    board: RisingBoard = BOARDS["rising"],
) -> AsyncIterator[tuple[Reader, list[Shard]]]:
    """A reader over these counts and the catalogue; `at` says where an article is counted that is not at home."""
    sites = {"demo": site or Site("Le Courrier", read_token="secret")}
    async with running_reader(url, sites, rising={"rising": board}, unusual=UNUSUAL) as running:
        shards = await begin(running.client, GENERATION, PARTITIONS, T)
        await count(shards, events, at)
        known = records(PUBLISHED) if catalogue is None else list(catalogue)
        await describe(running.client, *known)
        shard = TopicCopy(running.client, 0)
        state = await shard.load()
        assert state is not None
        hidden: list[tuple[str, dict[str, Any]]]
        hidden = [(f"demo/{one} #editor", {"article_id": one, "hidden": True}) for one in HIDDEN]
        moved: list[tuple[str, dict[str, Any]]]
        moved = [(f"demo/{one} #alias", {"article_id": one, "alias_of": to}) for one, to in MOVED.items()]
        changes = [
            Change(key.encode(), orjson.dumps({"site_id": "demo"} | record), state.n + number)
            for number, (key, record) in enumerate([*hidden, *moved])
        ]
        assert await shard.advance(state, state.n + len(changes), "1:5:8", changes)

        async def has_catalogue() -> bool:
            level = len(running.board.articles) >= len(known) and running.board.articles.aliases("demo")
            return running.board.not_ready() == [] and bool(level)

        await until(has_catalogue, "catalogue")
        yield running, shards


def expected(events: Iterable[Event] = EVENTS, board: RisingBoard = BOARDS["rising"]) -> list[tuple[Any, ...]]:
    """(article, count, expected, times, sigmas) of each place, by the definition."""
    windows = {one.name: one for one in GENERATION.windows}
    recent, before = windows[board.recent], windows[board.before]
    minute = T // MINUTE_MS * MINUTE_MS
    from_ms = (minute - DAY_MS - before.length_ms) // HOUR_MS * HOUR_MS
    stories: dict[str, dict[str, Any]] = {}
    site = {"recent": 0, "before": 0}
    for article, outcome, ago_ms, number in events:
        story = stories.setdefault(
            MOVED.get(article, article),
            {"recent": 0, "before": 0, "longest": 0, "hours": [{"view": 0} for _ in range(6)]},
        )
        if outcome != "view":
            continue
        slice_ms = (T - ago_ms) // MINUTE_MS * MINUTE_MS
        for name, window in (("recent", recent), ("before", before)):
            if slice_ms >= (T - window.length_ms) // MINUTE_MS * MINUTE_MS:
                story[name] += number
                site[name] += number
        story["longest"] += number
        hour = (slice_ms - from_ms) // HOUR_MS
        if 0 <= hour < 6:
            story["hours"][hour]["view"] += number
    case = Case(
        recent.length_ms,
        before.length_ms,
        T,
        from_ms,
        site["recent"],
        site["before"] - site["recent"],
        tuple(
            Story(
                article,
                one["recent"],
                one["before"],
                one["longest"],
                tuple(one["hours"]),
                PUBLISHED.get(article),
                hidden=article in HIDDEN,
            )
            for article, one in stories.items()
        ),
        board.thresholds,
        500,
        100,
        seen=frozenset(stories),
    )
    lines, whole = naive(case)
    assert whole
    return [
        (article, counted, round(likely, 3), round(times, 3), round(sigmas, 3))
        for sigmas, counted, article, likely, times in lines
    ]


def shown(answer: Any) -> list[tuple[Any, ...]]:
    return [(one["article_id"], one["count"], one["expected"], one["times"], one["sigmas"]) for one in answer["items"]]


def ids(answer: Any) -> list[str]:
    return [one["article_id"] for one in answer["items"]]
