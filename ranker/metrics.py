"""Every metric. The help texts are the documentation; docs/reference.md repeats them.

A family belongs to the class of the process that sets it. Labels are bounded: partitions, board outcomes, replies,
routes, the first 100 names of producers; never an article, never a site. Counters count since the process started,
unless the help says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from ranker.core.loss import Report
from ranker.service.metrics import Metrics, counter, gauge, histogram, new_registry, show_build

__all__ = ["ConsumerMetrics", "FreezeMetrics", "ReaderMetrics", "VerifyMetrics", "new_registry"]

FRESHNESS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 86400)
"""From one flush to a day behind: not all of a backlog may fall into the last bucket."""
STEP_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Finest around 10 to 30 ms, the duration of the longest scripts allowed."""
STEP_INCREMENTS = (0, 10, 50, 100, 250, 500, 1000, 2000, 3500, 5000, 7500, 10000)
"""Up to the most that one step may hold."""
STEP_BYTES = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)
REQUEST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Lists are served from memory: below a millisecond is normal."""
REFRESH_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

OTHER = "other"
"""Stands for every event type that no board weighs, so that producers cannot invent labels."""
_RULE = "!"


class ConsumerMetrics(Metrics):
    """Metrics of `ranker consume`. `weighed` are the outcomes that boards weigh: they are labels of their own."""

    _events = counter(
        "ranker_events_total{outcome}",
        "Events applied, by outcome: an event type that a board weighs; !duplicate, !bot, !internal or !repeat if that "
        "rule dropped it; "
        "other for a valid type that no board weighs; late; future; dead. An event counts as its value.",
    )
    lag_records = gauge(
        "ranker_lag_records{partition}",
        "Records of the partition that are not applied yet, also while it is stopped or being opened. Absent "
        "until its shard has been read.",
    )
    partition_stopped = gauge(
        "ranker_partition_stopped{partition,reason}",
        "1 while the partition is stopped until an operator decides; /readyz has the sentence: foreign_log, state, "
        "unreadable, fold, create_time, timestamp, schema, bad_records, refused.",
    )
    registry_away = gauge(
        "ranker_registry_away{partition}",
        "1 while the partition waits for the schema registry, which does not reply or refuses us; /readyz has the "
        "sentence. Only with source.format avro.",
    )
    skipped_records = counter(
        "ranker_skipped_records_total{reason}",
        "Records that [source] says are no page views, and which are no dead letters either: method, status, "
        "event_type, pattern.",
    )
    lag_seconds = gauge(
        "ranker_lag_seconds{partition}",
        "Wall clock minus the shard's watermark T: everything that Kafka had committed by T is counted. If it "
        "is negative, T is ahead of the clocks, which is a fault.",
    )
    freshness_seconds = histogram(
        "ranker_freshness_seconds",
        "Time from the append of the oldest record of each step until the step was applied.",
        FRESHNESS_S,
    )
    step_duration_seconds = histogram(
        "ranker_step_duration_seconds",
        "Duration of one step as the consumer measures it: from the call of the advance script until its reply.",
        STEP_S,
    )
    step_increments = histogram(
        "ranker_step_increments",
        "Increments of totals in one step: at most 5,000, or 10,000 if the shard is small.",
        STEP_INCREMENTS,
    )
    step_bytes = histogram(
        "ranker_step_bytes", "Bytes of one step's arguments: increments, slice deltas and replacements.", STEP_BYTES
    )
    advance_replies = counter(
        "ranker_advance_replies_total{reply}",
        "Replies of the advance script: applied, already, floors, behind, rewound, missing, foreign. Only "
        "applied is common; floors and behind come with rebalances.",
    )
    rewinds = counter(
        "ranker_rewinds_total",
        "How often a shard was found at an earlier offset than this process had reached (failover, restore). "
        "The log was read again from there.",
    )
    gaps = counter(
        "ranker_gaps_total",
        "How often records were lost to the counts, because retention had deleted them or they could not be read.",
    )
    lost_records = counter(
        "ranker_lost_records_total",
        "Records lost in gaps: offsets between the next one to count and the first one that the log still "
        "had, or that could be read.",
    )
    dead_letters = counter(
        "ranker_dead_letters_total{reason}", "Records written to the dead letter topic, by the reason in their header."
    )
    strays = gauge(
        "ranker_strays{partition}",
        "Articles counted in this partition although their key belongs to another one. It is 0 unless "
        "partitions were added, a producer uses wrong keys, or the topic is not ours and has other keys.",
    )
    settled_events = counter(
        "ranker_settled_events_total",
        "Events that no rule with a memory looked at, because they came after their hour's end and grace, or after "
        "their hour was given up.",
    )
    buckets_given_up = counter(
        "ranker_buckets_given_up_total",
        "Hours that rules stopped to remember because a partition had more than rules.max_keys keys. Later events of "
        "these hours count without duplicate and repeat.",
    )
    remembered_keys = gauge("ranker_remembered_keys{partition}", "Keys of events and readers that rules remember.")
    live_slices = gauge("ranker_live_slices{partition}", "Slices of the partition that hold counts, in all tiers.")
    clock_offset_seconds = gauge(
        "ranker_clock_offset_seconds",
        "This process' clock minus Redis' clock. If they differ by more than 2 s, nothing is retired.",
    )
    clock_held = gauge(
        "ranker_clock_held",
        "1 while T does not follow the wall clock: this process' or Redis' clock has jumped by more than 2 s "
        "in the last ten minutes, or an older T waits after the start. /readyz has the reason.",
    )
    fold_seam_active = gauge(
        "ranker_fold_seam_active",
        "1 if record batches are taken apart inside the Kafka client, 0 if this version of aiokafka has to be read "
        "record by record (same counts, lower speed).",
    )
    gates_open = gauge("ranker_gates_open", "Partitions that this process reads and applies now.")
    history_written = counter(
        "ranker_history_written_total",
        "Rank history entries that this process wrote: one per list and hour, by the first consumer that writes it.",
    )
    history_age_seconds = gauge(
        "ranker_history_age_seconds",
        "Time since the rank history of the current hour was last found written, by any consumer; before the "
        "first time, since the start. Beyond 1,800 s an hour stays unknown.",
    )
    producer_missing = gauge(
        "ranker_producer_missing{producer}",
        "Events of a producer (NAME of producer_id) that no shard has seen, although later ones came at least "
        "10 s before. It falls again if they arrive late. The consumer of partition 0 sets it for the whole "
        "topic and for producers of the last 24 h; names beyond 100 are shown as other.",
    )
    producer_repeats = gauge(
        "ranker_producer_repeats{producer}",
        "Events of a producer with a sequence that was seen before: they are counted twice.",
    )
    producer_silent_seconds = gauge(
        "ranker_producer_silent_seconds{producer}",
        "Time since a producer's last event was appended, at the oldest watermark T of the shards. It grows "
        "for runs that have ended, too, until 24 h have passed; other is the longest of the names beyond 100.",
    )
    producers_untracked = gauge(
        "ranker_producers_untracked",
        "Events whose sequence is not tracked, because their shard already tracks 256 runs of producers.",
    )

    def __init__(self, registry: CollectorRegistry, weighed: Iterable[str]) -> None:
        show_build(registry, "ranker", "consume")
        super().__init__(registry)
        self._labels = {*weighed, "late", "future", "dead"}

    def show_producers(self, report: Report | None) -> None:
        """Shows the producers of this report and no others; None if another process reports them."""
        for family in (self.producer_missing, self.producer_repeats, self.producer_silent_seconds):
            family.clear()
        self.producers_untracked.set(0)
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

    def show_lag(self, partition: int, records: int, behind_ms: int) -> None:
        """Also for a stopped partition: alerts depend on it."""
        self.lag_records.labels(partition).set(records)
        self.lag_seconds.labels(partition).set(behind_ms / 1000)

    def forget(self, partition: int) -> None:
        """Removes the series of a partition that now belongs to another process."""
        for family in (
            self.lag_records,
            self.lag_seconds,
            self.partition_stopped,
            self.registry_away,
            self.strays,
            self.live_slices,
            self.remembered_keys,
        ):
            family.remove_by_labels({"partition": str(partition)})


class ReaderMetrics(Metrics):
    """Metrics of `ranker serve`."""

    list_age_seconds = gauge(
        "ranker_list_age_seconds",
        "Age of the oldest published list: wall clock minus its as_of. If it is negative, a list's as_of is "
        "ahead of the clock, which is a fault.",
    )
    lists = gauge("ranker_lists", "Published lists: (site, board, window) in use.")
    streams = gauge("ranker_streams", "Open connections that receive a list as server-sent events.")
    connections = gauge("ranker_connections", "Open connections on the public port.")
    refused_connections = counter(
        "ranker_refused_connections_total",
        "Connections answered with 503 and closed, because 1,000 of one client (address or /64) or 8,000 in "
        "all were open.",
    )
    requests = counter(
        "ranker_requests_total{route,status}",
        "Answered requests by route (its template, never its parameters) and HTTP status.",
    )
    request_duration_seconds = histogram(
        "ranker_request_duration_seconds{route}",
        "Time from the request read until the answer is handed to the server, by route.",
        REQUEST_S,
    )
    refresh_duration_seconds = histogram(
        "ranker_refresh_duration_seconds",
        "Duration of one refresh: every shard is read, and lists are merged, rendered and published.",
        REFRESH_S,
    )
    refresh_failures = counter(
        "ranker_refresh_failures_total",
        "Refreshes that published nothing because Redis could not be read. The last lists stay.",
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        show_build(registry, "ranker", "serve")
        super().__init__(registry)


class VerifyMetrics(Metrics):
    """Metrics of one run of `ranker verify --metrics`, for node_exporter's textfile collector."""

    last_run = gauge("ranker_verify_last_run_timestamp_seconds", "When the last run of `ranker verify` ended.")
    failed = gauge(
        "ranker_verify_failed",
        "1 if the last run ended without a result (Kafka or Redis away, Ctrl-C, wrong options): nothing is known "
        "then, and the next three are NaN.",
    )
    differences = gauge(
        "ranker_verify_differences",
        "In how many places Redis and the recounted log differed at the last run: 0 is right.",
    )
    records = gauge("ranker_verify_records", "Records that the last run recounted.")
    unchecked = gauge("ranker_verify_unchecked", "Kinds of counts that the log no longer reached at the last run.")


class FreezeMetrics(Metrics):
    """Metrics of one run of `ranker freeze --metrics`, for node_exporter's textfile collector."""

    last_run = gauge("ranker_freeze_last_run_timestamp_seconds", "When the last run of `ranker freeze` ended.")
    failed = gauge(
        "ranker_freeze_failed",
        "1 if the last run ended without a result (Kafka or Redis away, Ctrl-C): the next two are NaN.",
    )
    made = gauge("ranker_freeze_made", "Documents that the last run made.")
    missing = gauge(
        "ranker_freeze_missing",
        "1 if the last run found what it cannot make: periods of which Kafka has deleted records, although earlier "
        "ones have documents, or sites with a board that the active generation lacks.",
    )
