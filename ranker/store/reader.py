"""Reads lists out of the shards, one MULTI/EXEC per shard: a page is never cut from a list that moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

from ranker.core import rules
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.merge import (
    NO_EXTRA_KEYS,
    ExtraKeys,
    Hints,
    ListQuery,
    ListReply,
    Merge,
    Merged,
    ShardMeta,
    Span,
    merge,
    span,
)
from ranker.store.atomic_reads import read_each_atomically
from ranker.store.errors import StoreUnavailableError, translated
from ranker.store.shard_query import ShardQuery, ShardReply

AT_ONCE = 8
"""Shards read over one connection at once; six lists of 8 occupy Redis for 2 ms."""


@dataclass(frozen=True, slots=True)
class ListRead:
    """A list as read from its shards. `total` sums the board's weights over all counts of the window, unlisted too.

    `clocks` has T of the shards that replied; those that do not exist yet or cannot be reached are absent. `outcomes`
    has the site's counts in this window. Rules were paused up to the event time `paused_until_ms`; 0: never. `metas` is
    that of each shard at the moment that its rows are of.
    """

    merged: Merged
    span: Span
    total: int
    clocks: Mapping[int, int]
    site_known: bool
    outcomes: Mapping[str, int] = field(default_factory=dict)
    paused_until_ms: int = 0
    metas: Mapping[int, ShardMeta] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        return len(self.clocks)

    @property
    def counted_ms(self) -> int:
        """Until when everything appended is counted in every shard that replied."""
        return min((meta.counted_ms for meta in self.metas.values()), default=self.span.as_of_ms)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One refresh. `lists` is empty until a shard exists. `sites` hold counts; if not `all_sites`, others may too."""

    lists: dict[ListName, ListRead]
    sites: frozenset[str]
    all_sites: bool
    answered: int


_Result = ShardReply | StoreUnavailableError | None
"""Of one shard: None if it does not exist yet or was dropped; the error if it cannot be reached."""


class _Merges:
    """The merges of all lists, in rounds: the queries to a shard go into one transaction."""

    def __init__(
        self,
        lists: Iterable[ListName],
        partitions: int,
        hints: Mapping[ListName, Hints],
        extras: Mapping[ListName, ExtraKeys],
    ) -> None:
        self._partitions = partitions
        shards = range(partitions)

        @cache  # all lists of a site look up the same aliases
        def home_on(site: str) -> Callable[[bytes], int]:
            prefix = f"{site}/".encode()
            return cache(lambda article: home(prefix + article, partitions))

        self._merges: dict[ListName, Merge] = {
            name: merge(
                shards,
                partitions,
                home_on(name.site),
                hints.get(name, Hints()),
                extras.get(name, NO_EXTRA_KEYS),
            )
            for name in lists
        }
        self._queries: dict[ListName, dict[int, ListQuery]] = {}
        self.latest: dict[ListName, dict[int, ShardReply]] = {name: {} for name in self._merges}
        self.merged: dict[ListName, Merged] = {}

    async def begin(self) -> None:
        """Runs every merge to its first queries."""
        for name, steps in self._merges.items():
            self._queries[name] = next(steps)
            await asyncio.sleep(0)  # one merge is short; all of them together are not, and other tasks wait

    def queries_to(self, shard: int) -> dict[ListName, ListQuery]:
        return {name: queries[shard] for name, queries in self._queries.items() if shard in queries}

    async def send(self, replies: Mapping[int, ShardReply]) -> list[int]:
        """Sends the replies to the merges; returns the shards to query next. No reply counts as an empty shard."""
        again = {}
        for name, queries in self._queries.items():
            latest = self.latest[name]
            for shard in queries:
                latest.pop(shard, None)
                if shard in replies:
                    latest[shard] = replies[shard]
            try:
                again[name] = self._merges[name].send(
                    {
                        shard: replies[shard].lists[name] if shard in replies else self._empty_reply(query)
                        for shard, query in queries.items()
                    }
                )
            except StopIteration as end:
                self.merged[name] = end.value
            await asyncio.sleep(0)
        self._queries = again
        return sorted({shard for queries in again.values() for shard in queries})

    def _empty_reply(self, query: ListQuery) -> ListReply:
        return ListReply(self._partitions, (), counts=dict.fromkeys(query.counts_of, 0))


