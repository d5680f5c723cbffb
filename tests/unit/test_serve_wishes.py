"""What refreshes ask for by name: single articles, for a while and no more than so many."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from ranker.lists.articles import Articles
from ranker.lists.filters import Filter
from ranker.serve import matching
from ranker.serve.matching import AT_ONCE, Matching
from ranker.serve.wishes import MAX_NAMED, NAMED_MS, Wishes
from ranker.store.question import ListName

T = 1_795_396_624_735
DEMO, OTHER = ListName("demo", "read", "24h"), ListName("other", "read", "24h")


async def wanted(wishes: Wishes, name: ListName, now_ms: int) -> frozenset[bytes]:
    return (await wishes.of(name, Articles(), 0, now_ms))[0].wanted


async def test_an_article_is_wanted_of_its_site_for_a_while() -> None:
    wishes = Wishes()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T + 1)
    assert await wanted(wishes, DEMO, T + NAMED_MS) == {b"/a", b"/b"}
    assert await wanted(wishes, OTHER, T + NAMED_MS) == frozenset()
    assert await wanted(wishes, DEMO, T + NAMED_MS + 1) == {b"/b"}


async def test_asked_for_again_it_stays() -> None:
    wishes = Wishes()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T)
    wishes.name("demo", b"/a", T + 5)
    assert await wanted(wishes, DEMO, T + NAMED_MS + 5) == {b"/a"}


async def test_too_many_articles() -> None:
    """The one asked for longest ago makes room, of whatever site."""
    wishes = Wishes()
    for number in range(MAX_NAMED):
        wishes.name("demo", b"/%d" % number, T)
    wishes.name("demo", b"/0", T)
    wishes.name("other", b"/x", T)
    found = await wanted(wishes, DEMO, T)
    assert len(found) == MAX_NAMED - 1
    assert b"/0" in found
    assert b"/1" not in found
    assert await wanted(wishes, OTHER, T) == {b"/x"}


def catalogue(site: str, articles: int) -> Articles:
    known = Articles()
    known.take(
        (
            f"{site}//{number}".encode(),
            orjson.dumps(
                {
                    "site_id": site,
                    "article_id": f"/{number}",
                    "status": "published",
                    "title": "T",
                    "url": "https://demo.example/",
                    "published_at": T,
                    "section": "Culture",
                }
            ),
        )
        for number in range(articles)
    )
    return known


CULTURE = Filter(sections=frozenset({"Culture"}))


async def test_the_catalogue_is_looked_through_with_pauses() -> None:
    """Whatever the number of articles and filters: other work gets its turn after each thousand or so."""
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(other_work())
    ids = await Matching().ids("demo", CULTURE, catalogue("demo", 9_999), 1, T)
    working.cancel()
    assert len(ids or ()) == 9_999
    assert turns >= 9_999 // AT_ONCE


async def test_lists_share_what_a_filter_finds_and_filters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found once for a site, again when its catalogue has changed; one filter more than there may be finds nothing."""
    monkeypatch.setattr(matching, "MAX_FOUND", 1)
    found, articles = Matching(), catalogue("demo", 3)
    first = await found.ids("demo", CULTURE, articles, 1, T)
    assert await found.ids("demo", CULTURE, articles, 1, T) is first
    assert await found.ids("demo", CULTURE, articles, 2, T) is not first
    assert await found.ids("demo", Filter(known=True), articles, 2, T) is None
    found.keep(set())
    assert len(await found.ids("demo", Filter(known=True), articles, 2, T) or ()) == 3


async def test_nothing_is_kept_of_invented_sites() -> None:
    """Any number of names can be asked for."""
    wishes = Wishes()
    for number in range(50):
        await wishes.of(ListName(f"invented-{number}", "read", "24h"), Articles(), 0, T)
    assert wishes._aliases == {}
