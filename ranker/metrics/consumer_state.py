"""What the consumer reports of its sources, its shards and the producers."""

from __future__ import annotations

from ranker.metrics.generation_shown import generation_info
from ranker.service.metrics import Metrics, counter, gauge, optional_gauge
from ranker.service.runbook import Section


class ConsumerState(Metrics):
    generation = generation_info("counts")
    redis_up = optional_gauge(
        "ranker_redis_up",
        "1 while Redis replies to this process, 0 while it does not. Absent until it was requested for the first time.",
        "0: nothing is counted, and readers show what they have.",
        Section.REDIS_LOST,
    )
    kafka_up = optional_gauge(
        "ranker_kafka_up",
        "1 while Kafka replies to this process' requests for the log's ends, 0 while it does not.",
        "0: nothing is counted; what is sent meanwhile is counted later.",
        Section.KAFKA_LOST,
    )
    clock_offset_seconds = optional_gauge(
        "ranker_clock_offset_seconds",
        "This process' clock minus Redis' clock. If they differ by more than 2 s, nothing is retired. Absent while "
        "Redis does not reply.",
        "Beyond 1 s in either direction: NTP of one of the machines is not right.",
        Section.CLOCKS_DIFFER,
    )
    clock_held = gauge(
        "ranker_clock_held",
        "1 while T does not follow the wall clock: this process' or Redis' clock has jumped by more than 2 s "
        "in the last ten minutes, or an older T waits after the start. /readyz has the reason.",
        "Lists grow old until the clock has run evenly for ten minutes.",
        Section.CLOCKS_DIFFER,
    )
    store_full = gauge(
        "ranker_store_full{partition}",
        "1 while views of the partition wait because Redis has no memory for them (maxmemory). Absent while Redis "
        "does not reply.",
        "Nothing more is counted in it until there is memory; old counts are still retired.",
        Section.REDIS_FULL,
    )
    store_bytes = gauge(
        "ranker_store_bytes{partition,kind}",
        "Bytes of Redis' memory that the partition's shard takes, by kind: totals, slices, remembered, producers, "
        "other. Measured once a minute by MEMORY USAGE, to a few per cent. Absent if Redis withholds that command or "
        "does not reply.",
        "Totals and slices grow with the articles that are read, remembered with events and rules; one partition "
        "alone: its keys are uneven.",
        Section.REDIS_FULL,
        most=5,
    )
    redis_memory_used_bytes = gauge(
        "ranker_redis_memory_used_bytes{node}",
        "Memory that Redis uses (used_memory); node is empty, or a Cluster's primary. Absent if Redis withholds INFO "
        "or does not reply.",
        "Near the limit: soon nothing more is counted.",
        Section.REDIS_FULL,
        most=1000,
    )
    redis_memory_limit_bytes = gauge(
        "ranker_redis_memory_limit_bytes{node}",
        "Memory that Redis may use (maxmemory). Absent without a limit, and as the family above.",
        "It should leave room for what an hour adds, and for forks of Redis' own.",
        Section.REDIS_FULL,
        most=1000,
    )
    strays = gauge(
        "ranker_strays{partition}",
        "Articles counted in this partition although their key belongs to another one. It is 0 unless "
        "partitions were added, a producer uses wrong keys, or the topic is not ours and has other keys. Absent while "
        "Redis does not reply.",
        "Readers read more for each list. For a window after partitions were added this is right.",
        Section.ADD_PARTITIONS,
    )
    remembered_keys = gauge(
        "ranker_remembered_keys{partition}",
        "Keys of events and readers that rules remember. Absent while Redis does not reply.",
        "Near rules.max_keys: the hour will be given up, and its later duplicates are counted.",
        Section.VIRAL_NIGHT,
    )
    live_slices = gauge(
        "ranker_live_slices{partition}",
        "Slices of the partition that hold counts, in all tiers. Absent while Redis does not reply.",
        "More than windows have of minutes and hours: events of wrong times come, or nothing is retired.",
        Section.CLOCKS_DIFFER,
    )
    history_written = counter(
        "ranker_history_written_total",
        "Rank history entries that this process wrote: one per list and hour, by the first consumer that writes it.",
        "Low is normal of one consumer: others wrote them.",
    )
    history_age_seconds = gauge(
        "ranker_history_age_seconds",
        "Time since the rank history of the current hour was last found written, by any consumer; before the "
        "first time, since the start. Beyond 1,800 s an hour stays unknown.",
        "Ranks of the hour are not known: no complete list could be read in time.",
        Section.LISTS_OLD,
    )
    producer_missing = gauge(
        "ranker_producer_missing{producer}",
        "Events of a producer (NAME of producer_id) that no shard has seen, although later ones came at least "
        "10 s before. It falls again if they arrive late. The consumer of partition 0 sets it for the whole "
        "topic and for producers of the last 24 h; names beyond 100 are shown as other.",
        "The producer has lost events, or they are on their way for longer than usual.",
        Section.PRODUCERS,
        most=101,
    )
    producer_repeats = gauge(
        "ranker_producer_repeats{producer}",
        "Events of a producer with a sequence that was seen before: they are counted twice.",
        "The producer sends again what the log has; the rule duplicate drops such events if they have an event_id.",
        Section.PRODUCERS,
        most=101,
    )
    producer_silent_seconds = gauge(
        "ranker_producer_silent_seconds{producer}",
        "Time since a producer's last event was appended, at the oldest watermark T of the shards. It grows "
        "for runs that have ended, too, until 24 h have passed; other is the longest of the names beyond 100.",
        "The producer has ended, has no traffic, or cannot reach Kafka.",
        Section.PRODUCERS,
        most=101,
    )
    producers_untracked = optional_gauge(
        "ranker_producers_untracked",
        "Events whose sequence is not tracked, because their shard already tracks 256 runs of producers. Set as "
        "ranker_producer_missing.",
        "Losses among these are not noticed: producers take a new producer_id too often.",
        Section.PRODUCERS,
    )
