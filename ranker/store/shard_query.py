"""All reads from one shard for a refresh, and how its replies are parsed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from ranker.core import rules
from ranker.core.generation import Generation, ListName
from ranker.core.merge import MAX_STRAYS, ListQuery, ListReply, ShardMeta
from ranker.store.atomic_reads import Word
from ranker.store.keys import ShardKeys
from ranker.store.shard import FORMAT, mark

MAX_SITES = 1_000
"""Sites that one shard lists at each refresh; if it holds more, a site is queried by name."""

_AT_A_TIME = 4_000
"""Members or fields of one command: in a script, a command has at most 8,000 words."""

_META = ("format", "floors", "T", "P", "gap_ms", "refused", "dropped", "first", "lineage", "n", "n0", "last")


@dataclass(frozen=True, slots=True)
class ShardReply:
    """One shard's reply, of one transaction. `known` are the sites of the query that hold counts."""

    meta: ShardMeta
    sites: frozenset[str]
    all_sites: bool
    known: frozenset[str]
    sums: dict[tuple[str, str, str], int]
    lists: dict[ListName, ListReply]


class ShardQuery:
    """The reads of one transaction on one shard, and how its replies are parsed."""

    def __init__(self, generation: Generation, shard: int, queries: Mapping[ListName, ListQuery]) -> None:
        keys, self._queries = ShardKeys(generation.id, shard), queries
        self._sites = sorted({name.site for name in queries})
        dropped = rules.by_outcome(generation)
        self._sums = sorted(
            {
                (name.site, name.window, outcome)
                for name in queries
                for outcome in chain(generation.boards[name.board], dropped)
            }
        )
        self.reads: list[tuple[Word, ...]] = [
            ("HMGET", keys.meta, *_META),
            ("SRANDMEMBER", keys.strays, MAX_STRAYS + 1),
            ("SRANDMEMBER", keys.sites, MAX_SITES + 1),
        ]
        if queries:
            self.reads.append(("SMISMEMBER", keys.sites, *self._sites))
            self.reads += _in_pieces("HMGET", keys.sums, [":".join(field) for field in self._sums])
        for name, query in queries.items():
            self.reads += _reads(keys.total(name.window, name.site, name.board), query)

    def reply(self, transaction: Sequence[Any]) -> ShardReply | None:
        """None if the shard does not exist yet, was dropped, or has another format."""
        replies = iter(transaction)
        meta, strays, named = next(replies), next(replies), next(replies)
        if meta[0] != FORMAT.encode() or meta[1] is None or meta[6] is not None:
            return None
        partitions = int(meta[3] or 0)
        by_site = _by_site(strays)
        held = next(replies) if self._queries else ()
        counts = _joined(replies, len(self._sums))
        few = len(strays) <= MAX_STRAYS
        return ShardReply(
            _shard_meta(meta),
            frozenset(site.decode() for site in named[:MAX_SITES]),
            len(named) <= MAX_SITES,
            frozenset(site for site, member in zip(self._sites, held, strict=True) if member),
            {field: int(count) for field, count in zip(self._sums, counts, strict=True) if count is not None},
            {
                name: ListReply(
                    partitions,
                    _rows(next(replies)),
                    by_site.get(name.site.encode(), frozenset()) if few else None,
                    _counts(query.counts_of, _joined(replies, len(query.counts_of))),
                )
                for name, query in self._queries.items()
            },
        )


def _reads(key: str, query: ListQuery) -> list[tuple[Word, ...]]:
    reads: list[tuple[Word, ...]] = []
    if query.places is None:
        reads.append(("ZRANGE", key, 0, -1, "REV", "WITHSCORES"))
    else:
        reads.append(("ZRANGE", key, "+inf", "(0", "BYSCORE", "REV", "LIMIT", 0, query.places, "WITHSCORES"))
    return reads + _in_pieces("ZMSCORE", key, query.counts_of)


def _in_pieces(command: str, key: str, names: Sequence[Word]) -> list[tuple[Word, ...]]:
    return [(command, key, *names[at : at + _AT_A_TIME]) for at in range(0, len(names), _AT_A_TIME)]


def _joined(replies: Iterator[Sequence[bytes | None]], names: int) -> list[bytes | None]:
    """The replies to the commands that `_in_pieces` made of so many names, in one list."""
    return list(chain.from_iterable(islice(replies, math.ceil(names / _AT_A_TIME))))


def _rows(flat: Sequence[bytes]) -> list[tuple[int, bytes]]:
    return list(zip(map(int, flat[1::2]), flat[::2], strict=True))


def _counts(articles: Sequence[bytes], scores: Sequence[bytes | None]) -> dict[bytes, int]:
    return {article: int(score or 0) for article, score in zip(articles, scores, strict=True)}


def _by_site(strays: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for stray in strays:
        site, _, article = stray.partition(b"/")
        found.setdefault(site, set()).add(article)
    return {site: frozenset(articles) for site, articles in found.items()}


def _shard_meta(meta: Sequence[bytes | None]) -> ShardMeta:
    _, floors, watermark, _, gap, refused, _, first, lineage, n, n0, last = meta
    assert floors is not None
    last_counted = mark((last or b"").decode())
    return ShardMeta(
        tuple(map(int, floors.split(b","))),
        int(watermark or 0),
        None if gap is None else int(gap),
        refused == b"1",
        int(first or 0),
        (lineage or b"").decode(),
        int(n or 0),
        int(n0 or 0),
        0 if last_counted is None else last_counted.proven_ms,
    )
