"""Lists that are answered together: which readings stand for one moment, and for how long. Without any server."""

import asyncio

import pytest

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Hints, Merged, ShardMeta, Span
from ranker.serve.live import same_moment
from ranker.serve.live.board import BoardWriter
from ranker.serve.live.demand import Demand
from ranker.serve.live.published import KEEP_LEVEL_MS, Ages, Published, of_one_moment
from ranker.serve.live.same_moment import SameMoment
from ranker.store.reader import ListRead
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
OTHER = Generation("other-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
A, B = ListName("demo", "read", "24h"), ListName("demo", "shared", "7d")
T = 1_795_396_624_735


class Shown:
    """A board with a clock set by hand; `show` shows a list as a refresh would that has read offset `n` of partition 0."""

    def __init__(self) -> None:
        self.now_ms = T
        self.board = BoardWriter({}, Ages(30_000, 3_600_000), lambda: self.now_ms)
        self.board.generation = GENERATION
        self.demand = Demand(self.board)
        self.same_moment = SameMoment(self.board, self.demand)

    def show(self, name: ListName, n: int, generation: Generation = GENERATION) -> Published:
        read = ListRead(
            Merged([], False, False, Hints()),
            Span(T - 86_400_000, T, level=True, complete=True),
            0,
            {0: T},
            True,
            metas={0: ShardMeta((0, 0), T, n=n)},
        )
        shown = Published(name, generation, 1, read, self.now_ms)
        self.board.show(shown)
        self.demand.resolve([name])
        return shown

    def lists(self) -> tuple[list[Published | None], bool]:
        return self.same_moment.lists([A, B])


#      T          T+1 s             T+5 s
#  A   n=1 ------------------------- (stays on show)
#  B   n=1         n=2
#      together    the pair of T     apart


def test_the_last_readings_of_one_moment_stand_in_for_five_seconds() -> None:
    """And not longer: then what is on show is what there is, and it does not agree."""
    shown = Shown()
    pair = [shown.show(A, 1), shown.show(B, 1)]
    assert shown.lists() == (pair, True)
    shown.now_ms += 1_000
    later = shown.show(B, 2)
    assert shown.lists() == (pair, True)
    shown.now_ms = T + KEEP_LEVEL_MS
    assert shown.lists() == (pair, True)
    shown.now_ms += 1
    assert shown.lists() == ([pair[0], later], False)
    pair = [shown.show(A, 2), later]
    assert shown.lists() == (pair, True)


def test_a_later_pair_takes_its_place() -> None:
    """What is answered never goes back."""
    shown = Shown()
    shown.show(A, 1)
    shown.show(B, 1)
    assert shown.lists()[1]
    pair = [shown.show(A, 2), shown.show(B, 2)]
    assert shown.lists() == (pair, True)
    shown.show(B, 3)
    assert shown.lists() == (pair, True)


def test_without_a_pair_there_is_none() -> None:
    """Lists that were never of one moment, a list that was not read, and a clock that was set back."""
    shown = Shown()
    only = shown.show(A, 1)
    assert shown.lists() == ([only, None], False)
    other = shown.show(B, 2)
    assert shown.lists() == ([only, other], False)
    assert shown.same_moment.lists([A]) == ([only], True)
    shown.show(B, 1)
    assert shown.lists()[1]
    shown.now_ms -= 1
    other = shown.show(B, 2)
    assert shown.lists() == ([only, other], False)


def test_another_generation_ends_it() -> None:
    """Its lists are other counts."""
    shown = Shown()
    shown.show(A, 1)
    shown.show(B, 1)
    assert shown.lists()[1]
    shown.board.generation = OTHER
    pair = [shown.show(A, 1), shown.show(B, 1, OTHER)]
    assert not of_one_moment([one for one in pair if one])
    assert shown.lists() == (pair, False)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, the oldest first; and by time, for any client."""
    monkeypatch.setattr(same_moment, "MAX_KEPT", 1)
    shown = Shown()
    pair = [shown.show(A, 1), shown.show(B, 1)]
    assert shown.lists() == (pair, True)
    shown.same_moment.lists([B, A])
    later = shown.show(B, 2)
    assert shown.lists() == ([pair[0], later], False)
    assert shown.same_moment.lists([B, A]) == (pair[::-1], True)
    shown.now_ms += KEEP_LEVEL_MS + 1
    shown.lists()
    assert shown.same_moment._kept == {}


async def test_lists_in_use_are_not_read_again() -> None:
    """Also if they are apart: reads of Redis must not follow requests."""
    shown = Shown()
    apart = [shown.show(A, 1), shown.show(B, 2)]
    assert await shown.demand.first_of_all([A, B], 0) == apart
    assert (shown.demand.waiting, shown.demand.urgent.is_set()) == ([], False)


async def test_a_list_that_comes_into_use_is_read_with_the_others() -> None:
    """All by the same refresh; once more if one of them came from a reading that was under way, and then no more."""
    shown = Shown()
    shown.show(A, 1)
    request = asyncio.ensure_future(shown.demand.first_of_all([A, B], 10))
    readings: list[list[Published]] = []
    while not request.done():
        await asyncio.sleep(0)
        if shown.demand.waiting:
            assert sorted(shown.demand.waiting) == sorted([A, B])
            n = 2 * len(readings)
            readings.append([shown.show(A, n), shown.show(B, n + 1)])
    assert (len(readings), request.result()) == (2, readings[1])


async def test_what_is_not_read_in_time_does_not_take_along_what_is_on_show() -> None:
    """Redis may be away for one list's shard alone."""
    shown = Shown()
    known = shown.show(A, 1)
    assert await shown.demand.first_of_all([A, B], 0) == [known, None]
