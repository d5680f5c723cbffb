"""Lists with few articles of one section, and without what stands in another list of the same moment, end to end."""

import asyncio
import csv
from typing import Any

import pytest

from ranker.core import merge
from ranker.core.generation import ListName
from ranker.serve.api import items
from ranker.serve.live.published import KEEP_LEVEL_MS, Published
from tests.integration.serve.test_spellings import catalogue, edited, fed
from tests.support.example_site import newsroom, write_articles
from tests.support.reader import GENERATION, LIST, PARTITIONS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import publish
from tests.support.sse_client import listening

READ = ListName("demo", "read", "24h")
SHARED = "/v1/demo/popular/shared/24h"
FEW = [("demo", f"/{one}", "view", 9 - place) for place, one in enumerate("abcd")]
FEW += [("demo", f"/{one}", "share", 9 - place) for place, one in enumerate("cadbe")]


def ids(answer: Any) -> list[str]:
    return [item["article_id"] for item in answer["items"]]


@pytest.mark.parametrize(
    ("target", "found", "skipped"),
    [
        (f"{LIST}?max_per=format:1", ["/ecluses", "/facture-d-eau", "/cinema", "/corsaires"], 0),
        (f"{LIST}?max_per=format:1&format=enqu%C3%AAte", ["/ecluses"], 0),
        (f"{LIST}?max_per=format:1&limit=2&offset=2", ["/cinema", "/corsaires"], 0),
        (f"{LIST}?max_per=format:1&fallback=true&limit=9&offset=4", ["/soupes"], 1),  # /amendes: a second décryptage
        ("/v1/demo/popular/read/7d?max_per=format:1&max_per=section:1&offset=3", ["/corsaires"], 0),
        ("/v1/demo/popular/read/7d?max_per=section:1&offset=4", ["/marais"], 0),
        (f"{SHARED}?unless=read/24h:3", ["/marais", "/corsaires"], None),
        (f"{SHARED}?unless=read/24h:1&unless=commented/24h:3", ["/cinema", "/marais"], None),
        (f"{SHARED}?unless=read/24h:100", [], None),
        (f"{LIST}?unless=read/24h:3", ["/corsaires", "/marais"], None),
        (
            f"{LIST}?unless=read/7d:2&fallback=true&limit=5",
            ["/cinema", "/corsaires", "/marais", "/soupes", "/amendes"],
            None,
        ),
        ("/v1/demo/popular/latest/7d?unless=read/24h:2&max_per=section:1", ["/amendes", "/corsaires", "/marais"], 1),
        ("/v1/demo/popular/latest/7d?max_per=section:1&offset=5", [], 1),
    ],
)
async def test_which_articles(redis_url: str, target: str, found: list[str], skipped: int | None) -> None:
    """Ranks count what is listed; the list is complete; there is no history; feeds and files have the same articles."""
    async with newsroom(redis_url) as reader:
        answer = await reader.ranking(target)
        assert (ids(answer), answer.get("skipped"), answer["complete"]) == (found, skipped, True)
        offset = int(target.partition("offset=")[2] or 0)
        assert [item["rank"] for item in answer["items"]] == list(range(offset + 1, offset + 1 + len(found)))
        assert "history" not in answer
        path, _, query = target.partition("?")
        feed = await reader.ranking(f"{path}/feed.json?{query}")
        assert [item["id"] for item in feed["items"]] == [f"demo/{article_id}" for article_id in found]
        rss = (await reader.get(f"{path}/feed.rss?{query}")).body.decode()
        assert rss.count("<item>") == len(found)
        file = (await reader.get(f"{target}&render=csv")).body.decode()
        assert [row["article_id"] for row in csv.DictReader(file.splitlines())] == found
        fragment = (await reader.get(f"{target}&render=html")).body.decode()
        assert fragment.count('part="item"') == len(found)
        async with listening(reader, f"{path}/stream?{query}") as events:
            assert (await events.next()).data["items"] == answer["items"]


async def test_faults(redis_url: str) -> None:
    """Each with what to write instead, all in one answer."""
    async with newsroom(redis_url) as reader:
        query = "max_per=author:2&unless=read/24h&unless=liked/24h:7&unless=read/1h:7&unless=latest/24h:7"
        answer = await reader.get(f"{LIST}?{query}")
        assert (answer.status, [(one["parameter"], one["detail"]) for one in answer.json["faults"]]) == (
            400,
            [
                ("max_per", "'author:2' is not section:N or format:N with N from 1 to 100"),
                ("unless", "'read/24h' is not BOARD/WINDOW:N, such as read/24h:7, with N from 1 to 100"),
                ("unless", "latest is not counted; name a board that is"),
                ("unless", "board 'liked' is unknown; there are commented, read, shared, latest"),
                ("unless", "window '1h' is unknown; there are 24h, 7d"),
            ],
        )


