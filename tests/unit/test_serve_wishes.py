"""What refreshes ask for by name: single articles, for a while and no more than so many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson
import pytest

from ranker.lists.articles import Articles
from ranker.lists.filters import Filter
from ranker.serve.live import lookups as wishes_module
from ranker.serve.live.lookups import AT_ONCE, MAX_FILTERS, MAX_LISTS, MAX_NAMED, NAMED_MS, Lookups, Matching
from ranker.store.shard_query import ListName

T = 1_795_396_624_735
DEMO, OTHER = ListName("demo", "read", "24h"), ListName("other", "read", "24h")


async def wanted(wishes: Lookups, name: ListName, now_ms: int) -> frozenset[bytes]:
    return (await wishes.of(name, Articles(), 0, now_ms))[0].wanted


async def test_an_article_is_wanted_of_its_site_for_a_while() -> None:
    wishes = Lookups()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T + 1)
    assert await wanted(wishes, DEMO, T + NAMED_MS) == {b"/a", b"/b"}
    assert await wanted(wishes, OTHER, T + NAMED_MS) == frozenset()
    assert await wanted(wishes, DEMO, T + NAMED_MS + 1) == {b"/b"}


async def test_asked_for_again_it_stays() -> None:
    wishes = Lookups()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T)
    wishes.name("demo", b"/a", T + 5)
    assert await wanted(wishes, DEMO, T + NAMED_MS + 5) == {b"/a"}


async def test_too_many_articles() -> None:
    """The one asked for longest ago makes room, of whatever site."""
    wishes = Lookups()
    for number in range(MAX_NAMED):
        wishes.name("demo", b"/%d" % number, T)
    wishes.name("demo", b"/0", T)
    wishes.name("other", b"/x", T)
    found = await wanted(wishes, DEMO, T)
    assert len(found) == MAX_NAMED - 1
    assert b"/0" in found
    assert b"/1" not in found
    assert await wanted(wishes, OTHER, T) == {b"/x"}


async def test_one_client_names_no_others_away() -> None:
    """Who names the most makes room first, however lately."""
    wishes = Lookups()
    wishes.name("demo", b"/a", T, b"somebody")
    for number in range(MAX_NAMED + 10):
        wishes.name("demo", b"/%d" % number, T, b"greedy")
    found = await wanted(wishes, DEMO, T)
    assert len(found) == MAX_NAMED
    assert b"/a" in found


def entry(site: str, article_id: str, section: str) -> tuple[bytes, bytes]:
    fields: dict[str, str | int] = {
        "site_id": site,
        "article_id": article_id,
        "status": "published",
        "title": "T",
        "section": section,
    }
    fields |= {"url": "https://demo.example/", "published_at": T}
    return f"{site}/{article_id}".encode(), orjson.dumps(fields)


def catalogue(site: str, articles: int) -> Articles:
    known = Articles()
    known.take(entry(site, f"/{number}", "Culture") for number in range(articles))
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


async def test_lists_share_what_a_filter_finds() -> None:
    """Found once for a site, and again when its catalogue has changed."""
    found, articles = Matching(), catalogue("demo", 3)
    first = await found.ids("demo", CULTURE, articles, 1, T)
    assert await found.ids("demo", CULTURE, articles, 1, T) is first
    assert await found.ids("demo", CULTURE, articles, 2, T) is not first
    found.keep(set())
    assert found._found == {}


def lists(number: int) -> list[ListName]:
    return [ListName("demo", "read", f"{n}h") for n in range(number)]


def section(number: int) -> Filter:
    return Filter(sections=frozenset({f"s{number}"}))


def by(client: str) -> Callable[[], bytes]:
    return client.encode


def test_a_client_cannot_keep_all_lists() -> None:
    """However often it asks for them: each other one gets a place, until there are as many clients as places."""
    wishes, names = Lookups(), lists(MAX_LISTS + 2)
    for name in names[:MAX_LISTS]:
        assert wishes.ask(name, CULTURE, T, by("greedy"))
    assert not wishes.ask(names[-1], CULTURE, T, by("greedy"))
    assert wishes.ask(names[-1], CULTURE, T, by("a"))
    assert not wishes.keep(names[0], CULTURE, T)
    for number in range(MAX_LISTS - 2):
        assert wishes.ask(ListName("other", "read", f"{number}h"), CULTURE, T, by(f"client {number}"))
    assert wishes.keep(names[-1], CULTURE, T)
    assert not wishes.ask(names[-2], CULTURE, T, by("late"))
    assert len(wishes._asked) == MAX_LISTS


def test_a_client_cannot_keep_all_filters() -> None:
    """Of one list, or the same ones of several lists; one that makes room does so in each list of its site."""
    wishes, (first, second, third) = Lookups(), lists(3)
    for number in range(MAX_FILTERS):
        assert wishes.ask(first, section(number), T, by("greedy"))
        assert wishes.ask(second, section(number), T, by("greedy"))
    assert not wishes.ask(first, CULTURE, T, by("greedy"))
    assert wishes.ask(third, CULTURE, T, by("a"))
    assert not wishes.keep(first, section(0), T)
    assert not wishes.keep(second, section(0), T)
    for number in range(MAX_FILTERS - 2):
        assert wishes.ask(third, section(1_000 + number), T, by(f"client {number}"))
    assert not wishes.ask(third, section(9_999), T, by("late"))
    assert wishes.keep(third, CULTURE, T)


async def test_a_client_cannot_use_up_the_budget_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """First one filter of each client is looked up, the narrowest before others; then their second ones."""
    monkeypatch.setattr(wishes_module, "BUDGET", 4)
    articles = Articles()
    for number, size in enumerate((3, 1, 2)):
        for article in range(size):
            articles.take([entry("demo", f"/{number}/{article}", f"s{number}")])
    wishes = Lookups()
    for number, client in enumerate(("greedy", "greedy", "a")):
        wishes.ask(DEMO, section(number), T, by(client))
    assert (await wishes.of(DEMO, articles, 1, T))[1] == {section(2), section(1)}


async def test_filters_that_find_the_same_are_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few articles they find together: twice the budget is looked at, and no more."""
    monkeypatch.setattr(wishes_module, "BUDGET", 4)
    wishes, same = Lookups(), [Filter(sections=frozenset({"Culture", f"s{number}"})) for number in range(3)]
    for filter_ in same:
        wishes.ask(DEMO, filter_, T)
    wish, covered = await wishes.of(DEMO, catalogue("demo", 3), 1, T)
    assert wish.wanted == {b"/0", b"/1", b"/2"}
    assert covered == set(same[:2])


async def test_what_makes_room_does_not_come_back_unpaid() -> None:
    """A list on show covers it until the next refresh, which is no look-up."""
    wishes = Lookups()
    assert not wishes.keep(DEMO, CULTURE, T)
    assert not wishes.ask(DEMO, CULTURE, T, lambda: None)
    assert (await wishes.of(DEMO, Articles(), 0, T))[1] == frozenset()


async def test_nothing_is_kept_of_invented_sites() -> None:
    """Any number of names can be asked for."""
    wishes = Lookups()
    for number in range(50):
        await wishes.of(ListName(f"invented-{number}", "read", "24h"), Articles(), 0, T)
    assert wishes._aliases == {}