class Reader:
    """Reads lists from all shards of a generation."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._connections = asyncio.Semaphore(2)  # one reply is parsed while Redis makes the other

    async def refresh(
        self,
        generation: Generation,
        partitions: int,
        lists: Iterable[ListName],
        hints: Mapping[ListName, Hints],
        extras: Mapping[ListName, ExtraKeys],
    ) -> Snapshot:
        """The lists as of now. `hints` are those of the last refresh; they only make it cheaper.

        A shard that cannot be reached is not tried again: the lists are incomplete, without it. Raises
        StoreUnavailableError if a shard cannot be reached and no other exists.
        """
        merges = _Merges(lists, partitions, hints, extras)
        await merges.begin()
        first: dict[int, ShardReply] = {}
        errors: dict[int, StoreUnavailableError] = {}
        due: Iterable[int] = range(partitions)
        while due:
            results = await self._query(
                generation, {shard: merges.queries_to(shard) for shard in due if shard not in errors}
            )
            replies = {shard: result for shard, result in results.items() if isinstance(result, ShardReply)}
            errors |= {shard: result for shard, result in results.items() if isinstance(result, StoreUnavailableError)}
            first = replies | first
            if errors and not first:
                raise next(iter(errors.values()))
            due = await merges.send(replies)
        return Snapshot(
            {
                name: _list_read(generation, partitions, name, merges.latest[name], merged)
                for name, merged in merges.merged.items()
                if merges.latest[name]
            },
            frozenset().union(*(reply.sites for reply in first.values())),
            not errors and all(reply.all_sites for reply in first.values()),
            len(first),
        )

    async def _query(
        self, generation: Generation, by_shard: Mapping[int, dict[ListName, ListQuery]]
    ) -> dict[int, _Result]:
        items = iter(by_shard.items())
        groups = [dict(group) for group in iter(lambda: list(islice(items, AT_ONCE)), [])]
        # An unexpected error is raised only once all reads have ended.
        results = await asyncio.gather(
            *(self._query_group(generation, group) for group in groups), return_exceptions=True
        )
        found: dict[int, _Result] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            found |= result
        return found

    async def _query_group(
        self, generation: Generation, by_shard: Mapping[int, dict[ListName, ListQuery]]
    ) -> dict[int, _Result]:
        queries = [ShardQuery(generation, shard, lists) for shard, lists in by_shard.items()]
        try:
            async with self._connections:
                with translated():
                    replies = await read_each_atomically(self._client, [query.reads for query in queries])
        except StoreUnavailableError as error:
            return dict.fromkeys(by_shard, error)
        return {shard: _result(query, reply) for shard, query, reply in zip(by_shard, queries, replies, strict=True)}


def _result(query: ShardQuery, reply: list[Any] | BaseException) -> _Result:
    if not isinstance(reply, BaseException):
        return query.reply(reply)
    try:
        with translated():
            raise reply
    except StoreUnavailableError as error:
        return error


def _list_read(
    generation: Generation, partitions: int, name: ListName, replies: Mapping[int, ShardReply], merged: Merged
) -> ListRead:
    tier = next(tier for tier, window in enumerate(generation.windows) if window.name == name.window)
    metas = [reply.meta for reply in replies.values()]
    weights = generation.boards[name.board]
    outcomes = {
        outcome: sum(reply.sums.get((name.site, name.window, outcome), 0) for reply in replies.values())
        for outcome in {*weights, *rules.by_outcome(generation)}
    }
    return ListRead(
        merged,
        span(metas, partitions, tier, generation.windows[tier], generation.lanes),
        sum(weight * outcomes[outcome] for outcome, weight in weights.items()),
        {shard: reply.meta.watermark_ms for shard, reply in replies.items()},
        any(name.site in reply.known for reply in replies.values()),
        outcomes,
        rules.paused_until_ms(generation, max((meta.first for meta in metas), default=0)),
        {shard: reply.meta for shard, reply in replies.items()},
    )
