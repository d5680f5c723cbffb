"""The upkeep of a shard: retires old counts, seals slices, scans for strays, moves T.

Each task consists of steps of the given session; a refused step ends the session, as always.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop
from itertools import islice
from typing import TypeVar, TypeVarTuple

from ranker.consume.session import SEAL_AFTER_MS, Session
from ranker.core import delta
from ranker.core.floors import floors_at
from ranker.core.generation import Generation
from ranker.core.retire import Retirement, tier_due
from ranker.core.route import Router
from ranker.core.step import MAX_COST, SliceId, Step, Version

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")
_SLICES_AT_ONCE = 32
"""Slices read together to seal or scan: bounds memory and the length of one read."""
_SEAL_AGAIN_MS = 600_000
_SEAL_AGAIN_DELTAS = 10
"""A sealed slice is sealed again after so long or with so many deltas: the hour slice that the minutes move to gets one
each minute, and to read, add up and compress an hour costs more than to keep ten of them."""
_SEAL_OPEN_DELTAS = 512
"""An open slice is sealed once it has so many deltas: a backlog may append them to one hour, for example."""
_FORGET_AT_ONCE = 32
"""Runs of producers that one step forgets, with 128 fields each at most."""
_THREAD_BYTES = 16 << 10
"""Slices of more stored bytes are processed in a thread: 6,000 articles, compressed, take 40 ms."""


class Upkeep:
    """For one partition. Its only state is a scan under way, which ends with its session."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._retirement = Retirement(generation, Router(generation))
        self._scan: tuple[Session, list[SliceId], set[str]] | None = None

    async def run(self, session: Session, wall_ms: int, *, clocks_agree: bool, strays_due: bool) -> None:
        """One round: every task that is due, and T in any case."""
        if clocks_agree:
            # if clocks have jumped and T lies ahead, counts must not be lost for good
            await self.retire(session, min(session.watermark_ms, wall_ms))
        await self.seal(session)
        await self._scan_strays(session, due=strays_due)
        if session.watermark_ms > session.stored_watermark_ms:
            session.watermark_ms = min(session.watermark_ms, wall_ms)
            # `refused` too: a failover may have lost the step that set it, and the version would not show that
            await session.advance(replace(session.step(), refused=session.refused), when_full=True)

    async def run_when_full(self, session: Session, wall_ms: int) -> None:
        """While batches are refused for lack of memory T stays, and floors follow the wall clock to free memory."""
        if not session.refused:
            await session.advance(replace(session.step(), refused=True), when_full=True)
        await self.retire(session, wall_ms, when_full=True)
        await self.seal(session, when_full=True)

    async def forget_inactive(self, session: Session) -> None:
        """Forgets producers' runs that have ended: silent in every shard for a day, or an hour if room is short.

        If one shard alone forgot a run, the sequences it had seen would look missing. The runs kept are no function
        of the log from here on, hence a new lineage.
        """
        if not (inactive := session.producers.inactive(session.watermark_ms)):
            return
        elsewhere = await session.store.last_seen_elsewhere(inactive, session.partitions)
        if gone := session.producers.inactive(session.watermark_ms, elsewhere)[:_FORGET_AT_ONCE]:
            step = replace(_step_to_new_lineage(session), producers=session.producers.forget(gone))
            await session.advance(step, when_full=True)

    async def retire(self, session: Session, watermark_ms: int, *, when_full: bool = False) -> None:
        """Moves the floors to those of this T, finest tier first."""
        target = floors_at(self._generation, watermark_ms)
        while (tier := tier_due(session.version.floors, target)) is not None:
            due = self._retirement.slices(session.live, tier, target[tier])
            # one slice at a time: it may hold very many articles
            goal = target[tier] if len(due) <= 1 else (due[0][1] + 1) * self._generation.lanes
            version, lists = await session.store.read_slices(due[:1])
            if version != session.version:
                await session.advance(session.step())  # another consumer writes this shard: normally refused
                continue  # not refused: the shard is at our version again, but what was read is not
            for planned in await _maybe_in_thread(
                lists.values(), self._plan, version, session.watermark_ms, tier, goal, lists
            ):
                step = await session.with_marks(planned)
                if session.refused:  # these floors may be ahead of T, so the step must carry the mark that explains it
                    step = replace(step, refused=True)
                await session.advance(step, when_full=when_full)

    def _plan(
        self, version: Version, watermark_ms: int, tier: int, goal: int, lists: Mapping[SliceId, list[bytes]]
    ) -> list[Step]:
        contents = {slice_id: delta.total(deltas) for slice_id, deltas in lists.items()}
        return self._retirement.plan(version, watermark_ms, tier, goal, contents)

    def caught_up_with_floors(self, session: Session) -> bool:
        """Whether T has reached these floors: nothing is retired early any more for lack of memory."""
        return all(
            floor <= due
            for floor, due in zip(
                session.version.floors, floors_at(self._generation, session.watermark_ms), strict=True
            )
        )

    async def seal(self, session: Session, *, when_full: bool = False) -> None:
        """Replaces the deltas of ended and of well-filled slices by their sum, compressed."""
        due = list(islice((s for s in session.unsealed if self._seal_due(session, s)), _SLICES_AT_ONCE))
        if not due:
            return
        version, lists = await session.store.read_slices(due)
        if version != session.version:
            await session.advance(session.step())
            return
        seals = {slice_id: await _maybe_in_thread([deltas], _sealed, deltas) for slice_id, deltas in lists.items()}
        await session.advance(replace(session.step(), seals=seals), when_full=when_full)

    def _seal_due(self, session: Session, slice_id: SliceId) -> bool:
        waiting = session.unsealed[slice_id]
        if not waiting.fresh:
            return (
                waiting.deltas >= _SEAL_AGAIN_DELTAS and waiting.since_ms + SEAL_AFTER_MS <= session.watermark_ms
            ) or waiting.since_ms + _SEAL_AGAIN_MS <= session.watermark_ms
        return waiting.deltas >= _SEAL_OPEN_DELTAS or session.has_ended(slice_id, session.watermark_ms)

    async def _scan_strays(self, session: Session, *, due: bool) -> None:
        """Marks the strays for the present number of partitions; unmarks articles that no live slice contains.

        Slices are read a few at a time, between batches. What was read stays valid: our steps mark articles that
        they touch meanwhile (`session.marked`), and another consumer's step would end the session.
        """
        if self._scan is None or self._scan[0] is not session or session.marked is None:
            self._scan = None
            if session.made_for == session.partitions and not (due and session.strays):
                return
            self._scan = (session, sorted(session.live), set())
            session.marked = set()
        _, pending, found = self._scan
        part = pending[:_SLICES_AT_ONCE]
        del pending[:_SLICES_AT_ONCE]
        version, lists = await session.store.read_slices(part)
        if version != session.version:
            session.marked = None
            await session.advance(session.step())
            return
        for deltas in lists.values():
            counts = await _maybe_in_thread([deltas], delta.total, deltas)
            found |= await session.strays_among({site: set().union(*of.values()) for site, of in counts.items()})
            await asyncio.sleep(0)
        if not pending:
            await self._finish_scan(session, found)

    async def _finish_scan(self, session: Session, found: set[str]) -> None:
        stored = await session.store.strays()
        kept = found | (session.marked or set())
        for some in _in_order(kept - stored, MAX_COST):
            await session.advance(replace(_step_to_new_lineage(session), strays=some))
        for some in _in_order(stored - kept, MAX_COST):
            await session.advance(replace(_step_to_new_lineage(session), strays_gone=some))
        if session.made_for != session.partitions:
            await session.advance(replace(_step_to_new_lineage(session), partitions=session.partitions))
        session.strays = len(kept)
        session.marked, self._scan = None, None


def _step_to_new_lineage(session: Session) -> Step:
    """A step to a new lineage. It moves neither n nor floors, so only the lineage shows if a failover loses it."""
    return session.step(Version(secrets.token_hex(8), session.version.n, session.version.floors))


def _in_order(names: set[str], at_once: int) -> Iterator[set[str]]:
    """The smallest `at_once` names, then the next: without a sort of all of them, which would hold the event loop."""
    heap = list(names)
    heapify(heap)
    while heap:
        yield {heappop(heap) for _ in range(min(at_once, len(heap)))}


async def _maybe_in_thread(
    lists: Iterable[Sequence[bytes]], work: Callable[[*_Arguments], _T], *arguments: *_Arguments
) -> _T:
    """The result of `work` on slices with these deltas: in a thread, if it would block the event loop."""
    if sum(len(one) for deltas in lists for one in deltas) > _THREAD_BYTES:
        return await asyncio.to_thread(work, *arguments)
    return work(*arguments)


def _sealed(deltas: list[bytes]) -> bytes:
    return delta.seal(delta.total(deltas))
