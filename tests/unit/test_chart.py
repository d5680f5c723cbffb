"""How rows stand to those of earlier periods: named cases, and random histories against a plain recount."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ranker.core.chart import ChartRow, chart_rows

FIRST = date(2026, 1, 3)
BEFORE = {FIRST + timedelta(7 * n): FIRST + timedelta(7 * (n - 1)) for n in range(-1, 30)}


def week(number: int) -> date:
    return FIRST + timedelta(7 * number)


def chart(listed: str, number: int, earlier: dict[int, str], moved: dict[str, str] | None = None) -> list[ChartRow]:
    """Articles are single letters."""
    return chart_rows(
        list(listed), week(number), {week(n): list(one) for n, one in earlier.items()}, BEFORE, moved or {}
    )


def test_up_down_same_new_and_back() -> None:
    found = chart("bacde", 2, {0: "dx", 1: "abyce"})
    assert [(one.previous_rank, one.movement, one.by) for one in found] == [
        (2, "up", 1),
        (1, "down", 1),
        (4, "up", 1),
        (None, "re-entry", None),
        (5, "same", 0),
    ]
    assert chart("z", 2, {1: "a"})[0][:3] == (None, "new", None)


def test_without_a_document_of_the_period_before_movement_is_not_known() -> None:
    """It is null, not new: nobody knows what stood there. So with the first of all documents."""
    for earlier in ({}, {0: "ab"}):
        assert {one[:3] for one in chart("abz", 2, earlier)} == {(None, None, None)}


def test_peak_and_how_often() -> None:
    found = chart("ab", 4, {0: "ba", 1: "ab", 2: "xyab", 3: "bx"})
    assert (found[0].peak, found[0].periods_at_peak, found[0].periods) == (1, 2, 4)
    assert (found[1].peak, found[1].periods_at_peak, found[1].periods) == (1, 2, 5)


def test_how_long_it_runs() -> None:
    """Back to a period that does not list it, or to the first of all; unknown if a document is missing on the way."""
    assert chart("a", 3, {0: "x", 1: "a", 2: "a"})[0].running == 3
    assert chart("a", 3, {0: "a", 1: "a", 2: "a"})[0].running == 4
    assert chart("a", 3, {0: "a", 1: "a", 2: "x"})[0].running == 1
    assert chart("a", 3, {0: "a", 2: "a"})[0].running is None
    assert chart("a", 3, {0: "a", 1: "a"})[0].running is None
    assert chart("a", 3, {})[0].running == 1


def test_since_when() -> None:
    assert chart("a", 3, {0: "x", 1: "a", 2: "x"})[0].entered == week(1)
    assert chart("a", 3, {0: "x"})[0].entered == week(3)


def test_an_article_that_has_moved_is_the_same() -> None:
    """Earlier documents have it under its old id; if they have both, the better place is its own."""
    moved = {"o": "n"}
    assert chart("n", 1, {0: "xo"}, moved)[0] == ChartRow(2, "up", 1, 1, 1, 2, 2, week(0))
    assert chart("n", 1, {0: "oxn"}, moved)[0].previous_rank == 1


_LISTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6).map("".join)


@given(_LISTS, st.dictionaries(st.integers(0, 7), _LISTS, max_size=8))
def test_random_histories(listed: str, earlier: dict[int, str]) -> None:
    """Recounted from the definitions' words, one by one."""
    for rank, (article, found) in enumerate(zip(listed, chart(listed, 8, earlier), strict=True), 1):
        ranks = {n: one.index(article) + 1 for n, one in earlier.items() if article in one}
        every = [*ranks.values(), rank]
        assert found.peak == min(every)
        assert found.periods_at_peak == sum(one == min(every) for one in every)
        assert found.periods == len(every)
        assert found.entered == week(min([*ranks, 8]))
        assert found.previous_rank == ranks.get(7)
        if 7 not in earlier:
            expected = None
        elif 7 in ranks:
            expected = {-1: "up", 0: "same", 1: "down"}[(rank > ranks[7]) - (rank < ranks[7])]
        else:
            expected = "re-entry" if ranks else "new"
        assert found.movement == expected
        assert found.by == (abs(ranks[7] - rank) if 7 in ranks else None)
        running = 8
        while running - 1 in ranks:
            running -= 1
        lost = running - 1 not in earlier and any(n < running - 1 for n in earlier)
        assert found.running == (None if lost else 9 - running)
