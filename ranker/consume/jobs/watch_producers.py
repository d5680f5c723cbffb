"""Reports on the producers beside the counting: missing events, repeated events, silence.

The process that has partition 0 reports for the whole topic. Nothing waits for it.
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

_EVERY_S = 5.0
SETTLE_MS = 10_000
"""How long after a sequence was seen lower ones may still be on the way to the log: a producer sends its batches for
different partitions at different times, and again if a broker changes."""


class ProducerWatch:
    """`has_first` returns whether this process has partition 0, `partitions` their number (0: not known yet)."""

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
        """(when, each run's highest sequence then): missing events up to these sequences are determined next, once
        every shard has counted all that was committed `SETTLE_MS` later."""
        self._missing: dict[str, int] = {}
        self._found: dict[str, int] = {}
        """Number of sequences of each run, over all shards, when its missing ones were last determined."""
        self._began: list[int] = []
        """First counted offset of each shard."""

    async def run(self) -> None:
        """Reports every five seconds, until cancelled; an error is logged once, and the report tried again."""
        expected = (StoreUnavailableError, StoreFullError)
        # watching must not be able to stop the counting
        await periodic(_EVERY_S, self._show, "producers are not watched", expected, never_ends=True)

    async def _show(self) -> None:
        found: Report | None = None
        try:
            found = await self.report() if self._has_first() else None
            if found is None:
                self._forget()
        finally:  # nothing is known while Redis does not reply
            self._metrics.show_producers(found)

    def _forget(self) -> None:
        self._settling = None
        self._missing = {}
        self._found = {}

    async def report(self) -> Report | None:
        """The report as of now, which is also stored for `ranker top`; None until every shard exists.

        Raises StoreUnavailableError and StoreFullError.
        """
        partitions = self._partitions()
        shards = await last_seen(self._client, self._generation, partitions, bitmaps=False)
        if not shards:
            return None
        watermark_ms = min(shard.watermark_ms for shard in shards)
        began = [shard.began for shard in shards]
        if began != self._began:  # Redis was emptied: the log may no longer contain all that was seen before
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
        """Counts the missing events up to these sequences. A run that cannot be judged now keeps its last number."""
        shards = await last_seen(self._client, self._generation, partitions, bitmaps=True)
        if not shards or min(shard.watermark_ms for shard in shards) < since_ms + SETTLE_MS:
            return  # a failover since: events that a shard has to count again are not missing
        missing_before, self._missing = self._missing, {}
        found_before, self._found = self._found, {}
        for name, cut in cuts.items():
            runs = [shard.producers.runs[name] for shard in shards if name in shard.producers.runs]
            found = sum(run.distinct for run in runs)
            self._found[name] = max(found, found_before.get(name, 0))
            # fewer than before: some shards have forgotten the run, others not yet
            number = missing(runs, cut) if found == self._found[name] else None
            if number is None:
                number = missing_before.get(name)
            if number is not None:
                self._missing[name] = number
