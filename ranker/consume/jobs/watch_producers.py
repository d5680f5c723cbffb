"""Watches the producers beside the counting: whose events are missing, who sends again, who has fallen silent.

The process that has partition 0 tells it for the whole topic. Nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ranker.core.generation import Generation
from ranker.core.loss import Report, highs, missing, report
from ranker.metrics import ConsumerMetrics
from ranker.service.periodic import periodic
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.producers import last_seen, write_report

LOOK_S = 5.0
SETTLE_MS = 10_000
"""How long after a sequence was seen lower ones may still be on their way into the log: a producer's batches for
different partitions leave at different times, and are sent again when a broker changes."""


class ProducerWatch:
    """`has_first` says whether this process has partition 0, `partitions` how many there are (0: not known yet)."""

    def __init__(
        self,
        client: Any,
        generation: Generation,
        partitions: Callable[[], int],
        has_first: Callable[[], bool],
        now_ms: Callable[[], int],
        metrics: ConsumerMetrics,
    ) -> None:
        self._client = client
        self._generation = generation.id
        self._partitions = partitions
        self._has_first = has_first
        self._now_ms = now_ms
        self._metrics = metrics
        self._settling: tuple[int, dict[str, int]] | None = None
        """(when, each run's highest sequence then): what is judged next, once all that was committed by
        `SETTLE_MS` later is counted in every shard."""
        self._missing: dict[str, int] = {}
        self._found: dict[str, int] = {}
        """Sequences of each run that all shards had seen when it was judged."""
        self._began: list[int] = []
        """Where each shard's counts begin in the log."""

    async def run(self) -> None:
        """Looks every five seconds, until cancelled; whatever fails is logged once and tried again."""
        expected = (StoreUnavailableError, StoreFullError)
        # watching must not be able to stop the counting
        await periodic(LOOK_S, self._show, "producers are not watched", expected, never_ends=True)

    async def _show(self) -> None:
        found = await self.look() if self._has_first() else None
        if found is None:
            self._forget()
        self._metrics.show_producers(found)

    def _forget(self) -> None:
        self._settling = None
        self._missing = {}
        self._found = {}

    async def look(self) -> Report | None:
        """What is found now, written for `ranker top` too; None until every shard has begun.

        Raises StoreUnavailableError and StoreFullError.
        """
        partitions = self._partitions()
        shards = await last_seen(self._client, self._generation, partitions, bitmaps=False)
        if not shards:
            return None
        watermark_ms = min(shard.watermark_ms for shard in shards)
        began = [shard.began for shard in shards]
        if began != self._began:  # Redis was emptied: what was seen before may be more than the log gives back
            self._forget()
            self._began = began
        runs = [shard.producers for shard in shards]
        if self._settling is not None and watermark_ms >= self._settling[0] + SETTLE_MS:
            await self._judge(*self._settling, partitions)
            self._settling = None
        if self._settling is None:
            self._settling = self._now_ms(), highs(runs)
        found = report(runs, self._missing, watermark_ms, sum(shard.untracked for shard in shards))
        await write_report(self._client, self._generation, found)
        return found

    async def _judge(self, since_ms: int, cuts: dict[str, int], partitions: int) -> None:
        """Counts what is missing up to these sequences. A run that cannot be judged now keeps what was said of it."""
        shards = await last_seen(self._client, self._generation, partitions, bitmaps=True)
        if not shards or min(shard.watermark_ms for shard in shards) < since_ms + SETTLE_MS:
            return  # a failover since: what a shard has to count again is not missing
        missing_before, self._missing = self._missing, {}
        found_before, self._found = self._found, {}
        for name, cut in cuts.items():
            seen = [shard.producers.runs[name] for shard in shards if name in shard.producers.runs]
            found = sum(run.distinct for run in seen)
            self._found[name] = max(found, found_before.get(name, 0))
            # fewer than before: some shards have forgotten the run, others not yet
            said = missing(seen, cut) if found == self._found[name] else None
            if said is None:
                said = missing_before.get(name)
            if said is not None:
                self._missing[name] = said
