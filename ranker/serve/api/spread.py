"""What an answer takes of its lists: each article once, none that stands in other lists, so many of one section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from ranker.lists.articles import Article
from ranker.serve.api.items import Place


class Spread:
    """The places of one answer, filled from one list after the other, in order.

    `skipped`: the articles above the last place that stand nowhere because their section or format had its places.
    """

    def __init__(self, most: int, max_per: Iterable[tuple[str, int]] = (), left_out: Collection[str] = ()) -> None:
        """`max_per` are fields with how many articles may share a value; one without a value is not limited.

        `left_out` are names of articles.
        """
        self.places: list[Place] = []
        self.skipped = 0
        self._most = most
        self._max_per = dict(max_per)
        self._left_out = left_out
        self._placed: set[str] = set()
        """The articles of the lists before this one."""
        self._taken: Counter[tuple[str, str]] = Counter()
        self._full: dict[str, set[str]] = {field: set() for field in self._max_per}
        self._passed: set[str] = set()

    @property
    def left(self) -> int:
        """How many places are free."""
        return self._most - len(self.places)

    def add(self, places: Iterable[Place]) -> None:
        """The places that one list has given, each after `takes` has taken it. The next list's come below them."""
        self.places += places
        self._placed.update(place.name for place in self.places)

    def takes(self, name: str, article: Article) -> bool:
        """Whether the next article in the list's order gets a place."""
        if name in self._placed or name in self._left_out:
            return False
        for field, full in self._full.items():
            if getattr(article, field) in full:
                self._passed.add(name)
                return False
        for field, most in self._max_per.items():
            if value := getattr(article, field):
                self._taken[field, value] += 1
                if self._taken[field, value] == most:
                    self._full[field].add(value)
        self.skipped = len(self._passed)
        return True
