"""Counts of single articles by the hour: two are read at a time, and kept for a minute."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ranker.core import hours
from ranker.core.generation import Generation
from ranker.core.hours import Hours
from ranker.service.buckets import is_beyond_share
from ranker.store.errors import StoreUnavailableError
from ranker.store.hours import HoursReader

log = logging.getLogger(__name__)

KEPT_MS = 60_000
MAX_KEPT = 256
"""Articles; the one whose hours were read longest ago is dropped first."""
READ_AT_ONCE = 2
"""Articles: each is up to 1,440 slices out of Redis, and a thread's work for a second."""
READ_A_MINUTE = 30
"""Articles: reads of Redis must not grow with web traffic."""
CLIENT_SHARE = 1 / 3
"""One client may cause this part of the readings that others leave."""

_Key = tuple[str, str, frozenset[str]]


class HourlyCounts(NamedTuple):
    """`hours` begin at `from_ms`; None: they are not known."""

    from_ms: int
    read_ms: int
    hours: Hours | None


class Hourly:
    def __init__(self, client: Any, now_ms: Callable[[], int]) -> None:
        """`client` is Redis'."""
        self._now_ms = now_ms
        self._reader = HoursReader(client)
        self._kept: dict[_Key, HourlyCounts] = {}
        self._reading: dict[_Key, asyncio.Task[HourlyCounts | None]] = {}
        self._begun: deque[tuple[float, bytes]] = deque(maxlen=READ_A_MINUTE)

    async def counts(
        self,
        generation: Generation,
        site: str,
        shards: Mapping[int, frozenset[str]],
        as_of_ms: int,
        deadline_s: float,
        client: bytes,
    ) -> HourlyCounts | None:
        """The counts of the articles that `shards` names, together; None if they cannot be read in time.

        A reading that is under way goes on, for the next request. None too if there were too many readings in a minute,
        in all or for `client`.
        """
        key = generation.id, site, frozenset[str]().union(*shards.values())
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while True:
            kept = self._kept.get(key)
            if kept is not None and self._now_ms() - kept.read_ms <= KEPT_MS:
                return kept
            own = self._reading.get(key)
            if own is None and self._is_too_often(loop.time(), client):
                return None
            if own is None and len(self._reading) < READ_AT_ONCE:
                self._begun.append((loop.time(), client))
                own = asyncio.create_task(self._read(key, generation, shards, as_of_ms), name=f"hours of {site}")
                self._reading[key] = own
            left_s = until - loop.time()
            if left_s <= 0:
                return None
            if own is not None:
                done, _ = await asyncio.wait([own], timeout=left_s)
                return own.result() if done else None
            await asyncio.wait(self._reading.values(), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)

    def _is_too_often(self, now_s: float, client: bytes) -> bool:
        begun = [by for at_s, by in self._begun if now_s - at_s < 60]
        own = begun.count(client)
        others = len(begun) - own
        return len(begun) >= READ_A_MINUTE or is_beyond_share(own, others, READ_A_MINUTE, CLIENT_SHARE)

    async def _read(
        self, key: _Key, generation: Generation, shards: Mapping[int, frozenset[str]], as_of_ms: int
    ) -> HourlyCounts | None:
        from_ms = hours.first_ms(as_of_ms)
        try:
            read = await self._reader.read(generation, key[1], shards, from_ms)
        except StoreUnavailableError:
            return None  # the refresh reports it
        except Exception:  # whatever a slice holds, the rest of the answer is good
            log.exception("an article's hours cannot be read")
            return None
        finally:
            del self._reading[key]
        self._kept.pop(key, None)
        counts = self._kept[key] = HourlyCounts(from_ms, self._now_ms(), read)
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return counts
