"""What a shard needs besides new records: old counts retired, slices sealed, strays looked over, the clock moved on.

Every piece of work here is one or a few steps of the session it is given; a refused one ends the session, as always.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar, TypeVarTuple

from ranker.consume.session import Session
from ranker.core import delta
from ranker.core.floors import floors_at
from ranker.core.generation import Generation
from ranker.core.retire import Retirement, tier_due
from ranker.core.route import Router
from ranker.core.step import MAX_COST, SliceId, Step, Version

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")
_SLICES_AT_ONCE = 32
"""Read together for sealing or scanning: bounds memory and the length of one read."""
_SEAL_AFTER_MS = 60_000
"""A slice is sealed once the clock has passed its end by so much: stragglers of the minute are in."""
_SEAL_AGAIN_MS = 600_000
_SEAL_AGAIN_DELTAS = 10
"""A slice that has been sealed is sealed again after so long or with so many deltas: the hour slice that the minutes
move to gets one each minute, and reading, adding up and compressing an hour costs more than keeping ten of them."""
_SEAL_OPEN_DELTAS = 512
"""An open slice is sealed once it has gathered so many: what a backlog appends to one hour, for example."""
_FORGET_AT_ONCE = 32
"""Runs of producers that one step forgets, with 128 fields each at most."""
_THREAD_BYTES = 16 << 10
"""Stored bytes of a slice from which on work on it is done in a thread: 6,000 articles, compressed, take 40 ms."""


class Upkeep:
    """For one partition; keeps nothing but the state of a scan under way, which ends with its session."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._retirement = Retirement(generation, Router(generation))
        self._scan: tuple[Session, list[SliceId], set[str]] | None = None

    async def run(self, session: Session, wall_ms: int, *, clocks_agree: bool, strays_due: bool) -> None:
        """One round: everything that is due now, the clock in any case."""
        if clocks_agree:
            # where T lies ahead, as clocks that jumped have left it, what leaves is not lost for good
            await self.retire(session, min(session.watermark_ms, wall_ms))
        await self.seal(session)
        await self._look_over_strays(session, due=strays_due)
        if session.watermark_ms > session.stored_clock_ms:
            session.watermark_ms = min(session.watermark_ms, wall_ms)
            # `refused` too: a failover may have lost the step that said so, and no version tells
            await session.advance(replace(session.step(), refused=session.refused), when_full=True)

    async def run_when_full(self, session: Session, wall_ms: int) -> None:
        """While batches are refused for memory T stays, and the floors follow the wall clock: else nothing got free."""
        if not session.refused:
            await session.advance(replace(session.step(), refused=True), when_full=True)
        await self.retire(session, wall_ms, when_full=True)
        await self.seal(session, when_full=True)

    async def forget_inactive(self, session: Session) -> None:
        """Makes room where producers' runs have ended: those that no shard has heard for a day, or an hour if need be.

        A run that one shard had forgotten would seem to lack what that shard has seen of it. Which runs are there is no
        function of the log from here on: a new lineage.
        """
        if not (inactive := session.producers.inactive(session.watermark_ms)):
            return
        elsewhere = await session.store.last_seen_elsewhere(inactive, session.partitions)
        if gone := session.producers.inactive(session.watermark_ms, elsewhere)[:_FORGET_AT_ONCE]:
            step = replace(_renewing(session), producers=session.producers.forget(gone))
            await session.advance(step, when_full=True)

    async def retire(self, session: Session, watermark_ms: int, *, when_full: bool = False) -> None:
        """Brings the floors to where this clock puts them, finest tier first."""
        target = floors_at(self._generation, watermark_ms)
        while (tier := tier_due(session.version.floors, target)) is not None:
            due = self._retirement.slices(session.live, tier, target[tier])
            # one slice at a time: it may hold very many articles
            goal = target[tier] if len(due) <= 1 else (due[0][1] + 1) * self._generation.lanes
            version, lists = await session.store.read_slices(due[:1])
            if version != session.version:
                await session.advance(session.step())  # somebody else writes this shard: the refusal says who is ahead
                continue  # not refused: it is as it was again, but what was read is not
            for planned in await _apart(lists.values(), self._plan, version, session.watermark_ms, tier, goal, lists):
                step = await session.with_marks(planned)
                if session.refused:  # these floors may be ahead of T: whatever state the step meets says so with it
                    step = replace(step, refused=True)
                await session.advance(step, when_full=when_full)

    def _plan(
        self, version: Version, watermark_ms: int, tier: int, goal: int, lists: Mapping[SliceId, list[bytes]]
    ) -> list[Step]:
        contents = {slice_id: delta.total(deltas) for slice_id, deltas in lists.items()}
        return self._retirement.plan(version, watermark_ms, tier, goal, contents)

    def caught_up_with_floors(self, session: Session) -> bool:
        """Whether the clock itself asks for these floors: nothing was retired early for lack of memory."""
        return all(
            floor <= asked
            for floor, asked in zip(
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
        seals = {slice_id: await _apart([deltas], _sealed, deltas) for slice_id, deltas in lists.items()}
        await session.advance(replace(session.step(), seals=seals), when_full=when_full)

    def _seal_due(self, session: Session, slice_id: SliceId) -> bool:
        waiting = session.unsealed[slice_id]
        if not waiting.fresh:
            return (
                waiting.deltas >= _SEAL_AGAIN_DELTAS and waiting.since_ms + _SEAL_AFTER_MS <= session.watermark_ms
            ) or waiting.since_ms + _SEAL_AGAIN_MS <= session.watermark_ms
        tier, slice_ = slice_id
        end_ms = (slice_ + 1) * self._generation.windows[tier].grain_ms
        return waiting.deltas >= _SEAL_OPEN_DELTAS or end_ms + _SEAL_AFTER_MS <= session.watermark_ms

    async def _look_over_strays(self, session: Session, *, due: bool) -> None:
        """Marks what is a stray for the present number of partitions, takes marks from what no live slice holds.

        Slices are read a few at a time, between batches. What our own steps touch meanwhile they mark themselves
        (`session.marked`), and another consumer's step would end the session; so what was read stays true.
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
            counts = await _apart([deltas], delta.total, deltas)
            found |= await session.strays_among({site: set().union(*of.values()) for site, of in counts.items()})
            await asyncio.sleep(0)
        if not pending:
            await self._finish_scan(session, found)

    async def _finish_scan(self, session: Session, found: set[str]) -> None:
        stored = await session.store.strays()
        kept = found | (session.marked or set())
        new, gone = iter(sorted(kept - stored)), iter(sorted(stored - kept))
        while some := set(islice(new, MAX_COST)):
            await session.advance(replace(_renewing(session), strays=some))
        while some := set(islice(gone, MAX_COST)):
            await session.advance(replace(_renewing(session), strays_gone=some))
        if session.made_for != session.partitions:
            await session.advance(replace(_renewing(session), partitions=session.partitions))
        session.strays = len(kept)
        session.marked, self._scan = None, None


def _renewing(session: Session) -> Step:
    """A step to a new lineage: it moves neither n nor floors, and a failover that lost it must not go unnoticed."""
    return session.step(Version(secrets.token_hex(8), session.version.n, session.version.floors))


async def _apart(lists: Iterable[Sequence[bytes]], work: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
    """What `work` makes of slices whose deltas are these: in a thread, if it would hold up the loop."""
    if sum(len(one) for deltas in lists for one in deltas) > _THREAD_BYTES:
        return await asyncio.to_thread(work, *arguments)
    return work(*arguments)


def _sealed(deltas: list[bytes]) -> bytes:
    return delta.seal(delta.total(deltas))
