"""What the consumer reports of the way of events: from the log into the counts."""

from __future__ import annotations

from ranker.service.metrics import Metrics, counter, gauge, histogram
from ranker.service.runbook import Section

FRESHNESS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 7200, 86400)
"""From one flush to a day behind: not all of a backlog may fall into the last bucket."""
STEP_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""Finest around 10 to 30 ms, the duration of the longest scripts allowed."""
STEP_INCREMENTS = (0, 10, 25, 50, 100, 250, 500, 1000, 2000, 3500, 5000, 7500, 10000)
"""Up to the most that one step may hold."""
STEP_BYTES = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)


class ConsumerFlow(Metrics):
    _events = counter(
        "ranker_events_total{outcome}",
        "Events applied, by outcome: an event type that a board weighs; !duplicate, !bot, !internal or !repeat if that "
        "rule dropped it; other for a valid type that no board weighs; late; future; dead. An event counts as its "
        "value.",
        "Of view: traffic. Of a rule's outcome: bots, reloads or a producer that sends twice; if it rises and view "
        "does not, somebody tries to push an article.",
        Section.BOT_ATTACK,
        most=108,
    )
    lag_records = gauge(
        "ranker_lag_records{partition}",
        "Records of the partition that are not applied yet, also while it is stopped or being opened. Absent "
        "until its shard has been read, and while Kafka or Redis does not reply.",
        "The partition is behind: a burst, a backlog after an outage, or it is stopped.",
        Section.CONSUMERS_BEHIND,
    )
    lag_seconds = gauge(
        "ranker_lag_seconds{partition}",
        "Wall clock minus the shard's watermark T: everything that Kafka had committed by T is counted. If it "
        "is negative, T is ahead of the clocks, which is a fault. Absent as ranker_lag_records.",
        "Lists miss so much time. While records wait it is at least 2 s: T keeps that distance, for the sake of "
        "clocks.",
        Section.CONSUMERS_BEHIND,
    )
    partition_stopped = gauge(
        "ranker_partition_stopped{partition,reason}",
        "1 while the partition is stopped until an operator decides; /readyz has the sentence: foreign_log, state, "
        "unreadable, fold, create_time, timestamp, schema, bad_records, refused.",
        "Its views are not counted until somebody acts; the other partitions go on.",
        Section.PARTITION_STOPPED,
    )
    registry_away = gauge(
        "ranker_registry_away{partition}",
        "1 while the partition waits for the schema registry, which does not reply or refuses us; /readyz has the "
        "sentence. Only with source.format avro.",
        "Its views wait.",
        Section.REGISTRY_AWAY,
    )
    skipped_records = counter(
        "ranker_skipped_records_total{reason}",
        "Records that [source] says are no page views, and which are no dead letters either: method, status, "
        "event_type, pattern.",
        "The topic has much besides page views; if it rises while events do not, a filter of [source] may be wrong.",
        Section.WRONG_LIST,
        most=4,
    )
    freshness_seconds = histogram(
        "ranker_freshness_seconds",
        "Time from the append of the oldest record of each step until the step was applied.",
        "Counting is slow or behind: Redis' scripts, the CPU of consumers, or a backlog.",
        Section.CONSUMERS_BEHIND,
        buckets=FRESHNESS_S,
    )
    step_duration_seconds = histogram(
        "ranker_step_duration_seconds",
        "Duration of one step as the consumer measures it: from the call of the advance script until its reply.",
        "Redis is busy or far away, or its disk is slow: scripts of one Redis run one after the other.",
        Section.CONSUMERS_BEHIND,
        buckets=STEP_S,
    )
    step_increments = histogram(
        "ranker_step_increments",
        "Increments of totals in one step: at most 5,000, or 10,000 if the shard is small.",
        "Steps are full: many articles are read at once, or a backlog is counted.",
        buckets=STEP_INCREMENTS,
    )
    step_bytes = histogram(
        "ranker_step_bytes",
        "Bytes of one step's arguments: increments, slice deltas and replacements.",
        "Ids are long, or slices of very many articles are sealed.",
        buckets=STEP_BYTES,
    )
    advance_replies = counter(
        "ranker_advance_replies_total{reply}",
        "Replies of the advance script: applied, already, floors, behind, rewound, missing, foreign. Only "
        "applied is common; floors and behind come with rebalances.",
        "Of rewound: Redis lost steps. Of missing: it was emptied. Of behind or floors, steadily: two consumers have "
        "one partition.",
        Section.REDIS_FAILS_OVER,
        most=7,
    )
    rewinds = counter(
        "ranker_rewinds_total",
        "How often a shard was found at an earlier offset than this process had reached (failover, restore). "
        "The log was read again from there.",
        "Redis came back from an older copy; lists were older for a while, and are exact again.",
        Section.REDIS_FAILS_OVER,
    )
    gaps = counter(
        "ranker_gaps_total",
        "How often records were lost to the counts, because retention had deleted them or they could not be read.",
        "Lists are not complete until the gap has left their window.",
        Section.RECORDS_LOST,
    )
    lost_records = counter(
        "ranker_lost_records_total",
        "Records lost in gaps: offsets between the next one to count and the first one that the log still "
        "had, or that could be read.",
        "So many views are missing in the counts.",
        Section.RECORDS_LOST,
    )
    dead_letters = counter(
        "ranker_dead_letters_total{reason}",
        "Records written to the dead letter topic, by the reason in their header.",
        "A producer writes what is no event; its views are not counted until they are sent again.",
        Section.DEAD_LETTERS,
        most=30,
    )
    settled_events = counter(
        "ranker_settled_events_total",
        "Events that no rule with a memory looked at, because they came after their hour's end and grace, or after "
        "their hour was given up.",
        "Producers send late, so that duplicates and reloads among these are counted.",
        Section.PRODUCERS,
    )
    buckets_given_up = counter(
        "ranker_buckets_given_up_total",
        "Hours that rules stopped to remember because a partition had more than rules.max_keys keys. Later events of "
        "these hours count without duplicate and repeat.",
        "Counts of these hours have duplicates: more partitions, or a higher rules.max_keys.",
        Section.VIRAL_NIGHT,
    )
    fold_seam_active = gauge(
        "ranker_fold_seam_active",
        "1 if record batches are taken apart inside the Kafka client, 0 if this version of aiokafka has to be read "
        "record by record (same counts, lower speed).",
        "0 after an upgrade: this version of aiokafka is not the one that is pinned.",
        Section.UPGRADE,
    )
    fold_kernel = gauge(
        "ranker_fold_kernel{version}",
        "1 if the compiled kernel folds, with its version; 0, and no version, if the plain fold does: the kernel is "
        "not built, is turned off, or [source] describes a topic of others. Same counts, lower speed.",
        "0 where it was 1: this process was installed without its kernel.",
        Section.UPGRADE,
    )
    declined_records = counter(
        "ranker_declined_records_total",
        "Records that the kernel left to the plain fold: dead letters, and valid ones in a form that it does not read, "
        "such as floating point numbers for integers.",
        "As many as events: counting is as slow as without a kernel. See what the producers write.",
        Section.CONSUMERS_BEHIND,
    )
    gates_open = gauge(
        "ranker_gates_open",
        "Partitions that this process reads and applies now.",
        "The sum over all consumers is the topic's number of partitions; less, for longer than a rebalance, is a "
        "partition that nobody counts.",
        Section.CONSUMERS_BEHIND,
    )
