"""What changes in a list when another generation counts it: who enters, leaves and moves among its first places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Row


@dataclass(frozen=True, slots=True)
class Placed:
    """An article with its place, from 1 on, and its count."""

    article: str
    place: int
    count: int


class Moved(NamedTuple):
    """An article that has a place in both lists: where it stood, where it stands."""

    article: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ListState:
    """One list under one generation: rows in rank order, the sum of all its counts, what each rule dropped."""

    rows: Sequence[Row]
    total: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ListChange:
    """`entered` by place after, `left` by place before, `moved` by place after."""

    entered: tuple[Placed, ...]
    left: tuple[Placed, ...]
    moved: tuple[Moved, ...]
    total: tuple[int, int]
    dropped: tuple[Mapping[str, int], Mapping[str, int]]


def list_change(before: ListState, after: ListState, places: int) -> ListChange:
    """Compares the first `places` of both: an article below them in one list counts as absent there."""
    old, new = _placed(before, places), _placed(after, places)
    return ListChange(
        entered=tuple(placed for article, placed in new.items() if article not in old),
        left=tuple(placed for article, placed in old.items() if article not in new),
        moved=tuple(
            Moved(article, old[article].place, placed.place)
            for article, placed in new.items()
            if article in old and old[article].place != placed.place
        ),
        total=(before.total, after.total),
        dropped=(before.dropped, after.dropped),
    )


def _placed(state: ListState, places: int) -> dict[str, Placed]:
    names = ((article.decode(), count) for count, article in state.rows[:places])
    return {article: Placed(article, place, count) for place, (article, count) in enumerate(names, 1)}


def boards_and_windows(generation: Generation) -> list[tuple[str, str]]:
    """Every kind of list that a generation has for each site: (board, window)."""
    return [(board, window.name) for board in generation.boards for window in generation.windows]


def in_both(before: Generation, after: Generation, sites: Sequence[str]) -> list[ListName]:
    """The lists of these sites that both generations have, as the new one orders them."""
    known = set(boards_and_windows(before))
    kinds = [kind for kind in boards_and_windows(after) if kind in known]
    return [ListName(site, board, window) for site in sites for board, window in kinds]


def only_in(one: Generation, other: Generation) -> list[tuple[str, str]]:
    """The (board, window) pairs that `one` has and `other` has not."""
    known = set(boards_and_windows(other))
    return [kind for kind in boards_and_windows(one) if kind not in known]
