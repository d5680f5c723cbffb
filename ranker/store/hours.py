"""Reads the slices of some hours for the counts of a few articles, a few slices at a time and within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ranker.core import hours
from ranker.core.generation import Generation
from ranker.core.hours import Hours
from ranker.core.times import HOUR_MS
from ranker.store.atomic_reads import Word, read_atomically
from ranker.store.errors import translated
from ranker.store.keys import ShardKeys
from ranker.store.shard import FORMAT, parsed_slice

MAX_BYTES = 256_000_000
"""Stored bytes of slices that are read for one article: a day of 1,000 views/s on 4 shards is 10 MB in each with ids of
7 characters and 86 MB with ids of 80."""
AT_ONCE = 8
"""Slices read in one transaction: with 32, 2 MB of replies are parsed at once and other tasks wait 6 ms, with 8 a
third."""
_TRIES = 2

_Meta = Sequence[bytes | None]


class HoursReader:
    """`client` is an asyncio client of redis-py, single or cluster, that returns bytes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def read(
        self, generation: Generation, site: str, shards: Mapping[int, frozenset[str]], from_ms: int
    ) -> Hours | None:
        """The counts of all these articles together, in the 24 hours from `from_ms` on. As `read_each`."""
        each = await self.read_each(generation, site, shards, from_ms, hours.HOURS)
        return None if each is None else hours.together(each.values())

    async def read_each(
        self, generation: Generation, site: str, shards: Mapping[int, frozenset[str]], from_ms: int, number: int
    ) -> dict[str, Hours] | None:
        """Article to its counts in `number` hours; articles are given by shard. A shard that does not exist holds none.

        None if that takes more than the budget, or if the slices are too coarse for hours. Raises
        StoreUnavailableError.
        """
        reading = _Reading(self._client, generation, site, from_ms, number)
        each = {article: hours.no_hours(number) for articles in shards.values() for article in articles}
        for shard, articles in shards.items():
            # Counts that move to a coarser tier meanwhile could be read twice, or never; only one hour in 24 is so old.
            for _ in range(_TRIES):
                found = await reading.shard(ShardKeys(generation.id, shard), articles)
                if found is not None or reading.over:
                    break
            if found is None:
                return None
            for article, more in found.items():
                each[article] = hours.together((each[article], more), number)
        return each


class _Reading:
    """The state of one reading. `over`: the budget is spent, or the slices are too coarse."""

    def __init__(self, client: Any, generation: Generation, site: str, from_ms: int, number: int) -> None:
        self._client = client
        self._generation = generation
        self._site = site
        self._from_ms = from_ms
        self._number = number
        self._left = MAX_BYTES
        self.over = False

    async def shard(self, keys: ShardKeys, articles: frozenset[str]) -> dict[str, Hours] | None:
        """None if the shard changed while it was read, or `over`."""
        found = {article: hours.no_hours(self._number) for article in articles}
        meta, live = await self._read_with_meta(keys, [("SMEMBERS", keys.slices)])
        if meta[0] != FORMAT.encode() or meta[2] is None or meta[3] is not None:
            return found
        before = self._stable_part(meta)
        wanted = hours.inside(self._generation, map(parsed_slice, live), self._from_ms, self._number)
        if wanted is None:
            self.over = True
            return None
        for at in range(0, len(wanted), AT_ONCE):
            some = wanted[at : at + AT_ONCE]
            meta, *lists = await self._read_with_meta(keys, [("LRANGE", keys.slice(*slice_), 0, -1) for slice_ in some])
            self._left -= sum(map(len, (delta for deltas in lists for delta in deltas)))
            self.over = self._left < 0
            if self.over or meta[2] is None or self._stable_part(meta) != before:
                return None
            slices = dict(zip(some, lists, strict=True))
            floors = tuple(map(int, meta[2].split(b",")))
            await asyncio.to_thread(hours.add_up, found, self._generation, self._site, self._from_ms, slices, floors)
        return found

    async def _read_with_meta(self, keys: ShardKeys, reads: list[tuple[Word, ...]]) -> list[Any]:
        with translated():
            return await read_atomically(
                self._client, [("HMGET", keys.meta, "format", "lineage", "floors", "dropped"), *reads]
            )

    def _stable_part(self, meta: _Meta) -> tuple[Any, ...]:
        """The part of meta that must not change while a shard is read: lineage, and floors inside the hours."""
        _, lineage, floors, _ = meta
        assert floors is not None
        lanes, windows = self._generation.lanes, self._generation.windows
        to_ms = self._from_ms + self._number * HOUR_MS
        bounds = [(self._from_ms // one.grain_ms * lanes, -(-to_ms // one.grain_ms) * lanes) for one in windows]
        kept = zip(map(int, floors.split(b",")), bounds, strict=True)
        return lineage, *(min(max(floor, first), end) for floor, (first, end) in kept)
