"""Collects chunks into batches that fit one script."""

from __future__ import annotations

import logging
from collections import deque

from ranker.core.append_time import is_append_time
from ranker.core.costs import SEQUENCES, Costs
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.step import MAX_COST, MAX_KEYS, SMALL_SHARD, SMALL_TIMES
from ranker.metrics import ConsumerMetrics

log = logging.getLogger(__name__)


def most_cost(articles: int | None) -> int:
    """What a batch may cost on a shard of so many articles, if that is known."""
    return MAX_COST * SMALL_TIMES if articles is not None and articles <= SMALL_SHARD else MAX_COST


def chunk_records(generation: Generation) -> int:
    """Records of one chunk at most: if all its articles are different, it costs twice as much as a batch may."""
    return max(1, min(2_000, 2 * MAX_COST // Costs.of(generation).dearest_article))


_BEHIND_RECORDS = 20_000
"""So far behind the log's end nobody waits for one batch: it may grow for `_BEHIND_S`, since large ones are cheap."""
_BEHIND_S = 2.0


class Batch:
    """The counts of records [start, end), and an upper bound for the cost of their script."""

    def __init__(self, start: int, now_s: float, epoch: int | None) -> None:
        self.end = start
        self.epoch = epoch
        self.since_s = now_s
        self.partial = PartialCounts()
        self._articles: dict[tuple[str, str], set[str]] = {}
        self._cost = 0
        """Without columns, which know their own."""
        self._sequences = 0
        self._keys = 0

    def cost_with(self, partial: PartialCounts, costs: Costs, enough: int = 0) -> int:
        """The batch's cost together with these counts; to be called once for each chunk, before `add`. It may be too
        high if it is not more than `enough`.

        Each article's increments count once, however many slices it is in; too high only if outcomes share a board.
        """
        for group, articles in partial.counts.items():
            _, site, outcome = group
            known = self._articles.get((site, outcome))
            if known is None:
                known = self._articles[site, outcome] = set()
                self._cost += costs.sums
            before = len(known)
            known.update(articles)
            self._cost += (len(known) - before) * costs.article(outcome)
            self._cost += group not in self.partial.counts  # an append to a slice
        self._cost += len(partial.sequences.keys() - self.partial.sequences.keys())
        before = self._sequences // SEQUENCES
        self._sequences += sum(map(len, partial.sequences.values()))
        self._cost += self._sequences // SEQUENCES - before
        self._cost += costs.rejected(partial.rejected)
        mine, columns = self.partial.columns, partial.columns
        if mine is None or columns is None:
            return self._cost + sum(one.cost for one in (mine, columns) if one is not None)
        return self._cost + mine.cost_with(columns, enough - self._cost)

    def keys_with(self, partial: PartialCounts) -> int:
        """How many keys that rules remember the batch has together with these; to be called as `cost_with`."""
        self._keys += partial.memory.size if partial.memory is not None else 0
        return self._keys

    def add(self, end: int, partial: PartialCounts | None) -> None:
        """Adds the next chunk, up to offset `end`."""
        self.end = end
        if partial is not None:
            self.partial.add(partial)

    def show(self, metrics: ConsumerMetrics, wall_ms: int, partition: int) -> None:
        """Updates the metrics and says what was lost, once the batch is applied."""
        partial = self.partial
        for lost in partial.lost:
            log.warning("unreadable", extra={"partition": partition, "from": lost.start, "to": lost.stop})
        log.debug("applied", extra={"partition": partition, "n": self.end, "records": partial.records})
        metrics.gaps.inc(len(partial.lost))
        metrics.lost_records.inc(sum(map(len, partial.lost)))
        if partial.first_append_ms is not None and is_append_time(partial.first_append_ms):
            metrics.freshness_seconds.observe(max(0.0, (wall_ms - partial.first_append_ms) / 1000))
        events: dict[str, int] = {"late": partial.late, "future": partial.future}
        for (_, _, outcome), articles in partial.counts.items():
            events[outcome] = events.get(outcome, 0) + sum(map(abs, articles.values()))
        if partial.columns is not None:
            for outcome, number in partial.columns.events().items():
                events[outcome] = events.get(outcome, 0) + number
        for reason, records in partial.skipped.items():
            metrics.skipped_records.labels(reason).inc(records)
        for rejected in partial.rejected:
            metrics.dead_letters.labels(rejected.reason).inc()
        if partial.memory is not None:
            metrics.settled_events.inc(partial.memory.settled)
            metrics.buckets_given_up.inc(partial.memory.given_up)
        events["dead"] = len(partial.rejected) - partial.future
        metrics.count_events(events)

    def counters(self) -> dict[str, int]:
        """The increments of the shard's counters."""
        partial = self.partial
        lost = sum(map(len, partial.lost))
        counters = {"late": partial.late, "future": partial.future, "dead": len(partial.rejected), "lost": lost}
        if partial.memory is not None:
            counters |= {"settled": partial.memory.settled, "given_up": partial.memory.given_up}
        return counters

    def gap_ms(self, wall_ms: int) -> int | None:
        """Append time of the last record that could not be read, at most now; None if all could."""
        if not self.partial.lost:
            return None
        return min(self.partial.lost_ms, wall_ms) if is_append_time(self.partial.lost_ms) else wall_ms


class Batches:
    """The batches of one partition, oldest first; the last one still grows."""

    def __init__(self, generation: Generation, flush_s: float, most: int = 3) -> None:
        self._costs = Costs.of(generation)
        self._flush_s = flush_s
        self._most = most
        self._waiting: deque[Batch] = deque()
        self.log_end = 0
        """As last seen."""

    def put(
        self,
        start: int,
        end: int,
        partial: PartialCounts | None,
        now_s: float,
        articles: int | None,
        epoch: int | None = None,
    ) -> None:
        """Adds records [start, end) of one leader's `epoch`; `articles` is how many the shard holds, if known."""
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.epoch != epoch or (partial is not None and not self._fits(last, partial, articles)):
            last = Batch(start, now_s, epoch)
            if partial is not None:
                last.cost_with(partial, self._costs)
                last.keys_with(partial)
            self._waiting.append(last)
        last.add(end, partial)

    def _fits(self, batch: Batch, partial: PartialCounts, articles: int | None) -> bool:
        most = most_cost(articles)
        cost, keys = batch.cost_with(partial, self._costs, most), batch.keys_with(partial)
        return cost <= most and keys <= MAX_KEYS

    @property
    def full(self) -> bool:
        """No more may be polled: the store is slower than the log."""
        return len(self._waiting) >= self._most

    def due_s(self) -> float | None:
        """When the oldest batch must be applied: at once (0) if it is complete; None if there is none."""
        if not self._waiting:
            return None
        is_behind = self.log_end - self._waiting[-1].end > _BEHIND_RECORDS
        patience_s = max(self._flush_s, _BEHIND_S) if is_behind else self._flush_s
        return 0.0 if len(self._waiting) > 1 else self._waiting[0].since_s + patience_s

    def pop(self) -> Batch:
        return self._waiting.popleft()

    def clear(self) -> None:
        self._waiting.clear()
        self.log_end = 0
