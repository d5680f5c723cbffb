"""What changes in a list between two generations."""

from __future__ import annotations

from ranker.core.generation import Generation, ListName, Window
from ranker.core.list_change import ListState, Moved, Placed, in_both, list_change, only_in


def state(*rows: tuple[str, int], total: int = 0, dropped: dict[str, int] | None = None) -> ListState:
    return ListState([(count, article.encode()) for article, count in rows], total, dropped or {})


def test_entered_left_and_moved() -> None:
    """
    before   1 a 9   2 b 8   3 c 7   4 été 6
    after    1 b 8   2 a 5   3 é 4   4 été 3
    """
    before = state(("a", 9), ("b", 8), ("c", 7), ("été", 6), total=40, dropped={"bot": 1})
    after = state(("b", 8), ("a", 5), ("é", 4), ("été", 3), total=25, dropped={"duplicate": 2, "bot": 1})
    change = list_change(before, after, 100)
    assert change.entered == (Placed("é", 3, 4),)
    assert change.left == (Placed("c", 3, 7),)
    assert change.moved == (Moved("b", 2, 1), Moved("a", 1, 2))
    assert change.total == (40, 25)
    assert change.dropped == ({"bot": 1}, {"duplicate": 2, "bot": 1})


def test_equal_lists_do_not_change_whatever_the_counts() -> None:
    """Places are compared; counts only with the articles that enter or leave."""
    change = list_change(state(("a", 9), ("b", 8)), state(("a", 2), ("b", 1)), 100)
    assert (change.entered, change.left, change.moved) == ((), (), ())


def test_what_is_below_the_last_place_is_absent() -> None:
    """An article that falls from place 2 to 3 has left the first two."""
    before, after = state(("a", 3), ("b", 2), ("c", 1)), state(("a", 3), ("c", 2), ("b", 1))
    change = list_change(before, after, 2)
    assert (change.entered, change.left, change.moved) == ((Placed("c", 2, 2),), (Placed("b", 2, 2),), ())


def test_empty_lists() -> None:
    """A site that one generation does not count, or whose rows all left."""
    change = list_change(state(), state(("a", 1)), 2)
    assert change.entered == (Placed("a", 1, 1),)
    assert list_change(state(("a", 1)), state(), 2).left == (Placed("a", 1, 1),)


def test_lists_of_both_and_of_one() -> None:
    """By board and window; only what both have is compared."""
    hour, day, week = (
        Window("1h", 3_600_000, 60_000),
        Window("24h", 86_400_000, 60_000),
        Window("7d", 604_800_000, 60_000),
    )
    old = Generation("views", (hour, day), {"read": {"view": 1}, "engaged": {"view": 1, "share": 5}})
    new = Generation("views", (day, week), {"read": {"view": 1}, "shared": {"share": 1}})
    assert in_both(old, new, ["a", "b"]) == [ListName("a", "read", "24h"), ListName("b", "read", "24h")]
    assert only_in(old, new) == [("read", "1h"), ("engaged", "1h"), ("engaged", "24h")]
    assert only_in(new, old) == [("read", "7d"), ("shared", "24h"), ("shared", "7d")]
