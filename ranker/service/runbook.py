"""The sections of docs/runbook.md: what alerts, metrics and the findings of `ranker check` name."""

from __future__ import annotations

from enum import StrEnum


class Section(StrEnum):
    """One for each symptom or piece of work; the value is the anchor of its heading."""

    LISTS_OLD = "lists-are-old"
    LISTS_NOT_ANSWERED = "lists-are-not-answered"
    COUNTS_DIFFER = "counts-differ-from-the-log"
    PROCESS_AWAY = "a-process-is-away"
    PARTITION_STOPPED = "a-partition-is-stopped"
    CONSUMERS_BEHIND = "consumers-are-behind"
    REDIS_LOST = "redis-is-lost"
    REDIS_FULL = "redis-is-full"
    REDIS_FAILS_OVER = "redis-fails-over"
    KAFKA_LOST = "kafka-is-lost"
    KAFKA_SLOW = "kafka-is-slow"
    TOPIC_RECREATED = "a-topic-was-created-again"
    TOPIC_SETTINGS = "a-topic-has-wrong-settings"
    REGISTRY_AWAY = "the-schema-registry-is-away"
    CLOCKS_DIFFER = "clocks-differ"
    RECORDS_LOST = "records-were-lost"
    DEAD_LETTERS = "dead-letters"
    PRODUCERS = "a-producer-loses-events-or-is-silent"
    COLLECTOR_REFUSES = "the-collector-refuses-events"
    SPOOL_FILLS = "the-spool-fills"
    WRONG_LIST = "a-list-on-the-site-is-wrong"
    BOT_ATTACK = "bots-push-an-article"
    VIRAL_NIGHT = "a-viral-night"
    PERIODS_MISSING = "a-day-or-a-week-is-missing"
    ADD_PARTITIONS = "adding-partitions"
    UPGRADE = "upgrading-and-rolling-back"
    CHANGE_RULES = "changing-rules"
    REDIS_CLUSTER = "moving-to-redis-cluster"
    RESTORE = "restoring-from-a-backup"
    ROTATE = "rotating-keys-and-salts"


def link(section: Section) -> str:
    """Where the section is, from the root of the project."""
    return f"docs/runbook.md#{section}"
