"""The merge of shards: always the naive union, whatever the distribution, and as few rows as promised."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core import merge as merging
from ranker.core.generation import Window
from ranker.core.home import home
from ranker.core.merge import Answer, Ask, Clock, Hints, Merged, merge, share, span


@dataclass
class Shards:
    """Shards in memory, honest about their strays; `beside` are articles marked although nothing is counted here."""

    totals: list[dict[bytes, int]]
    states: list[int] = field(default_factory=list)
    beside: list[set[bytes]] = field(default_factory=list)
    asked: list[tuple[int, Ask]] = field(default_factory=list)
    rounds: int = 0

    @property
    def partitions(self) -> int:
        return len(self.totals)

    def home(self, article: bytes) -> int:
        return home(b"demo/" + article, self.partitions)

    def answer(self, shard: int, ask: Ask) -> Answer:
        self.asked.append((shard, ask))
        totals = self.totals[shard]
        rows = sorted(((count, article) for article, count in totals.items()), reverse=True)
        if ask.places is not None:
            rows = [row for row in rows if row[0] > 0][: ask.places]
        strays = {article for article in totals if self.home(article) != shard}
        strays |= self.beside[shard] if self.beside else set()
        return Answer(
            self.states[shard] if self.states else self.partitions,
            rows,
            frozenset(strays) if len(strays) <= merging.MAX_STRAYS else None,
            {article: totals.get(article, 0) for article in ask.counts_of},
        )

    def run(self, hints: Hints | None = None, between: list[tuple[int, bytes, int]] | None = None) -> Merged:
        """Drives the merge; `between` are counts (shard, article, total) that change after each round."""
        steps = merge(range(self.partitions), self.partitions, self.home, hints or Hints())
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

    def union(self) -> list[tuple[int, bytes]]:
        total: Counter[bytes] = Counter()
        for shard in self.totals:
            total.update(shard)
        rows = sorted(((count, article) for article, count in total.items() if count > 0), reverse=True)
        return rows[: merging.PLACES]


ARTICLES = st.integers(0, 60).map(lambda number: b"/%d" % number)
COUNTS = st.integers(-3, 6).filter(bool)


@st.composite
def distributions(draw: st.DrawFn) -> Shards:
    """Any articles anywhere: some at home, some not, some in several shards, some below zero, ties everywhere."""
    partitions = draw(st.integers(1, 6))
    totals: list[dict[bytes, int]] = [{} for _ in range(partitions)]
    for article, count in draw(st.dictionaries(ARTICLES, COUNTS, max_size=50)).items():
        totals[home(b"demo/" + article, partitions)][article] = count
    for article, count, shard in draw(st.lists(st.tuples(ARTICLES, COUNTS, st.integers(0, 5)), max_size=12)):
        totals[shard % partitions][article] = count
    beside = draw(st.lists(st.sets(ARTICLES, max_size=3), min_size=partitions, max_size=partitions))
    shards = Shards(totals, beside=beside)
    if draw(st.integers(0, 4)) == 0:
        shards.states = [partitions - draw(st.integers(0, 1)) for _ in range(partitions)]
    return shards


class Small:
    """The same merge with limits that small examples reach."""

    def __init__(self, places: int, strays: int) -> None:
        self.limits = {"PLACES": places, "MAX_STRAYS": strays}
        self.share = lambda partitions, places=places: min(places, -(-places // partitions) + 1)

    def __enter__(self) -> None:
        self.before = {name: getattr(merging, name) for name in (*self.limits, "share")}
        for name, value in self.limits.items():
            setattr(merging, name, value)
        merging.share = self.share

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            setattr(merging, name, value)


@settings(max_examples=600, deadline=None)
@given(distributions(), st.integers(1, 8), st.integers(0, 8))
def test_the_merge_is_the_union(shards: Shards, places: int, max_strays: int) -> None:
    """For any distribution over shards, in each of the three ranges, the list equals the naive union, cut."""
    with Small(places, max_strays):
        assert shards.run().rows == shards.union()


@settings(max_examples=300, deadline=None)
@given(distributions(), distributions(), st.integers(1, 8), st.integers(0, 8))
def test_hints_of_another_moment_change_nothing(before: Shards, now: Shards, places: int, max_strays: int) -> None:
    """What an earlier merge learnt, right or outdated, never changes the list."""
    with Small(places, max_strays):
        assert now.run(before.run().hints).rows == now.union()


@settings(max_examples=200, deadline=None)
@given(
    distributions(),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(0, 5), ARTICLES, st.integers(1, 30)), max_size=30),
)
def test_it_ends_while_counts_move(shards: Shards, places: int, moves: list[tuple[int, bytes, int]]) -> None:
    """Counts and strays that move between rounds are asked again, and at most nine times."""
    with Small(places, 100):
        merged = shards.run(between=moves)
        assert shards.rounds <= 9
        assert len(merged.rows) == len({article for _, article in merged.rows})


@settings(max_examples=200, deadline=None)
@given(distributions(), st.integers(1, 8))
def test_more_is_said_only_when_there_is_more(shards: Shards, places: int) -> None:
    """Without `more`, the list holds every article with counts."""
    with Small(places, 100):
        merged = shards.run()
        everything = Counter[bytes]()
        for shard in shards.totals:
            everything.update(shard)
        assert merged.more or len(merged.rows) == sum(count > 0 for count in everything.values())


def spread(articles: int, partitions: int) -> Shards:
    totals: list[dict[bytes, int]] = [{} for _ in range(partitions)]
    for number in range(articles):
        article = b"/%d" % number
        totals[home(b"demo/" + article, partitions)][article] = 1 + number % 977
    return Shards(totals)


def test_an_even_spread_is_read_in_one_round_and_a_share_each() -> None:
    """64 shards of a site with 20,000 articles: one question each, for 97 rows instead of 2,000."""
    shards = spread(20_000, 64)
    assert shards.run().rows == shards.union()
    assert shards.rounds == 1
    assert {ask.places for _, ask in shards.asked} == {share(64)} == {97}


def test_one_shard_with_everything_is_asked_again_and_remembered() -> None:
    """A shard that holds the whole list is asked once more; with the hints of that merge, once."""
    shards = Shards([{}, {}, {}, {b"/%d" % number: number for number in range(1, 9000)}])
    shards.home = lambda article: 3  # type: ignore[method-assign]
    first = shards.run()
    assert first.rows == shards.union()
    assert shards.rounds == 2
    shards.rounds = 0
    assert shards.run(first.hints).rows == shards.union()
    assert shards.rounds == 1


def test_a_stray_is_new_once() -> None:
    """A new stray costs one more round, for its two shards only; a known one none."""
    shards = spread(3_000, 8)
    lost = b"/17"
    away = (shards.home(lost) + 3) % 8
    shards.totals[away][lost] = 5_000
    first = shards.run()
    assert first.rows == shards.union()
    assert first.rows[0] == (5_000 + shards.totals[shards.home(lost)][lost], lost)
    assert sorted(shard for shard, _ in shards.asked[8:]) == sorted([away, shards.home(lost)])
    shards.asked.clear()
    assert shards.run(first.hints).rows == shards.union()
    assert len(shards.asked) == 8


def test_too_many_strays_are_read_whole_until_they_are_few_again() -> None:
    """More than 2,000 strays: whole lists, at once the next time; when they have gone, shares again."""
    shards = spread(4_000, 4)
    shards.totals[0], shards.totals[1] = shards.totals[1], shards.totals[0]
    merged = shards.run()
    assert merged.whole
    assert merged.rows == shards.union()
    shards.asked.clear()
    assert shards.run(merged.hints).rows == shards.union()
    assert [ask.places for _, ask in shards.asked] == [None] * 4
    shards.totals[0], shards.totals[1] = shards.totals[1], shards.totals[0]
    merged = shards.run(shards.run(merged.hints).hints)
    assert not merged.whole
    assert merged.rows == shards.union()


def test_a_shard_that_states_another_p_means_whole_lists() -> None:
    """Strays made for another number of partitions are not believed."""
    shards = spread(100, 4)
    shards.states = [4, 4, 2, 4]
    assert shards.run().whole


DAY = Window("24h", 86_400_000, 60_000)
FLOOR = 29_000_000 * 64
START = 29_000_000 * 60_000


def clock(floor: int = FLOOR, clock_ms: int = START + 90_000_000, **more: object) -> Clock:
    return Clock((floor, 7), clock_ms, **more)  # type: ignore[arg-type]


def test_span_of_level_shards() -> None:
    """From the common floor to the oldest clock; complete when every shard answered."""
    both = [clock(), clock(clock_ms=START + 86_400_123)]
    assert span(both, 2, 0, DAY, 64) == merging.Span(START, START + 86_400_123, level=True, complete=True)
    assert not span(both, 3, 0, DAY, 64).complete


def test_span_while_floors_differ() -> None:
    """Between two floors, or inside a slice, a list is not level, and starts where all is counted."""
    apart = span([clock(), clock(FLOOR + 64)], 2, 0, DAY, 64)
    assert (apart.from_ms, apart.level, apart.complete) == (START + 60_000, False, False)
    assert not span([clock(FLOOR + 1)] * 2, 2, 0, DAY, 64).level


def test_span_with_a_gap_or_a_refusal() -> None:
    """A gap counts until it has left the window, 5 minutes included; a refusal as long as it lasts."""
    assert not span([clock(), clock(gap_ms=START - 300_000)], 2, 0, DAY, 64).complete
    assert span([clock(), clock(gap_ms=START - 300_001)], 2, 0, DAY, 64).complete
    assert not span([clock(), clock(refused=True)], 2, 0, DAY, 64).complete
