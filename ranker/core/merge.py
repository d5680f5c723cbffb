"""The exact first places of one list, out of P shards, with as few rows read as can be. Says what to ask; asks nothing.

Producers key by `site/article`, so an article lives in one shard, its home, and the first k of every shard hold the
first k of all. Where that does not hold, the shard marks the article as a stray. Three ranges:

     strays of the site    what is read
     none                  a share of the places from each shard; again, from rank 0, where the share was too small
     up to 2,000           the same, and each stray's count from its home and from every shard that marks it
     more, or unknown      whole lists, added up

Unknown: a shard marked its strays for another number of partitions. Negative totals take part in every sum and are
never listed. The order is count descending, then article descending by bytes, as Redis' own reverse order has it.

Aliases are read like strays: an article that was moved, and the one that it moved to, each by name, and then they are
one article with one count, before the cut. So are the wanted ones, that somebody asks for although they may stand
below the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ranker.core.generation import FUTURE_MS, Window

PLACES = 2_000
"""How deep lists are read; every page is cut from these."""
MAX_STRAYS = 2_000
"""More strays than this on one site, and whole lists are cheaper than asking for each."""

_ROUNDS = 8
"""Rows that move between rounds can ask for one more round each time; whole lists need no second one."""

Row = tuple[int, bytes]
"""Count and article: greater stands higher."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to read of one list in one shard: its first `places` rows above zero (None: every row) and some counts."""

    places: int | None
    counts_of: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class ListReply:
    """What one shard said at one moment. `strays` are the site's articles it marks; None when they are too many."""

    partitions: int
    rows: Sequence[Row]
    strays: frozenset[bytes] | None = frozenset()
    counts: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the last merge learnt, so that the next asks once: rows wanted of each shard, and who marks which stray."""

    places: Mapping[int, int] = field(default_factory=dict)
    strays: Mapping[bytes, frozenset[int]] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ExtraKeys:
    """What is asked of a list beside its first places: `aliases` lead from article to article, one hop."""

    aliases: Mapping[bytes, bytes] = field(default_factory=dict)
    wanted: frozenset[bytes] = frozenset()


NO_EXTRA_KEYS = ExtraKeys()


@dataclass(frozen=True, slots=True)
class Merged:
    """The first places, and below them, in the same order, the `further` rows of the wanted articles that have counts.

    `more` says that further articles with counts exist; `whole` that whole lists were read.
    """

    rows: list[Row]
    more: bool
    whole: bool
    hints: Hints
    further: list[Row] = field(default_factory=list)


Merge = Generator[dict[int, ListQuery], Mapping[int, ListReply], Merged]
"""Yields what to ask each shard (always from rank 0, replacing what it said before); returns the list."""


def share(partitions: int, places: int = PLACES) -> int:
    """Rows to ask of each shard: its share, half as much again and 50, never more than all places."""
    return min(places, math.ceil(places / partitions * 1.5) + 50)


def merge(
    shards: Sequence[int], partitions: int, home: Callable[[bytes], int], hints: Hints, extra: ExtraKeys = NO_EXTRA_KEYS
) -> Merge:
    """The first PLACES of a list held by `shards` (those of the `partitions` that can be reached).

    `home` gives an article's partition. Every shard asked has to answer, with a count for each article asked for (an
    empty shard: 0), or it is asked again. Ends after nine rounds at most.
    """
    named = {*extra.aliases, *extra.aliases.values(), *extra.wanted}
    followed: dict[bytes, frozenset[int]] = dict.fromkeys(named, frozenset())
    shares = {shard: max(share(partitions), hints.places.get(shard, 0)) for shard in shards}
    marked = {**followed, **hints.strays}
    if not hints.whole:
        answers: dict[int, ListReply] = {}
        due: Iterable[int] = shards
        owned = _owned(marked, home)
        for _ in range(_ROUNDS):
            asks = {shard: ListQuery(shares[shard], owned.get(shard, ())) for shard in due}
            if asks:
                answers.update((yield asks))
            if not _known(answers.values(), partitions):
                break
            strays = _marks(answers)
            if len(strays) > MAX_STRAYS:
                break
            if marked != followed | strays:
                marked = followed | strays
                owned = _owned(marked, home)
            rows = _sum_up(answers, marked, extra.aliases)
            bar = rows[PLACES - 1] if len(rows) >= PLACES else None
            due = []
            for shard, answer in answers.items():
                if _could_reach(answer.rows, shares[shard], bar):
                    shares[shard] = min(shares[shard] * 4, PLACES + len(marked))
                    due.append(shard)
                elif any(article not in answer.counts for article in owned.get(shard, ())):
                    due.append(shard)
            if not due:
                return _cut(rows, answers, shares, strays, partitions, extra)
    answers = dict((yield {shard: ListQuery(None) for shard in shards}))
    rows = _sum_whole(answers.values(), extra.aliases)
    strays = _marks(answers) if _known(answers.values(), partitions) else {}
    few = _known(answers.values(), partitions) and len(strays) <= MAX_STRAYS
    hints = Hints({}, strays if few else {}, not few)
    return Merged(rows[:PLACES], len(rows) > PLACES, True, hints, _further(rows, extra))


def _known(answers: Iterable[ListReply], partitions: int) -> bool:
    return all(answer.partitions == partitions and answer.strays is not None for answer in answers)


def _marks(answers: Mapping[int, ListReply]) -> dict[bytes, frozenset[int]]:
    """Each stray and the shards that mark it."""
    marked: dict[bytes, frozenset[int]] = {}
    for shard, answer in answers.items():
        for article in answer.strays or ():
            marked[article] = marked.get(article, frozenset()) | {shard}
    return marked


def _owned(marked: Mapping[bytes, frozenset[int]], home: Callable[[bytes], int]) -> dict[int, list[bytes]]:
    """Shard to the articles whose count has to be read there by name: at home, and where they are strays."""
    owned: dict[int, list[bytes]] = {}
    for article, owners in marked.items():
        for shard in owners | {home(article)} if owners else (home(article),):
            owned.setdefault(shard, []).append(article)
    return owned


def _sum_up(
    answers: Mapping[int, ListReply], marked: Mapping[bytes, frozenset[int]], aliases: Mapping[bytes, bytes]
) -> list[Row]:
    """Every row read, in order; what was asked for by name is summed over the shards, under the name it goes by."""
    rows = [row for answer in answers.values() for row in answer.rows]
    if marked:
        rows = [row for row in rows if row[1] not in marked]
        totals: dict[bytes, int] = {}
        for answer in answers.values():
            for article, count in answer.counts.items():
                if count and article in marked:
                    under = aliases.get(article, article)
                    totals[under] = totals.get(under, 0) + count
        rows += _listed(totals)
    rows.sort(reverse=True)
    return rows


def _sum_whole(answers: Iterable[ListReply], aliases: Mapping[bytes, bytes]) -> list[Row]:
    totals: dict[bytes, int] = {}
    for answer in answers:
        for count, article in answer.rows:
            under = aliases.get(article, article)
            totals[under] = totals.get(under, 0) + count
    return sorted(_listed(totals), reverse=True)


def _listed(totals: Mapping[bytes, int]) -> list[Row]:
    return [(count, article) for article, count in totals.items() if count > 0]


def _further(rows: Sequence[Row], extra: ExtraKeys) -> list[Row]:
    """Rows below the last place that were asked for by name: their counts are whole, whatever else was not read."""
    if len(rows) <= PLACES or not extra.wanted:
        return []
    return [row for row in rows[PLACES:] if row[1] in extra.wanted]


def _could_reach(rows: Sequence[Row], asked: int, bar: Row | None) -> bool:
    """Whether a row that was not read could stand above `bar`, the last place (None: places are free)."""
    return len(rows) >= asked and (bar is None or rows[-1] > bar)


def _cut(
    rows: list[Row],
    answers: Mapping[int, ListReply],
    shares: Mapping[int, int],
    strays: Mapping[bytes, frozenset[int]],
    partitions: int,
    extra: ExtraKeys,
) -> Merged:
    more = len(rows) > PLACES or any(len(answer.rows) >= shares[shard] for shard, answer in answers.items())
    first = rows[:PLACES]
    usual = share(partitions)
    large = {shard: answer for shard, answer in answers.items() if len(answer.rows) > usual}
    places = {}
    if large:
        listed = frozenset(article for _, article in first)
        for shard, answer in large.items():
            held = sum(article in listed for _, article in answer.rows)
            places[shard] = min(PLACES + len(strays), held + held // 4 + 50)
    return Merged(first, more, False, Hints(places, strays), _further(rows, extra))


@dataclass(frozen=True, slots=True)
class ShardMeta:
    """What a shard's meta says of the moment it was read. Times in ms since the epoch; `gap_ms` None: no gap."""

    floors: tuple[int, ...]
    watermark_ms: int
    gap_ms: int | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """What a list covers: [`from_ms`, `as_of_ms`). `level`: no shard is between two floors; see also `complete`."""

    from_ms: int
    as_of_ms: int
    level: bool
    complete: bool


def span(clocks: Sequence[ShardMeta], partitions: int, tier: int, window: Window, lanes: int) -> Span:
    """What the answers of at least one shard cover together, for the window at index `tier`.

    Shards whose floors differ hold counts from different moments on; `from_ms` is then the latest of them, from which
    on all is counted. A gap inside the window (with the 5 minutes that an event may lie ahead) leaves it incomplete.
    """
    floors = [clock.floors[tier] for clock in clocks]
    from_ms = max(floors) // lanes * window.grain_ms
    level = min(floors) == max(floors) and floors[0] % lanes == 0
    complete = (
        level
        and len(clocks) == partitions
        and not any(clock.refused for clock in clocks)
        and not any(clock.gap_ms is not None and clock.gap_ms + FUTURE_MS >= from_ms for clock in clocks)
    )
    return Span(from_ms, min(clock.watermark_ms for clock in clocks), level, complete)
