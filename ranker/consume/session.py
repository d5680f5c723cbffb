"""A worker's state of its shard between two loads, and the only way to change it: `advance`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ranker.consume.errors import RefusedError
from ranker.consume.homes import Homes
from ranker.core.floors import start_ms
from ranker.core.generation import Generation
from ranker.core.memory import Memory
from ranker.core.step import Reply, SliceId, Step, Version
from ranker.metrics import ConsumerMetrics
from ranker.store.errors import StoreUnavailableError
from ranker.store.program import Program
from ranker.store.shard import ShardState, ShardStore

_THREAD_COUNTS = 1_000
"""Slices of more are compressed in a thread: some milliseconds."""
_BACKOFF_S = (0.05, 5.0)
SEAL_AFTER_MS = 60_000
"""A slice has ended once T has passed its end by so much: the minute's late events are in it."""


@dataclass(slots=True)
class Unsealed:
    """Deltas of a slice since it was sealed; T was `since_ms` at the first of them."""

    since_ms: int
    fresh: bool
    """The slice was never sealed."""
    deltas: int = 0


class Session:
    """From a loaded state to the first refusal; in between no other process writes the shard."""

    def __init__(
        self,
        store: ShardStore,
        generation: Generation,
        partition: int,
        partitions: int,
        state: ShardState,
        metrics: ConsumerMetrics,
        trouble: Callable[[str | None], None],
        homes: Homes,
        memory: Memory | None,
        log_end: int = 0,
    ) -> None:
        """`partitions` is the topic's number now. `trouble` gets why the store cannot be written, then None.

        `memory` is what rules remember as of `state`; None if they remember nothing. `log_end` is the log's end as the
        gate has seen it.
        """
        self.memory = memory
        self.log_end = log_end
        self.store = store
        self.partition = partition
        self.partitions = partitions
        self.made_for = state.partitions
        self.version = state.version
        self.watermark_ms = state.watermark_ms
        self.stored_watermark_ms = state.watermark_ms
        self.mark = state.mark
        self.epoch: int | None = None
        """Epoch of the last applied records' leader; None before the first."""
        self.live: set[SliceId] = set(state.slices)
        self.unsealed: dict[SliceId, Unsealed] = {}
        self.strays = state.strays
        self.refused = state.refused
        self.producers = state.producers
        """The shard's sequence tracking; a step's update is applied to it once the step was applied."""
        self.articles = None if state.slices else 0
        """Number of articles in the longest list that the last step touched; None before the first, 0 of no slice."""
        self.marked: set[str] | None = None
        """Strays marked since a scan began; None while there is no scan."""
        self._sealed: set[SliceId] = set(state.slices)
        """Slices that were sealed, or may have been: later deltas of theirs need not be sealed at once."""
        self._sites = set(state.sites)
        self._homes = homes
        self._generation = generation
        self._metrics = metrics
        self._trouble = trouble

    @property
    def known_ms(self) -> int:
        """The latest time that state and log prove: by T, the finest floor, the last counted record."""
        window = self._generation.windows[0]
        floor_ms = start_ms(self.version.floors[0], window, self._generation.lanes) + window.length_ms
        return max(self.watermark_ms, floor_ms, self.mark.proven_ms if self.mark else 0)

    @property
    def remembered(self) -> int | None:
        """How many keys the rules remember; None if they remember nothing."""
        return None if self.memory is None else self.memory.size

    def has_ended(self, slice_id: SliceId, watermark_ms: int) -> bool:
        """Whether nothing more is expected in a slice at this T."""
        tier, slice_ = slice_id
        return (slice_ + 1) * self._generation.windows[tier].grain_ms + SEAL_AFTER_MS <= watermark_ms

    def step(self, after: Version | None = None) -> Step:
        """A step from our version that changes no count and carries our T; without `after` it moves T alone."""
        return Step(self.version, after or self.version, self.watermark_ms)

    async def with_marks(self, step: Step) -> Step:
        """The step with the marks of its stray articles, and with its new sites.

        For every step that changes counts: a cache of marks could outlive the marks.
        """
        changes = step.changes
        strays = changes.strays(self.partition, self.partitions)
        if strays is None:
            strays = await self.strays_among(changes.touched())
        return replace(step, strays=strays, new_sites=changes.sites - self._sites)

    async def advance(self, step: Step, *, when_full: bool = False) -> None:
        """Carries a step out. Raises RefusedError; without `when_full`, StoreFullError.

        While the store is unavailable the same step is sent again: if only its reply was lost, the reply is `already`.
        """
        program = await self._assembled(step)
        at = step.after.lineage, step.after.n
        if self.memory is not None:
            self.memory.sent(step.memory, at)
        began = time.perf_counter()
        reply = await self._send_until_answered(program, when_full=when_full)
        self._metrics.advance_replies.labels(reply.value).inc()
        if reply not in (Reply.APPLIED, Reply.ALREADY):
            raise RefusedError(reply)
        self._metrics.step_duration_seconds.observe(time.perf_counter() - began)
        self._metrics.step_increments.observe(program.increments)
        self._metrics.step_bytes.observe(program.bytes)
        self._take_over(step)
        if self.memory is not None:
            self.memory.stored(step.memory, at)

    async def _assembled(self, step: Step) -> Program:
        """In a thread, if to compress its slices would hold the event loop."""
        if step.changes.size(step.sealed) > _THREAD_COUNTS:
            return await asyncio.to_thread(self.store.assemble, step)
        return self.store.assemble(step)

    async def _send_until_answered(self, program: Program, *, when_full: bool) -> Reply:
        wait = _BACKOFF_S[0]
        while True:
            try:
                reply, articles = await self.store.advance(program, when_full=when_full)
            except StoreUnavailableError as error:
                self._trouble(str(error))
                await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  # jitter
                wait = min(wait * 2, _BACKOFF_S[1])
            else:
                self._trouble(None)
                if articles:
                    self.articles = max(articles, self.articles or 0)
                return reply

    async def reload(self) -> bool:
        """Another consumer moved the floors: loads its state. False if more than the floors moved."""
        state = await self.store.load()
        mine = self.version
        if state is None or state.foreign or (state.version.lineage, state.version.n) != (mine.lineage, mine.n):
            return False
        self.version = state.version
        self.stored_watermark_ms = state.watermark_ms
        self.refused = state.refused
        self.producers = state.producers
        self.live = set(state.slices)
        self.marked = None  # counts may have moved to slices that a scan under way would not read
        self.unsealed = {slice_id: deltas for slice_id, deltas in self.unsealed.items() if slice_id in self.live}
        return True

    def _take_over(self, step: Step) -> None:
        self.version = step.after
        self.mark = step.mark or self.mark
        self.watermark_ms = max(self.watermark_ms, step.watermark_ms)
        self.stored_watermark_ms = max(self.stored_watermark_ms, step.watermark_ms)
        for slice_id in step.changes.slices:
            self.live.add(slice_id)
            if slice_id in step.sealed:
                self._sealed.add(slice_id)
                continue
            waiting = self.unsealed.setdefault(
                slice_id, Unsealed(self.watermark_ms, fresh=slice_id not in self._sealed)
            )
            waiting.deltas += 1
        for slice_id in step.seals:
            self.unsealed.pop(slice_id, None)
            self._sealed.add(slice_id)
        for slice_id in step.deletes:
            self.live.discard(slice_id)
            self._sealed.discard(slice_id)
            self.unsealed.pop(slice_id, None)
        self._sites |= step.new_sites
        if step.producers is not None:
            self.producers.apply(step.producers)
        if step.partitions is not None:
            self.made_for = step.partitions
        if step.refused is not None:
            self.refused = step.refused
        if step.strays:
            self.strays = max(self.strays, len(step.strays))
            if self.marked is not None:
                self.marked |= step.strays

    async def strays_among(self, articles: Mapping[str, set[str]]) -> set[str]:
        """`site/article` of those (by site) whose home is another partition."""
        return await self._homes.strays(self.partition, self.partitions, articles)
