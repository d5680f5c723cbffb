"""What refreshes read by name: single articles, for a while and no more than so many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson
import pytest

from ranker.core.generation import ListName
from ranker.lists.articles import Articles
from ranker.lists.filters import Filter
from ranker.serve.live import lookups as wishes_module
from ranker.serve.live.lookups import AT_ONCE, MAX_FILTERS, MAX_LISTS, MAX_NAMED, NAMED_MS, Lookups, Matching

T = 1_795_396_624_735
DEMO, OTHER = ListName("demo", "read", "24h"), ListName("other", "read", "24h")


async def wanted(lookups: Lookups, name: ListName, now_ms: int) -> frozenset[bytes]:
    return (await lookups.extra_keys(name, Articles({}), 0, now_ms))[0].wanted


async def test_an_article_is_wanted_of_its_site_for_a_while() -> None:
    lookups = Lookups()
    lookups.add_article("demo", b"/a", T)
    lookups.add_article("demo", b"/b", T + 1)
    assert await wanted(lookups, DEMO, T + NAMED_MS) == {b"/a", b"/b"}
    assert await wanted(lookups, OTHER, T + NAMED_MS) == frozenset()
    assert await wanted(lookups, DEMO, T + NAMED_MS + 1) == {b"/b"}


async def test_requested_again_it_stays() -> None:
    lookups = Lookups()
    lookups.add_article("demo", b"/a", T)
    lookups.add_article("demo", b"/b", T)
    lookups.add_article("demo", b"/a", T + 5)
    assert await wanted(lookups, DEMO, T + NAMED_MS + 5) == {b"/a"}


async def test_too_many_articles() -> None:
    """The one requested longest ago makes room, of whatever site."""
    lookups = Lookups()
    for number in range(MAX_NAMED):
        lookups.add_article("demo", b"/%d" % number, T)
    lookups.add_article("demo", b"/0", T)
    lookups.add_article("other", b"/x", T)
    found = await wanted(lookups, DEMO, T)
    assert len(found) == MAX_NAMED - 1
    assert b"/0" in found
    assert b"/1" not in found
    assert await wanted(lookups, OTHER, T) == {b"/x"}


async def test_one_client_names_no_others_away() -> None:
    """Who names the most makes room first, however lately."""
    lookups = Lookups()
    lookups.add_article("demo", b"/a", T, b"somebody")
    for number in range(MAX_NAMED + 10):
        lookups.add_article("demo", b"/%d" % number, T, b"greedy")
    found = await wanted(lookups, DEMO, T)
    assert len(found) == MAX_NAMED
    assert b"/a" in found


async def test_of_clients_with_as_many_the_last_one_to_come_keeps_its_articles() -> None:
    """The one that has named nothing new for longest makes room; clients whose articles are gone are forgotten."""
    lookups = Lookups()
    for number in range(MAX_NAMED):
        lookups.add_article("demo", b"/%d" % number, T, b"client %d" % number)
    lookups.add_article("demo", b"/0 again", T, b"client 0")  # its older one makes room
    lookups.add_article("demo", b"/x", T + 1, b"new")
    found = await wanted(lookups, DEMO, T)
    assert {b"/0", b"/1"}.isdisjoint(found)
    assert {b"/0 again", b"/2", b"/x"} <= found
    assert sum(lookups._articles_by.values()) == len(lookups._articles_by) == MAX_NAMED
    assert await wanted(lookups, DEMO, T + NAMED_MS + 1) == {b"/x"}
    assert lookups._articles_by == {b"new": 1}


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
    known = Articles({})
    known.apply((*entry(site, f"/{number}", "Culture"), number) for number in range(articles))
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
    lookups, names = Lookups(), lists(MAX_LISTS + 2)
    for name in names[:MAX_LISTS]:
        assert lookups.add(name, CULTURE, T, by("greedy"))
    assert not lookups.add(names[-1], CULTURE, T, by("greedy"))
    assert lookups.add(names[-1], CULTURE, T, by("a"))
    assert not lookups.keep(names[0], CULTURE, T)
    for number in range(MAX_LISTS - 2):
        assert lookups.add(ListName("other", "read", f"{number}h"), CULTURE, T, by(f"client {number}"))
    assert lookups.keep(names[-1], CULTURE, T)
    assert not lookups.add(names[-2], CULTURE, T, by("late"))
    assert len(lookups._lookups) == MAX_LISTS


def test_a_client_cannot_keep_all_filters() -> None:
    """Of one list, or the same ones of several lists; one that makes room does so in each list of its site."""
    lookups, (first, second, third) = Lookups(), lists(3)
    for number in range(MAX_FILTERS):
        assert lookups.add(first, section(number), T, by("greedy"))
        assert lookups.add(second, section(number), T, by("greedy"))
    assert not lookups.add(first, CULTURE, T, by("greedy"))
    assert lookups.add(third, CULTURE, T, by("a"))
    assert not lookups.keep(first, section(0), T)
    assert not lookups.keep(second, section(0), T)
    for number in range(MAX_FILTERS - 2):
        assert lookups.add(third, section(1_000 + number), T, by(f"client {number}"))
    assert not lookups.add(third, section(9_999), T, by("late"))
    assert lookups.keep(third, CULTURE, T)


async def test_a_client_cannot_use_up_the_budget_of_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """First one filter of each client is looked up, the narrowest before others; then their second ones."""
    monkeypatch.setattr(wishes_module, "BUDGET", 4)
    articles = Articles({})
    for number, size in enumerate((3, 1, 2)):
        for article in range(size):
            articles.apply([(*entry("demo", f"/{number}/{article}", f"s{number}"), 0)])
    lookups = Lookups()
    for number, client in enumerate(("greedy", "greedy", "a")):
        lookups.add(DEMO, section(number), T, by(client))
    assert (await lookups.extra_keys(DEMO, articles, 1, T))[1] == {section(2), section(1)}


async def test_filters_that_find_the_same_are_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few articles they find together: twice the budget is looked at, and no more."""
    monkeypatch.setattr(wishes_module, "BUDGET", 4)
    lookups, same = Lookups(), [Filter(sections=frozenset({"Culture", f"s{number}"})) for number in range(3)]
    for filter_ in same:
        lookups.add(DEMO, filter_, T)
    extra, covered = await lookups.extra_keys(DEMO, catalogue("demo", 3), 1, T)
    assert extra.wanted == {b"/0", b"/1", b"/2"}
    assert covered == set(same[:2])


async def test_what_makes_room_does_not_come_back_unpaid() -> None:
    """A list on show covers it until the next refresh, which is no look-up."""
    lookups = Lookups()
    assert not lookups.keep(DEMO, CULTURE, T)
    assert not lookups.add(DEMO, CULTURE, T, lambda: None)
    assert (await lookups.extra_keys(DEMO, Articles({}), 0, T))[1] == frozenset()


async def test_nothing_is_kept_of_invented_sites() -> None:
    """Any number of names can be requested."""
    lookups = Lookups()
    for number in range(50):
        await lookups.extra_keys(ListName(f"invented-{number}", "read", "24h"), Articles({}), 0, T)
    assert lookups._aliases == {}
