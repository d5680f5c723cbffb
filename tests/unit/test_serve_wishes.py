"""What refreshes ask for by name: single articles, for a while and no more than so many."""

from __future__ import annotations

from ranker.lists.articles import Articles
from ranker.serve.wishes import MAX_NAMED, NAMED_MS, Wishes
from ranker.store.reader import ListName

T = 1_795_396_624_735
DEMO, OTHER = ListName("demo", "read", "24h"), ListName("other", "read", "24h")


def wanted(wishes: Wishes, name: ListName, now_ms: int) -> frozenset[bytes]:
    return wishes.of(name, Articles(), 0, now_ms)[0].wanted


def test_an_article_is_wanted_of_its_site_for_a_while() -> None:
    wishes = Wishes()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T + 1)
    assert wanted(wishes, DEMO, T + NAMED_MS) == {b"/a", b"/b"}
    assert wanted(wishes, OTHER, T + NAMED_MS) == frozenset()
    assert wanted(wishes, DEMO, T + NAMED_MS + 1) == {b"/b"}


def test_asked_for_again_it_stays() -> None:
    wishes = Wishes()
    wishes.name("demo", b"/a", T)
    wishes.name("demo", b"/b", T)
    wishes.name("demo", b"/a", T + 5)
    assert wanted(wishes, DEMO, T + NAMED_MS + 5) == {b"/a"}


def test_too_many_articles() -> None:
    """The one asked for longest ago makes room, of whatever site."""
    wishes = Wishes()
    for number in range(MAX_NAMED):
        wishes.name("demo", b"/%d" % number, T)
    wishes.name("demo", b"/0", T)
    wishes.name("other", b"/x", T)
    found = wanted(wishes, DEMO, T)
    assert len(found) == MAX_NAMED - 1
    assert b"/0" in found
    assert b"/1" not in found
    assert wanted(wishes, OTHER, T) == {b"/x"}
