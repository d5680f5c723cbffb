"""How long events wait until a list shows them: what the objective of freshness is judged by."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ranker.core.merge import ShardMeta
from ranker.serve.live.board import Board

MAX_MISSED = 1_000
"""Observations made at once for refreshes that did not come: a machine may have slept."""


class Freshness:
    """Observes, once for each refresh that is due, since when the oldest list on show lacks events.

    Right before the next reading takes its place that is the longest that an event which becomes visible has waited. A
    refresh that takes longer than its interval, or fails late, is observed as often as the time says: a share of the
    observations is a share of the time.
    """

    def __init__(
        self,
        board: Board,
        every_ms: int,
        observe: Callable[[float], None],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._every_ms, self._every_s = every_ms, every_ms / 1000
        self._observe = observe
        self._monotonic_s = monotonic_s
        self._noted_s = monotonic_s()
        self._generation = ""
        self._began_ms = 0
        self._counted_ms: dict[int, int] = {}

    def take(self, generation: str, metas: Mapping[int, ShardMeta]) -> None:
        """Remembers until when these shards are counted: lists are shown without a shard that is away for long."""
        if generation != self._generation:
            self._generation, self._began_ms, self._counted_ms = generation, self._board.now_ms(), {}
        self._counted_ms |= {shard: meta.counted_ms for shard, meta in metas.items()}

    def note(self) -> None:
        """Called when a refresh has read lists, before it shows them, and when it has failed."""
        age_s, now_s = self._oldest_s(), self._monotonic_s()
        since_s, self._noted_s = now_s - self._noted_s, now_s
        if age_s is not None:
            for missed in range(min(MAX_MISSED, max(1, round(since_s / self._every_s)))):
                self._observe(max(0.0, age_s - missed * self._every_s))

    def _oldest_s(self) -> float | None:
        counted_ms: list[int] = []
        for one in self._board.shown():
            # read seldom on purpose; after a skip the next refresh may be one interval away, and takes its time
            if one.every_ms or self._board.is_skipped(one.name, 2 * self._every_ms):
                continue
            counted_ms.append(one.counted_ms)
            if one.read.answered < one.partitions:
                away = set(range(one.partitions)) - one.read.clocks.keys()
                counted_ms += (self._counted_ms.get(shard, self._began_ms) for shard in away)
        return (self._board.now_ms() - min(counted_ms)) / 1000 if counted_ms else None
