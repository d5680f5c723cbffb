"""The consumer's metrics: its declarations together, and what sets several of them at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from ranker.core.loss import Report
from ranker.metrics.consumer_flow import ConsumerFlow
from ranker.metrics.consumer_state import ConsumerState
from ranker.service.metrics import UNKNOWN, show_build

OTHER = "other"
"""Stands for every event type that no board weighs, so that producers cannot invent labels."""
_RULE = "!"


class ConsumerMetrics(ConsumerState, ConsumerFlow):
    """Metrics of `ranker consume`. `weighed` are the outcomes that boards weigh: they are labels of their own."""

    def __init__(self, registry: CollectorRegistry, weighed: Iterable[str]) -> None:
        show_build(registry, "ranker", "consume")
        super().__init__(registry)
        self._labels = {*weighed, "late", "future", "dead"}
        self.measured: set[int] = set()
        """Partitions that have `store_bytes`."""

    def show_producers(self, report: Report | None) -> None:
        """Shows the producers of this report and no others; None if another process reports them."""
        for family in (self.producer_missing, self.producer_repeats, self.producer_silent_seconds):
            family.clear()
        self.producers_untracked.set(UNKNOWN)
        if report is None:
            return
        self.producers_untracked.set(report.untracked)
        for producer in report.producers:
            if producer.missing is not None:
                self.producer_missing.labels(producer.name).set(producer.missing)
            self.producer_repeats.labels(producer.name).set(producer.repeats)
            self.producer_silent_seconds.labels(producer.name).set(report.silent_ms(producer) / 1000)

    def count_events(self, outcomes: Mapping[str, int]) -> None:
        """Adds the applied `outcomes` (outcome to number); types that no board weighs are added up as `other`."""
        for outcome, count in outcomes.items():
            bounded = outcome in self._labels or outcome.startswith(_RULE)
            self._events.labels(outcome if bounded else OTHER).inc(count)

    def show_redis(self, *, up: bool, clock_offset_s: float = UNKNOWN) -> None:
        """Without `clock_offset_s` no Redis replies, so that nothing of it is known."""
        self.redis_up.set(up)
        self.clock_offset_seconds.set(clock_offset_s)
        if math.isnan(clock_offset_s):
            self.forget_store_bytes()
            for family in (
                self.store_full,
                self.redis_memory_used_bytes,
                self.redis_memory_limit_bytes,
                self.lag_records,
                self.lag_seconds,
                self.strays,
                self.live_slices,
                self.remembered_keys,
            ):
                family.clear()

    def show_kafka(self, *, up: bool) -> None:
        """While it does not reply, the log's ends are not known."""
        self.kafka_up.set(up)
        if not up:
            self.lag_records.clear()
            self.lag_seconds.clear()

    def show_lag(self, partition: int, records: int, behind_ms: int) -> None:
        """Also for a stopped partition: alerts depend on it."""
        self.lag_records.labels(partition).set(records)
        self.lag_seconds.labels(partition).set(behind_ms / 1000)

    def show_store_bytes(self, partition: int, kinds: Mapping[str, int]) -> None:
        self.measured.add(partition)
        for kind, size in kinds.items():
            self.store_bytes.labels(partition, kind).set(size)

    def forget_store_bytes(self, partition: int | None = None) -> None:
        """They cannot be measured at present; without a partition none of them."""
        if partition is None:
            self.measured.clear()
            self.store_bytes.clear()
        else:
            self.measured.discard(partition)
            self.store_bytes.remove_by_labels({"partition": str(partition)})

    def show_shard(self, partition: int, strays: int, slices: int, remembered: int | None) -> None:
        """`remembered` is None if no rule remembers anything."""
        self.strays.labels(partition).set(strays)
        self.live_slices.labels(partition).set(slices)
        if remembered is not None:
            self.remembered_keys.labels(partition).set(remembered)

    def forget_lag(self, partition: int) -> None:
        for family in (self.lag_records, self.lag_seconds):
            family.remove_by_labels({"partition": str(partition)})

    def forget(self, partition: int) -> None:
        """Removes the series of a partition that now belongs to another process."""
        self.forget_store_bytes(partition)
        for family in (
            self.lag_records,
            self.lag_seconds,
            self.store_full,
            self.partition_stopped,
            self.registry_away,
            self.strays,
            self.live_slices,
            self.remembered_keys,
        ):
            family.remove_by_labels({"partition": str(partition)})
