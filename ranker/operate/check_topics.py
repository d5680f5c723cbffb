"""Findings on single topics: copies, settings, and what a topic that is not ours may lack."""

from __future__ import annotations

from ranker.core.generation import Generation
from ranker.log.admin import TopicState
from ranker.operate import topics
from ranker.operate.findings import Finding, fault, note, ok, with_fix
from ranker.service.runbook import Section


def there(name: str, state: TopicState) -> Finding:
    return ok("Kafka", f"topic {name}: {state.partitions} partitions, {_acknowledged(state)}")


def _acknowledged(state: TopicState) -> str:
    """What Kafka's acknowledgement of a record guarantees, and with it the collector's 202."""
    if state.replicas < 2:
        return "one copy: what is acknowledged is on one broker"
    least = _least_in_sync(state)
    return f"{state.replicas} copies: what is acknowledged is on {least} brokers at least ({topics.IN_SYNC})"


def _least_in_sync(state: TopicState) -> int:
    return int(state.config.get(topics.IN_SYNC, "1"))


def out_of_sync(state: TopicState) -> list[Finding]:
    if state.replicas < _least_in_sync(state):
        text = f"topic {state.name} has fewer copies ({state.replicas}) than {topics.IN_SYNC} ({_least_in_sync(state)})"
        fix = f"add replicas with kafka-reassign-partitions.sh, or set {topics.IN_SYNC}={max(1, state.replicas - 1)}"
        return [fault("Kafka", Section.TOPIC_SETTINGS, f"{text}: nothing can be written to it", fix)]
    if state.in_sync >= state.replicas:
        return []
    text = f"a partition of {state.name} has {state.in_sync} of its {state.replicas} copies in sync"
    if state.in_sync < _least_in_sync(state):
        return [
            fault(
                "Kafka", Section.KAFKA_LOST, f"{text}: nothing can be written to it", "start the brokers that are away"
            )
        ]
    return [
        note(
            "Kafka",
            Section.KAFKA_LOST,
            f"{text}: what it acknowledges now is on no others",
            "start the brokers that are away",
        )
    ]


def foreign(generation: Generation, state: TopicState | None, accept_create_time: bool) -> list[Finding]:
    """Findings on a topic of page views that is not ours; its size and retention are its owner's decision."""
    found = [
        with_fix("Kafka", Section.TOPIC_SETTINGS, sentence)
        for sentence in topics.foreign_faults(generation.topic, state, accept_create_time)
    ]
    if state is None:
        return found
    if accept_create_time and topics.has_create_time(state):
        found.append(create_time(generation.topic, accepted=True))
    retention_ms = int(state.config.get("retention.ms") or -1)
    if 0 <= retention_ms < generation.longest.length_ms:
        text = f"topic {generation.topic} keeps records for {retention_ms / 86_400_000:.1f} days"
        found.append(
            note(
                "Kafka",
                Section.TOPIC_SETTINGS,
                f"{text}, less than window {generation.longest.name}: what Redis loses cannot all be counted again",
            )
        )
    return found or [there(generation.topic, state)]


def create_time(topic: str, accepted: bool) -> Finding:
    text = f"topic {topic} has the producers' times instead of the broker's"
    if accepted:
        return note(
            "Kafka",
            Section.TOPIC_SETTINGS,
            f"{text}, which the settings accept: late and future are as right as the producers' clocks",
        )
    return fault(
        "Kafka",
        Section.TOPIC_SETTINGS,
        text,
        "run `ranker topics apply`, or write accept_create_time = true under [kafka] in ranker.toml",
    )
