"""The places of one answer, filled from one list after the other: decisions without any server."""

import pytest

from ranker.lists.articles import Article
from ranker.serve.api.items import Place
from ranker.serve.api.spread import Spread


def place(name: str, section: str | None = None, kind: str | None = None, origin: str = "24h") -> Place:
    return Place(name, name, 1, 9, origin, Article(name, section=section, format=kind))


def filled(spread: Spread, *lists: list[Place]) -> list[str]:
    """As `list_places` fills it: each list until no place is left."""
    for places in lists:
        given: list[Place] = []
        for one in places:
            if len(given) < spread.left and spread.takes(one.name, one.article):
                given.append(one)
        spread.add(given)
    return [one.name for one in spread.places]


def test_an_article_stands_once_where_it_comes_first() -> None:
    """What fills a list up begins below all that the list itself has; two spellings in one list stay two rows."""
    day, week = [place("/a"), place("/a")], [place(f"/{one}", origin="7d") for one in "bac"]
    assert filled(Spread(4), day, week) == ["/a", "/a", "/b", "/c"]
    assert filled(Spread(3), day, week) == ["/a", "/a", "/b"]


@pytest.mark.parametrize(
    ("max_per", "most", "names", "skipped"),
    [
        ({}, 9, "abcdef", 0),
        ({"section": 1}, 9, "acdef", 1),
        ({"section": 1}, 2, "ac", 1),
        ({"section": 1}, 1, "a", 0),  # /b is passed over below the last place
        ({"format": 1}, 9, "abdf", 2),
        ({"section": 1, "format": 1}, 9, "adef", 2),
        ({"section": 2}, 9, "abcdef", 0),
    ],
)
def test_so_many_of_a_section_or_format(max_per: dict[str, int], most: int, names: str, skipped: int) -> None:
    """Down the order; what has no section, or an empty one, is not limited; an article that is passed over takes nothing."""
    articles = [
        place("a", "S", "x"),
        place("b", "S", "y"),
        place("c", "T", "x"),
        place("d", "", "z"),
        place("e", None, "y"),
        place("f"),
    ]
    spread = Spread(most, max_per.items())
    assert "".join(filled(spread, articles)) == names
    assert spread.skipped == skipped


def test_what_stands_elsewhere_is_not_skipped() -> None:
    """It is left out as by a filter, and has no share of its section."""
    spread = Spread(9, [("section", 1)], {"/a"})
    assert filled(spread, [place("/a", "S"), place("/b", "S"), place("/c", "S"), place("/d")]) == ["/b", "/d"]
    assert spread.skipped == 1
