"""What rules dropped, and until when they were paused: in lists, their streams, and articles."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.console import Console

from ranker.commands.top import tables
from ranker.core.generation import Generation, ListName
from ranker.core.times import rfc3339
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.settings import Site
from ranker.store.keys import ShardKeys
from tests.support.counted_articles import HOUR_MS, MINUTE_MS, counting, settled
from tests.support.counted_articles import count as count_events
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS
from tests.support.reader import LIST, PARTITIONS, Reader, T, running_reader, until
from tests.support.shard_writer import publish, write
from tests.support.sse_client import listening

VIEWS = [("demo", "/a", "view", 9), ("demo", "/b", "view", 4), ("demo", "/b", "comment", 2)]
DROPPED = [
    ("demo", "/a", "!repeat", 3),
    ("demo", "/b", "!repeat", 4),
    ("demo", "/b", "!duplicate", 1),
    ("demo", "/only-bots", "!bot", 20),
    ("elsewhere", "/a", "!bot", 1_000),
]
NAMES = ["duplicate@1", "bots@1", "internal@1", "unique_item@counter-5.1"]


@asynccontextmanager
async def reading(redis_url: str, generation: Generation = PRESS, site: Site | None = None) -> AsyncIterator[Reader]:
    async with running_reader(redis_url, {"demo": site or Site("Le Courrier")}) as running:
        await publish(running.client, generation, PARTITIONS, [*VIEWS, *DROPPED], T)

        async def read() -> bool:
            return (await running.get(LIST)).status == 200

        await until(read, "list")
        yield running


async def test_a_list_has_what_each_rule_dropped(redis_url: str) -> None:
    """Of this site and window, over all shards, whatever the board, the filters and the place."""
    async with reading(redis_url) as reader:
        await reader.client.hincrby(ShardKeys(PRESS.id, 0).sums, "demo:7d:!internal", 6)
        day = await reader.ranking()
        assert day["rules"] == NAMES
        assert day["dropped"] == {"duplicate": 1, "bot": 20, "internal": 0, "repeat": 7}
        assert day["total"] == 13
        week = await reader.ranking("/v1/demo/popular/commented/7d?limit=1&offset=1")
        assert week["dropped"] == {"duplicate": 1, "bot": 20, "internal": 6, "repeat": 7}


@pytest.mark.parametrize(("bots", "names", "dropped"), [("drop", ["bots@1"], {"bot": 20}), ("count", [], {})])
async def test_only_rules_in_force_are_named(
    redis_url: str, bots: str, names: list[str], dropped: dict[str, int]
) -> None:
    """Without [rules] just the bots; if they count too nothing, and nothing is not a number."""
    generation = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, bots=bots)
    async with reading(redis_url, generation) as reader:
        answer = await reader.ranking()
        assert (answer["rules"], answer["dropped"]) == (names, dropped)


async def test_rules_are_those_of_the_counts_that_are_shown(redis_url: str) -> None:
    """Another generation may be active already while a list of the last one is on show."""
    async with reading(redis_url) as reader:
        reader.board.generation = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
        content = Lists(reader.board, reader.demand).content(ListName("demo", "read", "24h"), Query(), counts=True)
        assert content is not None
        assert (content["rules"], content["dropped"]["repeat"]) == (NAMES, 7)


async def test_a_site_that_hides_its_counts(redis_url: str) -> None:
    """What was dropped is a count; which rules are in force, and that they were paused, is none."""
    site = Site("Discret", show_counts=False, read_token="secret")
    async with reading(redis_url, site=site) as reader:
        answer = await reader.ranking()
        assert (answer["rules"], answer["dropped"]) == (NAMES, None)
        shown = await reader.get(LIST, authorization="Bearer secret")
        assert shown.json["dropped"]["repeat"] == 7


async def test_what_was_just_published_is_counted_by_no_rule(redis_url: str) -> None:
    """No rule had a part in that list."""
    async with reading(redis_url) as reader:
        answer = await reader.ranking("/v1/demo/popular/latest/24h")
        assert (answer["rules"], answer["dropped"], answer["rules_paused"]) == ([], None, None)


async def test_rules_that_were_paused(redis_url: str) -> None:
    """The latest time of all shards, while it lies in the list's window: once it has left 24h it stands in 7d."""
    hour = T // HOUR_MS
    async with reading(redis_url) as reader:
        assert (await reader.ranking())["rules_paused"] is None

        async def paused(firsts: dict[int, int], window: str, wanted: str | None) -> None:
            for shard, first in firsts.items():
                await reader.client.hset(ShardKeys(PRESS.id, shard).meta, "first", first)

            async def shown() -> bool:
                answer = await reader.ranking(f"/v1/demo/popular/read/{window}")
                assert answer["complete"]
                return bool(answer["rules_paused"] == wanted)

            await until(shown, f"{wanted} in {window}")

        await paused({0: hour - 5, 1: hour - 2}, "24h", rfc3339((hour - 2) * HOUR_MS))
        await paused({1: hour - 24}, "24h", rfc3339((hour - 5) * HOUR_MS))
        await paused({0: 0, 1: hour - 24}, "24h", None)  # from is 17 minutes past that hour
        await paused({}, "7d", rfc3339((hour - 24) * HOUR_MS))


