"""Findings on Kafka: whether it is reachable, its topics and their settings, its clocks."""

from __future__ import annotations

from collections.abc import Collection

from ranker.connect.kafka import KafkaSettings
from ranker.core.generation import Generation
from ranker.core.periods import Calendar
from ranker.log import admin
from ranker.log.admin import LogAdmin, TopicState
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.log.value_schemas import ValueSchemas
from ranker.operate import check_periods, check_records, check_rules, check_topics, clocks, topics
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, fault, note, ok, with_fix
from ranker.service import endpoints
from ranker.service.runbook import Section

_NEWEST, _PARTITIONS = 100, 8
"""At most so many records of so many partitions of a foreign topic are decoded as a trial."""


async def findings(
    at: KafkaSettings,
    generation: Generation,
    now_ms: Clock,
    *,
    accept_create_time: bool,
    calendars: Collection[Calendar] = (),
    schemas: ValueSchemas | None = None,
) -> list[Finding]:
    """Findings on Kafka: whether it is reachable, its topics and their settings, its clocks."""
    try:
        async with admin.connected(at) as log:
            brokers = await log.brokers()
            wanted = topics.wanted(generation, calendars)
            there = await log.topics([generation.topic, *(topic.name for topic in wanted)])
            found = [ok("Kafka", f"{brokers} broker{'s' if brokers > 1 else ''} at {endpoints.shown(at.bootstrap)}")]
            if topics.is_foreign(generation):
                state = there.get(generation.topic)
                found += check_topics.foreign(generation, state, accept_create_time)
                if state is not None:
                    newest = await log.newest(state.name, min(state.partitions, _PARTITIONS), _NEWEST)
                    found += await check_records.fits(generation, newest, schemas)
            for topic in wanted:
                judged = [
                    check_topics.create_time(topic.name, accept_create_time)
                    if topics.TIMESTAMPS in sentence
                    else with_fix("Kafka", Section.TOPIC_SETTINGS, sentence)
                    for sentence in topics.faults(topic, there.get(topic.name))
                ]
                found += judged or [check_topics.there(topic.name, there[topic.name])]
            found += [finding for name in sorted(there) for finding in check_topics.out_of_sync(there[name])]
            if generation.topic in there:
                state = there[generation.topic]
                samples = await log.samples(state.name, state.partitions)
                found += check_records.timestamps(state, samples, now_ms())
                if not topics.is_foreign(generation):
                    found += check_records.strangers(generation, samples)
                found += await _times(log, state, now_ms, accept_create_time)
                found += check_rules.append_times(generation, state, accepted=accept_create_time)
                found += check_periods.retention(generation, state, calendars)
            return found
    except (LogUnavailableError, LogRefusedError) as error:
        text, _, fix = str(error).rpartition("; ")
        if not text:
            text, fix = fix, "start it, or set RANKER_KAFKA_BOOTSTRAP to where it is"
        return [fault("Kafka", Section.KAFKA_LOST, f"{endpoints.shown(at.bootstrap)}: {text}", fix)]


async def _times(log: LogAdmin, topic: TopicState, now_ms: Clock, accepted: bool) -> list[Finding]:
    """Whether the newest records have the times that the topic's setting promises; if so, the brokers' clocks."""
    if topics.has_create_time(topic):
        return []  # `check_topics` has reported it
    records = await log.newest(topic.name, min(topic.partitions, _PARTITIONS), 1)
    if all(record.timestamp_type == 1 for record in records):
        return await clocks.brokers(log, topic, now_ms) if records else []
    text = f"the newest records of {topic.name} have their producers' times, in spite of {topics.TIMESTAMPS}"
    if accepted:
        return [note("Kafka", Section.TOPIC_SETTINGS, f"{text}; the settings accept them")]
    return [
        fault(
            "Kafka",
            Section.TOPIC_SETTINGS,
            text,
            "the embedded broker ignores that setting: set RANKER_ENV=development with it, which accepts these times; "
            "if the topic was set later, accept_create_time = true in ranker.toml until the old records are counted",
        )
    ]