async def test_articles_are_the_same_by_name(redis_url: str) -> None:
    """Another spelling and an address that moved are the same article; what is taken down has no place to leave out."""
    lower, name = "/soci%c3%a9t%c3%a9", "/société"
    views = [("/hidden", 99), (lower, 50), ("/old", 40), ("/other", 30)]
    shares = [("/hidden", 9), (name, 8), ("/new", 7), ("/other", 6)]
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        gone, moved = edited("editor", "/hidden", hidden=True), edited("alias", "/old", alias_of="/new")
        await catalogue(reader.client, gone, moved, fed("/new", title="Nouveau"))
        counted = [("demo", one, "view", n) for one, n in views] + [("demo", one, "share", n) for one, n in shares]
        await publish(reader.client, GENERATION, PARTITIONS, counted, T)
        await until(lambda: ready(reader), "readiness")
        assert ids(await reader.ranking(f"{SHARED}?unless=read/24h:1")) == ["/new", "/other"]
        assert ids(await reader.ranking(f"{SHARED}?unless=read/24h:2")) == ["/other"]


async def test_lists_that_come_into_use_together(redis_url: str) -> None:
    """As a block requests them of a reader that has just started: each is complete at once, and of one moment."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, FEW, T)
        await until(lambda: ready(reader), "readiness")
        targets = [LIST, f"{SHARED}?unless=read/24h:2", "/v1/demo/popular/read/7d?unless=shared/7d:1&fallback=true"]
        answers = await asyncio.gather(*map(reader.ranking, targets))
        assert [(ids(answer), answer["complete"]) for answer in answers] == [
            (["/a", "/b", "/c", "/d"], True),
            (["/c", "/d", "/e"], True),
            (["/a", "/b", "/d"], True),
        ]
        assert READ in reader.demand.last_used_ms


async def test_while_one_list_stays_on_show(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last readings of one moment stand in for 5 s; after that the list says that it is not complete."""
    yields_to = Published.yields_to
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, FEW, T)
        await until(lambda: ready(reader), "readiness")
        target = f"{SHARED}?unless=read/24h:2"
        before = await reader.ranking(target)
        monkeypatch.setattr(Published, "yields_to", lambda self, *how: self.name != READ and yields_to(self, *how))
        views = [("demo", "/e", "view", 99), *FEW]
        await publish(reader.client, GENERATION, PARTITIONS, views, T + 1)

        async def moved_on() -> bool:
            return bool((await reader.ranking(SHARED))["as_of"] != before["as_of"])

        await until(moved_on, "later list")
        assert await reader.ranking(target) == before
        assert (before["complete"], ids(before)) == (True, ["/c", "/d", "/e"])
        reader.now_ms = T + KEEP_LEVEL_MS + 1

        async def apart() -> Any:
            answer = await reader.ranking(target)
            return answer if not answer["complete"] else None

        answer = await until(apart, "list that is not complete")
        assert (answer["as_of"] > before["as_of"], ids(answer)) == (True, ["/c", "/d", "/e"])
        monkeypatch.undo()

        async def together() -> Any:
            answer = await reader.ranking(target)
            return answer if answer["complete"] else None

        assert ids(await until(together, "complete list")) == ["/c", "/d", "/b"]


async def test_a_stream_follows_the_other_list(redis_url: str) -> None:
    """What comes into the other list's first places leaves this one, though nothing of this one has changed."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, FEW, T)
        await until(lambda: ready(reader), "readiness")
        async with listening(reader, f"{SHARED}/stream?unless=read/24h:1") as events:
            assert ids((await events.next()).data) == ["/c", "/d", "/b", "/e"]
            await publish(reader.client, GENERATION, PARTITIONS, [("demo", "/e", "view", 99), *FEW], T + 1)
            assert ids((await events.next()).data) == ["/c", "/a", "/d", "/b"]


async def test_another_list_that_cannot_be_relied_on(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """If too few of its places were read to know who stands in the first three, the list says that it is not complete."""
    await write_articles(reader.client, [{"site_id": "demo", "article_id": "/29", "status": "removed"}])

    async def without() -> bool:
        return ids(await reader.ranking())[0] == "/28"

    await until(without, "list without the hidden article")
    monkeypatch.setattr(merge, "PLACES", 3)
    monkeypatch.setattr(items, "PLACES", 3)

    async def short() -> bool:
        return (await reader.ranking())["complete"] is False

    await until(short, "list of three places")
    assert (await reader.ranking(f"{SHARED}?unless=read/24h:2"))["complete"] is True
    assert (await reader.ranking(f"{SHARED}?unless=read/24h:3"))["complete"] is False
