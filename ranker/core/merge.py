"""The exact first places of one list over P shards, from as few rows as possible. Yields queries; does no I/O.

Producers key by `site/article`, so an article is counted in one shard, its home, and the first k of every shard hold
the first k of all. An article that is counted elsewhere is marked there as a stray. Three ranges:

     strays of the site    what is read
     none                  a share of the places from each shard; again, from rank 0, if the share was too small
     up to 2,000           the same, and each stray's count from its home and from every shard that marks it
     more, or unknown      whole lists, added up

Unknown: a shard marked its strays for another number of partitions. Negative totals take part in every sum and are
never listed. The order is count descending, then article descending by bytes, as Redis' own reverse order has it.

Aliases are read like strays: an article that was moved and its target, each by name; before the cut they become one
article with one count. Wanted articles, which may rank below the last place, are read by name too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ranker.core.generation import FUTURE_MS, Window

PLACES = 2_000
"""How deep lists are read; every page is cut from these."""
MAX_STRAYS = 2_000
"""With more strays than this on one site, whole lists are cheaper than a query for each."""

_ROUNDS = 8
"""Rows that move between rounds can require one more round each time; whole lists need no second one."""

_Id = TypeVar("_Id", bytes, str)

Row = tuple[int, bytes]
"""Count and article: greater stands higher."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to read of one list in one shard: its first `places` rows above zero (None: every row), and some counts."""

    places: int | None
    counts_of: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class ListReply:
    """One shard's reply, of one moment. `strays` are the articles of the site that it marks; None if too many."""

    partitions: int
    rows: Sequence[Row]
    strays: frozenset[bytes] | None = frozenset()
    counts: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the last merge learnt, so that the next needs one round: rows per shard, and which shards mark a stray."""

    places: Mapping[int, int] = field(default_factory=dict)
    strays: Mapping[bytes, frozenset[int]] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ExtraKeys:
    """Articles of a list that are read by name; `aliases` lead from article to article, one hop."""

    aliases: Mapping[bytes, bytes] = field(default_factory=dict)
    wanted: frozenset[bytes] = frozenset()


NO_EXTRA_KEYS = ExtraKeys()


@dataclass(frozen=True, slots=True)
class Merged:
    """The first places, and `further` rows in the same order: wanted articles with counts below the last place.

    `more`: further articles with counts exist. `whole`: whole lists were read. `moved` are the aliases that had counts,
    which were added to their targets.
    """

    rows: list[Row]
    more: bool
    whole: bool
    hints: Hints
    further: list[Row] = field(default_factory=list)
    moved: Mapping[bytes, bytes] = field(default_factory=dict)


Merge = Generator[dict[int, ListQuery], Mapping[int, ListReply], Merged]
"""Yields a query for each shard (always from rank 0: the reply replaces the last one); returns the list."""


def share(partitions: int, places: int = PLACES) -> int:
    """Rows to read of each shard: its share, half as much again and 50, never more than all places."""
    return min(places, math.ceil(places / partitions * 1.5) + 50)


def merge(
    shards: Sequence[int], partitions: int, home: Callable[[bytes], int], hints: Hints, extra: ExtraKeys = NO_EXTRA_KEYS
) -> Merge:
    """The first PLACES of a list in `shards` (those of the `partitions` that can be reached).

    `home` gives an article's partition. Every shard queried must reply with a count for each article in the query (an
    empty shard: 0), or it is queried again. Ends after nine rounds at most.
    """
    named = {*extra.aliases, *extra.aliases.values(), *extra.wanted}
    followed: dict[bytes, frozenset[int]] = dict.fromkeys(named, frozenset())
    shares = {shard: max(share(partitions), hints.places.get(shard, 0)) for shard in shards}
    marked = {**followed, **hints.strays}
    if not hints.whole:
        replies: dict[int, ListReply] = {}
        due: Iterable[int] = shards
        owned = _owned(marked, home)
        for _ in range(_ROUNDS):
            queries = {shard: ListQuery(shares[shard], owned.get(shard, ())) for shard in due}
            if queries:
                replies.update((yield queries))
            if not _known(replies.values(), partitions):
                break
            strays = _marks(replies)
            if len(strays) > MAX_STRAYS:
                break
            if marked != followed | strays:
                marked = followed | strays
                owned = _owned(marked, home)
            rows, moved = _sum_up(replies, marked, extra.aliases)
            bar = rows[PLACES - 1] if len(rows) >= PLACES else None
            due = []
            for shard, reply in replies.items():
                if _could_reach(reply.rows, shares[shard], bar):
                    shares[shard] = min(shares[shard] * 4, PLACES + len(marked))
                    due.append(shard)
                elif any(article not in reply.counts for article in owned.get(shard, ())):
                    due.append(shard)
            if not due:
                return _cut(rows, moved, replies, shares, strays, partitions, extra)
    replies = dict((yield {shard: ListQuery(None) for shard in shards}))
    rows, moved = _sum_whole(replies.values(), extra.aliases)
    strays = _marks(replies) if _known(replies.values(), partitions) else {}
    few = _known(replies.values(), partitions) and len(strays) <= MAX_STRAYS
    hints = Hints({}, strays if few else {}, not few)
    return Merged(rows[:PLACES], len(rows) > PLACES, True, hints, _further(rows, extra), moved)


def _known(replies: Iterable[ListReply], partitions: int) -> bool:
    return all(reply.partitions == partitions and reply.strays is not None for reply in replies)


def _marks(replies: Mapping[int, ListReply]) -> dict[bytes, frozenset[int]]:
    """Each stray and the shards that mark it."""
    marked: dict[bytes, frozenset[int]] = {}
    for shard, reply in replies.items():
        for article in reply.strays or ():
            marked[article] = marked.get(article, frozenset()) | {shard}
    return marked


def _owned(marked: Mapping[bytes, frozenset[int]], home: Callable[[bytes], int]) -> dict[int, list[bytes]]:
    """Shard to the articles whose count has to be read there by name: their home, and every shard that marks them."""
    owned: dict[int, list[bytes]] = {}
    for article, owners in marked.items():
        for shard in owners | {home(article)} if owners else (home(article),):
            owned.setdefault(shard, []).append(article)
    return owned


def _sum_up(
    replies: Mapping[int, ListReply], marked: Mapping[bytes, frozenset[int]], aliases: Mapping[bytes, bytes]
) -> tuple[list[Row], dict[bytes, bytes]]:
    """Every row read, in order, articles read by name summed; and the aliases that had counts."""
    rows = [row for reply in replies.values() for row in reply.rows]
    totals: dict[bytes, int] = {}
    if marked:
        rows = [row for row in rows if row[1] not in marked]
        for reply in replies.values():
            for article, count in reply.counts.items():
                if count and article in marked:
                    totals[article] = totals.get(article, 0) + count
    moved = move(totals, aliases)
    rows += _listed(totals)
    rows.sort(reverse=True)
    return rows, moved


def _sum_whole(replies: Iterable[ListReply], aliases: Mapping[bytes, bytes]) -> tuple[list[Row], dict[bytes, bytes]]:
    totals: dict[bytes, int] = {}
    for reply in replies:
        for count, article in reply.rows:
            totals[article] = totals.get(article, 0) + count
    moved = move(totals, aliases)
    return sorted(_listed(totals), reverse=True), moved


def move(totals: dict[_Id, int], aliases: Mapping[_Id, _Id]) -> dict[_Id, _Id]:
    """Adds the counts of aliases to their targets, one hop; returns the aliases that had any."""
    moved = {old: target for old, target in aliases.items() if totals.get(old)}
    counts = [(target, totals.pop(old)) for old, target in moved.items()]  # all of them first: a target may be an alias
    for target, count in counts:
        totals[target] = totals.get(target, 0) + count
    return moved


def _listed(totals: Mapping[bytes, int]) -> list[Row]:
    return [(count, article) for article, count in totals.items() if count > 0]


def _further(rows: Sequence[Row], extra: ExtraKeys) -> list[Row]:
    """The wanted rows below the last place. They were read by name, so their counts are complete."""
    if len(rows) <= PLACES or not extra.wanted:
        return []
    return [row for row in rows[PLACES:] if row[1] in extra.wanted]


def _could_reach(rows: Sequence[Row], requested: int, bar: Row | None) -> bool:
    """Whether a row that was not read could rank above `bar`, the last place (None: places are free)."""
    return len(rows) >= requested and (bar is None or rows[-1] > bar)


def _cut(
    rows: list[Row],
    moved: Mapping[bytes, bytes],
    replies: Mapping[int, ListReply],
    shares: Mapping[int, int],
    strays: Mapping[bytes, frozenset[int]],
    partitions: int,
    extra: ExtraKeys,
) -> Merged:
    more = len(rows) > PLACES or any(len(reply.rows) >= shares[shard] for shard, reply in replies.items())
    first = rows[:PLACES]
    usual = share(partitions)
    large = {shard: reply for shard, reply in replies.items() if len(reply.rows) > usual}
    places = {}
    if large:
        listed = frozenset(article for _, article in first)
        for shard, reply in large.items():
            held = sum(article in listed for _, article in reply.rows)
            places[shard] = min(PLACES + len(strays), held + held // 4 + 50)
    return Merged(first, more, False, Hints(places, strays), _further(rows, extra), moved)


@dataclass(frozen=True, slots=True)
class ShardMeta:
    """A shard's meta when it was read. Times in ms since the epoch; `gap_ms` None: no gap.

    `first` is the first bucket of the rules' memory that was not given up. The counts are those of the records below
    `n` at or above the floors; the shard began at `n0`. `last_ms` is the append time of the last counted record; 0 if
    that is unknown.
    """

    floors: tuple[int, ...]
    watermark_ms: int
    gap_ms: int | None = None
    refused: bool = False
    first: int = 0
    lineage: str = ""
    n: int = 0
    n0: int = 0
    last_ms: int = 0

    @property
    def counted_ms(self) -> int:
        """Until when everything appended is counted: T, or beyond it the last counted record, since a log has an order.

        T is 2 s older than that record while others wait, for the sake of clocks; this is for measuring, not for lists.
        """
        return max(self.watermark_ms, self.last_ms)


@dataclass(frozen=True, slots=True)
class Span:
    """What a list covers: [`from_ms`, `as_of_ms`). `level`: no shard is between two floors; see also `complete`."""

    from_ms: int
    as_of_ms: int
    level: bool
    complete: bool


def span(metas: Sequence[ShardMeta], partitions: int, tier: int, window: Window, lanes: int) -> Span:
    """The span that the replies of at least one shard cover together, for the window at index `tier`.

    Shards whose floors differ hold counts from different times on; `from_ms` is the latest of them: from then on
    everything is counted. A gap in the window, or less than 5 minutes before it, leaves the span incomplete.
    """
    floors = [meta.floors[tier] for meta in metas]
    from_ms = max(floors) // lanes * window.grain_ms
    level = min(floors) == max(floors) and floors[0] % lanes == 0
    complete = (
        level
        and len(metas) == partitions
        and not any(meta.refused for meta in metas)
        and not any(meta.gap_ms is not None and meta.gap_ms + FUTURE_MS >= from_ms for meta in metas)
    )
    return Span(from_ms, min(meta.watermark_ms for meta in metas), level, complete)
