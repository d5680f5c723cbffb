"""Shards in memory, what is wished of their lists, and the naive union that every merge has to equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from hypothesis import strategies as st

from ranker.core import merge as merging
from ranker.core.home import home
from ranker.core.merge import NO_EXTRA_KEYS, ExtraKeys, Hints, ListQuery, ListReply, Merged, Row, merge
from ranker.lists import filters
from ranker.serve.api import items
from ranker.serve.live import lookups

MAX_ROUNDS = 9


@dataclass
class Shards:
    """Honest about their strays; `beside` are articles marked although nothing is counted here."""

    totals: list[dict[bytes, int]]
    states: list[int] = field(default_factory=list)
    beside: list[set[bytes]] = field(default_factory=list)
    asked: list[tuple[int, ListQuery]] = field(default_factory=list)
    rounds: int = 0

    @property
    def partitions(self) -> int:
        return len(self.totals)

    def home(self, article: bytes) -> int:
        return home(b"demo/" + article, self.partitions)

    def strays(self, shard: int) -> set[bytes]:
        """What one shard marks."""
        away = {article for article in self.totals[shard] if self.home(article) != shard}
        return away | (self.beside[shard] if self.beside else set())

    def answer(self, shard: int, ask: ListQuery) -> ListReply:
        self.asked.append((shard, ask))
        totals = self.totals[shard]
        rows = sorted(((count, article) for article, count in totals.items()), reverse=True)
        if ask.places is not None:
            rows = [row for row in rows if row[0] > 0][: ask.places]
        strays = self.strays(shard)
        return ListReply(
            self.states[shard] if self.states else self.partitions,
            rows,
            frozenset(strays) if len(strays) <= merging.MAX_STRAYS else None,
            {article: totals.get(article, 0) for article in ask.counts_of},
        )

    def run(
        self,
        hints: Hints | None = None,
        extra: ExtraKeys = NO_EXTRA_KEYS,
        between: list[tuple[int, bytes, int]] | None = None,
    ) -> Merged:
        """Drives the merge; `between` are counts (shard, article, total) that change after each round."""
        steps = merge(range(self.partitions), self.partitions, self.home, hints or Hints(), extra)
        asks = next(steps)
        while True:
            self.rounds += 1
            answers = {shard: self.answer(shard, ask) for shard, ask in asks.items()}
            if between:
                shard, article, total = between.pop()
                self.totals[shard % self.partitions][article] = total
            try:
                asks = steps.send(answers)
            except StopIteration as end:
                result: Merged = end.value
                return result

    def everything(self, extra: ExtraKeys = NO_EXTRA_KEYS) -> list[Row]:
        """The whole list, naively: every count of every shard under the name that it goes by."""
        total: Counter[bytes] = Counter()
        for shard in self.totals:
            for article, count in shard.items():
                total[extra.aliases.get(article, article)] += count
        return sorted(((count, article) for article, count in total.items() if count > 0), reverse=True)

    def union(self, extra: ExtraKeys = NO_EXTRA_KEYS) -> list[Row]:
        return self.everything(extra)[: merging.PLACES]

    def moved(self, extra: ExtraKeys) -> dict[bytes, bytes]:
        """The aliases that change the list: those whose counts do not add up to zero."""
        counts = {old: sum(shard.get(old, 0) for shard in self.totals) for old in extra.aliases}
        return {old: to for old, to in extra.aliases.items() if counts[old]}

    def whole(self) -> bool:
        """Whether the strays are unknown, or too many to be requested by name."""
        unknown = any(state != self.partitions for state in self.states)
        return unknown or len(set().union(*map(self.strays, range(self.partitions)))) > merging.MAX_STRAYS


@dataclass(frozen=True)
class Case:
    """One list, how deep it is read, and what is wished of it. `before` is what an earlier merge saw, if there was one."""

    shards: Shards
    places: int
    max_strays: int
    extra: ExtraKeys = NO_EXTRA_KEYS
    before: tuple[Shards, ExtraKeys] | None = None


@contextmanager
def small(places: int, max_strays: int, budget: int = filters.BUDGET) -> Iterator[None]:
    """The same reader with limits that small examples reach."""

    def share(partitions: int, places: int = places) -> int:
        return min(places, -(-places // partitions) + 1)

    with ExitStack() as stack:
        for module, name, value in (
            (merging, "PLACES", places),
            (merging, "MAX_STRAYS", max_strays),
            (merging, "share", share),
            (items, "PLACES", places),
            (lookups, "BUDGET", budget),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


ARTICLES = st.integers(0, 60).map(lambda number: b"/%d" % number)
COUNTS = st.integers(-3, 6).filter(bool)
TIES = st.integers(1, 2)
PLACES = st.integers(1, 8)
MAX_STRAYS = st.integers(0, 8)
FEW_OR_MANY = st.sampled_from([0, 0, 10, 30])
"""Least sizes: collections of any size alone are mostly small ones."""


@st.composite
def distributions(draw: st.DrawFn, partitions: int | None = None) -> Shards:
    """Any articles anywhere: some at home, some not, some in several shards, some below zero, ties everywhere."""
    number = partitions or draw(st.integers(1, 6))
    totals: list[dict[bytes, int]] = [{} for _ in range(number)]
    counts = draw(st.sampled_from([COUNTS, TIES]))
    for article, count in draw(st.dictionaries(ARTICLES, counts, min_size=draw(FEW_OR_MANY), max_size=50)).items():
        totals[home(b"demo/" + article, number)][article] = count
    for article, count, shard in draw(st.lists(st.tuples(ARTICLES, COUNTS, st.integers(0, 5)), max_size=12)):
        totals[shard % number][article] = count
    beside = draw(st.lists(st.sets(ARTICLES, max_size=3), min_size=number, max_size=number))
    shards = Shards(totals, beside=beside)
    if draw(st.integers(0, 4)) == 0:
        shards.states = [number - draw(st.integers(0, 1)) for _ in range(number)]
    return shards


def aliases() -> st.SearchStrategy[dict[bytes, bytes]]:
    """Chains, cycles and fans: each article that moved, to any other."""
    moves = st.dictionaries(ARTICLES, ARTICLES, max_size=12)
    return moves.map(lambda drawn: {moved: to for moved, to in drawn.items() if moved != to})


def any_wish() -> st.SearchStrategy[ExtraKeys]:
    return st.builds(ExtraKeys, aliases(), st.frozensets(ARTICLES, max_size=20))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shards = draw(distributions())
    before = draw(st.none() | st.tuples(distributions(shards.partitions), any_wish()))
    return Case(shards, draw(PLACES), draw(MAX_STRAYS), draw(any_wish()), before)


def equals_the_union(case: Case) -> None:
    """The first places, those wanted below them, what moved, and whether there is more; at no more cost than promised."""
    with small(case.places, case.max_strays):
        hints = None
        if case.before is not None:
            shards, extra = case.before
            hints = shards.run(extra=extra).hints
        merged = case.shards.run(hints, case.extra)
        everything = case.shards.everything(case.extra)
        assert merged.rows == everything[: case.places]
        assert merged.further == [row for row in everything[case.places :] if row[1] in case.extra.wanted]
        assert merged.moved == case.shards.moved(case.extra)
        assert merged.more or len(everything) <= case.places
        assert case.shards.rounds <= MAX_ROUNDS
        if hints is None:
            assert merged.whole == case.shards.whole(), "whole lists are read for want of an answer about strays alone"
