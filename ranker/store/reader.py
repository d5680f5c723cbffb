"""Reads lists out of the shards, one MULTI/EXEC per shard: a page is never cut from a list that moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

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
    Span,
    merge,
    span,
)
from ranker.store.atomic_reads import read_each_atomically
from ranker.store.errors import StoreUnavailableError, translated
from ranker.store.shard_query import ShardQuery, ShardReply

AT_ONCE = 8
"""Shards asked over one connection at once; six lists of 8 keep Redis from everybody else for 2 ms."""


@dataclass(frozen=True, slots=True)
class ListRead:
    """A list as its shards held it. `total` sums the board's weights over all counts of the window, unlisted ones too.

    `clocks` has T of the shards that took part; those that have not begun or cannot be reached did not.
    """

    merged: Merged
    span: Span
    total: int
    clocks: Mapping[int, int]
    site_known: bool

    @property
    def answered(self) -> int:
        return len(self.clocks)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One refresh. `lists` is empty until a shard has begun. `sites` hold counts; others may, without `all_sites`."""

    lists: dict[ListName, ListRead]
    sites: frozenset[str]
    all_sites: bool
    answered: int


_Result = ShardReply | StoreUnavailableError | None
"""Of one shard: None where it has not begun, or is not to be read any more; the error where it cannot be reached."""


class _Gathering:
    """The merges of all lists under way: rounds of questions, each shard's asked in one transaction."""

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
        self._asks: dict[ListName, dict[int, ListQuery]] = {}
        self.latest: dict[ListName, dict[int, ShardReply]] = {name: {} for name in self._merges}
        self.merged: dict[ListName, Merged] = {}

    async def begin(self) -> None:
        """Takes every merge to its first question."""
        for name, steps in self._merges.items():
            self._asks[name] = next(steps)
            await asyncio.sleep(0)  # one merge is short; all of them are not, and others wait

    def asks_of(self, shard: int) -> dict[ListName, ListQuery]:
        return {name: asks[shard] for name, asks in self._asks.items() if shard in asks}

    async def hear(self, reply: Mapping[int, ShardReply]) -> list[int]:
        """Hands the answers to the merges; returns the shards to ask next. Who said nothing counts as empty."""
        again = {}
        for name, asks in self._asks.items():
            latest = self.latest[name]
            for shard in asks:
                latest.pop(shard, None)
                if shard in reply:
                    latest[shard] = reply[shard]
            try:
                again[name] = self._merges[name].send(
                    {
                        shard: reply[shard].answers[name] if shard in reply else self._silent(ask)
                        for shard, ask in asks.items()
                    }
                )
            except StopIteration as end:
                self.merged[name] = end.value
            await asyncio.sleep(0)
        self._asks = again
        return sorted({shard for asks in again.values() for shard in asks})

    def _silent(self, ask: ListQuery) -> ListReply:
        return ListReply(self._partitions, (), counts=dict.fromkeys(ask.counts_of, 0))


class Reader:
    """Reads every list asked for, from all shards of a generation."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._places = asyncio.Semaphore(2)  # one is read while Redis answers the other

    async def refresh(
        self,
        generation: Generation,
        partitions: int,
        lists: Iterable[ListName],
        hints: Mapping[ListName, Hints],
        extras: Mapping[ListName, ExtraKeys],
    ) -> Snapshot:
        """The lists as of now. `hints` are those of the last refresh, and only make it cheaper.

        A shard that cannot be reached is not waited for again: the lists are without it, and incomplete. Raises
        StoreUnavailableError where some are so and no other has begun.
        """
        gathering = _Gathering(lists, partitions, hints, extras)
        await gathering.begin()
        heard: dict[int, ShardReply] = {}
        away: dict[int, StoreUnavailableError] = {}
        due: Iterable[int] = range(partitions)
        while due:
            results = await self._ask(
                generation, {shard: gathering.asks_of(shard) for shard in due if shard not in away}
            )
            reply = {shard: result for shard, result in results.items() if isinstance(result, ShardReply)}
            away |= {shard: result for shard, result in results.items() if isinstance(result, StoreUnavailableError)}
            heard = reply | heard
            if away and not heard:
                raise next(iter(away.values()))
            due = await gathering.hear(reply)
        return Snapshot(
            {
                name: _read(generation, partitions, name, gathering.latest[name], merged)
                for name, merged in gathering.merged.items()
                if gathering.latest[name]
            },
            frozenset().union(*(answer.sites for answer in heard.values())),
            not away and all(answer.all_sites for answer in heard.values()),
            len(heard),
        )

    async def _ask(
        self, generation: Generation, by_shard: Mapping[int, dict[ListName, ListQuery]]
    ) -> dict[int, _Result]:
        asked = iter(by_shard.items())
        some = [dict(each) for each in iter(lambda: list(islice(asked, AT_ONCE)), [])]
        # An error that is not foreseen waits until nobody reads any more.
        results = await asyncio.gather(*(self._some(generation, each) for each in some), return_exceptions=True)
        found: dict[int, _Result] = {}
        for result in results:
            if isinstance(result, BaseException):
                raise result
            found |= result
        return found

    async def _some(
        self, generation: Generation, by_shard: Mapping[int, dict[ListName, ListQuery]]
    ) -> dict[int, _Result]:
        questions = [ShardQuery(generation, shard, asks) for shard, asks in by_shard.items()]
        try:
            async with self._places:
                with translated():
                    replies = await read_each_atomically(self._client, [question.reads for question in questions])
        except StoreUnavailableError as error:
            return dict.fromkeys(by_shard, error)
        return {
            shard: _result(question, reply) for shard, question, reply in zip(by_shard, questions, replies, strict=True)
        }


def _result(question: ShardQuery, reply: list[Any] | BaseException) -> _Result:
    if not isinstance(reply, BaseException):
        return question.reply(reply)
    try:
        with translated():
            raise reply
    except StoreUnavailableError as error:
        return error


def _read(
    generation: Generation, partitions: int, name: ListName, reply: Mapping[int, ShardReply], merged: Merged
) -> ListRead:
    tier = next(tier for tier, window in enumerate(generation.windows) if window.name == name.window)
    clocks = [answer.clock for answer in reply.values()]
    weights = generation.boards[name.board]
    total = sum(
        weight * answer.sums.get((name.site, name.window, outcome), 0)
        for answer in reply.values()
        for outcome, weight in weights.items()
    )
    return ListRead(
        merged,
        span(clocks, partitions, tier, generation.windows[tier], generation.lanes),
        total,
        {shard: answer.clock.watermark_ms for shard, answer in reply.items()},
        any(name.site in answer.known for answer in reply.values()),
    )