async def test_a_terminal_has_both(redis_url: str) -> None:
    """`ranker top` says what each rule dropped, once for all boards, and until when they were paused."""
    async with reading(redis_url) as reader:
        await reader.client.hset(ShardKeys(PRESS.id, 0).meta, "first", T // HOUR_MS)

        async def paused() -> bool:
            return bool((await reader.ranking())["rules_paused"])

        await until(paused, "pause")
        terminal = Console(width=200, file=io.StringIO())
        names = [ListName("demo", "read", "24h"), ListName("demo", "commented", "24h")]
        terminal.print(tables(reader.board, Lists(reader.board, reader.demand), names, 5, 200, None))
        shown = terminal.file.getvalue()  # type: ignore[attr-defined]
        assert shown.count("dropped: duplicate 1, bot 20, internal 0, repeat 7\n") == 1
        assert f"rules paused for events before {rfc3339(T // HOUR_MS * HOUR_MS)}" in shown


async def test_a_stream_tells_what_was_dropped_with_the_next_change(redis_url: str) -> None:
    """Crawlers that come and go make no new list for hundreds of readers; paused rules do."""
    async with reading(redis_url) as reader, listening(reader) as events:
        assert (await events.next()).data["dropped"]["bot"] == 20
        await write(reader.client, PRESS, PARTITIONS, [*VIEWS, *DROPPED, ("demo", "/a", "!bot", 5)], T)

        async def seen() -> bool:
            return bool((await reader.ranking())["dropped"]["bot"] == 25)

        await until(seen, "further bots")
        await reader.client.hset(ShardKeys(PRESS.id, 0).meta, "first", T // HOUR_MS)
        event = await events.next()
        assert event.kind == "list"
        assert event.data["dropped"]["bot"] == 25
        assert event.data["rules_paused"] == rfc3339(T // HOUR_MS * HOUR_MS)


async def test_what_was_dropped_of_one_article(redis_url: str) -> None:
    """In the hours that are shown, under all of its ids, and of no other article."""
    events = [
        ("/a", "view", 0, 5),
        ("/a", "!repeat", 0, 3),
        ("/a", "!repeat", 2 * HOUR_MS, 4),
        ("/a", "!bot", 23 * HOUR_MS + 30 * MINUTE_MS, 100),  # in the window, in the hour before the first
        ("/a", "!internal", 30 * HOUR_MS, 100),
        ("/a", "!duplicate", MINUTE_MS, 1),
        ("/b", "!repeat", 0, 50),
    ]
    async with counting(redis_url, PRESS) as (reader, shards):
        await count_events(shards, events)
        answer = await settled(reader, "/a")
        assert answer["dropped"] == {"duplicate": 1, "bot": 0, "internal": 0, "repeat": 7}
        assert sum(hour["read"] for hour in answer["hours"]) == 5


async def test_counts_that_are_hidden_hide_what_was_dropped_of_an_article(redis_url: str) -> None:
    """Neither hours nor what rules dropped in them."""
    site = Site("Discret", show_counts=False)
    async with counting(redis_url, PRESS, site=site) as (reader, shards):
        await count_events(shards, [("/a", "view", 0, 5), ("/a", "!repeat", 0, 3)])
        answer: Any = await settled(reader, "/a")
        assert (answer["hours"], answer["dropped"]) == (None, None)
