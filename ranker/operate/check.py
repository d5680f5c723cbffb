"""Checks that the configured servers are fit for exact counts. Reports every fault at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import metadata
from itertools import islice
from typing import Any

from ranker.connect.kafka import KafkaSettings
from ranker.core.generation import Generation
from ranker.core.periods import Calendar
from ranker.core.watermark import age_ms
from ranker.log import admin, aiokafka_patch
from ranker.log.admin import LogAdmin, TopicState
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.log.value_schemas import ValueSchemas
from ranker.operate import check_periods, check_records, check_rules, clocks, topics
from ranker.operate.clocks import CLOCKS_APART_MS, TIME_SERVICE, Clock
from ranker.operate.findings import Finding, fault, note, ok, with_fix
from ranker.service import endpoints
from ranker.store import generations, inventory, redis_info
from ranker.store.errors import StoreUnavailableError

OLDEST_REDIS = (7, 0)
_NEWEST, _PARTITIONS = 100, 8
"""At most so many records of so many partitions of a foreign topic are decoded as a trial."""


async def kafka(
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
                found += _foreign(generation, state, accept_create_time)
                if state is not None:
                    newest = await log.newest(state.name, min(state.partitions, _PARTITIONS), _NEWEST)
                    found += await check_records.fits(generation, newest, schemas)
            for topic in wanted:
                judged = [
                    _create_time(topic.name, accept_create_time)
                    if topics.TIMESTAMPS in sentence
                    else with_fix("Kafka", sentence)
                    for sentence in topics.faults(topic, there.get(topic.name))
                ]
                found += judged or [_there(topic.name, there[topic.name])]
            found += [finding for name in sorted(there) for finding in _out_of_sync(there[name])]
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
        return [fault("Kafka", f"{endpoints.shown(at.bootstrap)}: {text}", fix)]


def _there(name: str, state: TopicState) -> Finding:
    return ok("Kafka", f"topic {name}: {state.partitions} partitions, {_acknowledged(state)}")


def _acknowledged(state: TopicState) -> str:
    """What Kafka's acknowledgement of a record guarantees, and with it the collector's 202."""
    if state.replicas < 2:
        return "one copy: what is acknowledged is on one broker"
    least = _least_in_sync(state)
    return f"{state.replicas} copies: what is acknowledged is on {least} brokers at least ({topics.IN_SYNC})"


def _least_in_sync(state: TopicState) -> int:
    return int(state.config.get(topics.IN_SYNC, "1"))


def _out_of_sync(state: TopicState) -> list[Finding]:
    if state.replicas < _least_in_sync(state):
        text = f"topic {state.name} has fewer copies ({state.replicas}) than {topics.IN_SYNC} ({_least_in_sync(state)})"
        fix = f"add replicas with kafka-reassign-partitions.sh, or set {topics.IN_SYNC}={max(1, state.replicas - 1)}"
        return [fault("Kafka", f"{text}: nothing can be written to it", fix)]
    if state.in_sync >= state.replicas:
        return []
    text = f"a partition of {state.name} has {state.in_sync} of its {state.replicas} copies in sync"
    if state.in_sync < _least_in_sync(state):
        return [fault("Kafka", f"{text}: nothing can be written to it", "start the brokers that are away")]
    return [note("Kafka", f"{text}: what it acknowledges now is on no others", "start the brokers that are away")]


def _foreign(generation: Generation, state: TopicState | None, accept_create_time: bool) -> list[Finding]:
    """Findings on a topic of page views that is not ours; its size and retention are its owner's decision."""
    found = [
        with_fix("Kafka", sentence) for sentence in topics.foreign_faults(generation.topic, state, accept_create_time)
    ]
    if state is None:
        return found
    if accept_create_time and topics.has_create_time(state):
        found.append(_create_time(generation.topic, accepted=True))
    retention_ms = int(state.config.get("retention.ms") or -1)
    if 0 <= retention_ms < generation.longest.length_ms:
        text = f"topic {generation.topic} keeps records for {retention_ms / 86_400_000:.1f} days"
        found.append(
            note(
                "Kafka",
                f"{text}, less than window {generation.longest.name}: what Redis loses cannot all be counted again",
            )
        )
    return found or [_there(generation.topic, state)]


def _create_time(topic: str, accepted: bool) -> Finding:
    text = f"topic {topic} has the producers' times instead of the broker's"
    if accepted:
        return note(
            "Kafka", f"{text}, which the settings accept: late and future are as right as the producers' clocks"
        )
    return fault(
        "Kafka",
        text,
        "run `ranker topics apply`, or write accept_create_time = true under [kafka] in ranker.toml",
    )


async def _times(log: LogAdmin, topic: TopicState, now_ms: Clock, accepted: bool) -> list[Finding]:
    """Whether the newest records have the times that the topic's setting promises; if so, the brokers' clocks."""
    if topics.has_create_time(topic):
        return []  # `_create_time` has reported it
    records = await log.newest(topic.name, min(topic.partitions, _PARTITIONS), 1)
    if all(record.timestamp_type == 1 for record in records):
        return await clocks.brokers(log, topic, now_ms) if records else []
    text = f"the newest records of {topic.name} have their producers' times, in spite of {topics.TIMESTAMPS}"
    if accepted:
        return [note("Kafka", f"{text}; the settings accept them")]
    return [
        fault(
            "Kafka",
            text,
            "the embedded broker ignores that setting: set RANKER_ENV=development with it, which accepts these times; "
            "if the topic was set later, accept_create_time = true in ranker.toml until the old records are counted",
        )
    ]


async def redis(client: Any, url: str, generation: str, now_ms: Clock) -> list[Finding]:
    """Findings on Redis: version, eviction policy, role, clock, and what is active. `url` is shown: mask it before."""
    found: list[Finding] = []
    try:
        for one in await redis_info.servers(client, now_ms):
            found += _server(one)
        found += _active(await generations.read_active(client), generation)
    except StoreUnavailableError as error:
        what, _, fix = str(error).partition("; ")
        found.append(fault("Redis", f"{url}: {what}", fix or "start it, or set RANKER_REDIS_URL to where it is"))
    return found


async def unfit(client: Any, now_ms: Clock, noted: Callable[[str], object] | None = None) -> list[str]:
    """Why this Redis would lose or refuse counts, as sentences with the fix: the consumer's check before it counts.

    What it does not tell goes to `noted`. Raises StoreUnavailableError if it does not answer: the consumer waits for
    it. Clocks that differ are left out, since the consumer measures them all the time.
    """
    found = [finding for one in await redis_info.servers(client, now_ms) for finding in _server(one)]
    for one in found:
        if noted is not None and one.kind == "note" and one.fix:
            noted(f"{one.text}; {one.fix}")
    return [f"{one.text}; {one.fix}" for one in found if one.kind == "fault" and one.subject == "Redis"]


def _server(one: redis_info.Server) -> list[Finding]:
    named = f"{one.product} {'.'.join(map(str, one.version))}".rstrip() + (f" at {one.name}" if one.name else "")
    found: list[Finding] = []
    if one.product == "Redis" and one.version and (*one.version, 0) < OLDEST_REDIS:
        found.append(fault("Redis", f"{named} is too old", "run Redis 7.0 or later, or Valkey"))
    elif "EVAL" in one.withheld:
        text = f"{named} does not run our scripts ({one.withheld['EVAL']}), and counts change by them alone"
        rights = "allow this user what it needs (ACL SETUSER … +@read +@write +eval +evalsha +info +time)"
        found.append(fault("Redis", text, f"run Redis 7.0 or later, or Valkey; or {rights}"))
    if not one.policy:
        found.append(
            note(
                "Redis",
                f"{named} does not show its maxmemory-policy{_why(one, 'INFO', 'CONFIG')}",
                "see to it that this is noeviction, or counts are thrown away when its memory is full",
            )
        )
    elif one.policy != "noeviction":
        found.append(
            fault(
                "Redis",
                f"{named} has maxmemory-policy {one.policy}: it would throw counts away",
                "set maxmemory-policy noeviction in its configuration",
            )
        )
    if not one.version and "EVAL" not in one.withheld:
        found.append(
            note(
                "Redis",
                f"{named} does not show its version{_why(one, 'INFO')}, but runs our scripts",
                "see to it that it is Redis 7.0 or later, or a product that promises the same",
            )
        )
    if one.loading:
        found.append(note("Redis", f"{named} is still loading its data"))
    if one.clock_ahead_ms is None:
        found.append(
            note(
                "clocks",
                f"{named} does not show its time{_why(one, 'TIME')}: lists follow the consumers' clocks alone",
                f"allow TIME, or on every machine of theirs {TIME_SERVICE}",
            )
        )
    elif abs(one.clock_ahead_ms) > CLOCKS_APART_MS:
        way = "ahead of" if one.clock_ahead_ms > 0 else "behind"
        text = f"{named}: its clock is {abs(one.clock_ahead_ms) / 1000:.1f} s {way} this machine's; nothing is retired"
        found.append(fault("clocks", text, TIME_SERVICE))
    return found or [ok("Redis", f"{named}, {one.policy}, clock within {max(abs(one.clock_ahead_ms or 0), 1)} ms")]


def _why(one: redis_info.Server, *commands: str) -> str:
    """Why it does not tell something, as far as it was refused; else a field was left out."""
    refused = [f"{command}: {one.withheld[command]}" for command in commands if command in one.withheld]
    return f" ({'; '.join(refused)})" if refused else ""


def _active(active: generations.Active | None, generation: str) -> list[Finding]:
    if active is None:
        return [ok("generation", f"none is active yet; {generation}, of these settings, may begin")]
    if active.generation == generation:
        return [ok("generation", f"{generation} is active, {active.partitions} partitions")]
    return [
        note(
            "generation",
            f"{active.generation} is active, these settings make {generation}: readers show the active one",
            f"when its consumers have caught up, run `ranker generations activate {generation}`",
        )
    ]


async def counting(client: Any, now_ms: Clock, behind_ms: int) -> list[Finding]:
    """Partitions of the active generation whose T is more than `behind_ms` old: stopped, or catching up.

    A T that lies ahead is reported alone: clocks jumped, or this one is wrong. If all partitions are behind, that is a
    note only: perhaps no consumer is meant to run.
    """
    try:
        active = await generations.read_active(client)
        marks = [] if active is None else await inventory.watermarks_ms(client, active.generation, active.partitions)
    except StoreUnavailableError:
        return []  # `redis` reports it
    now = now_ms()
    ahead_ms = max((-age_ms(now, ms) for ms in marks if ms is not None), default=0)
    if ahead_ms > 0:
        text = f"T of a partition lies {ahead_ms // 1000} s ahead of this machine's clock, so lists are not complete"
        return [fault("counting", text, "see that this clock is right, then /readyz of the consumer")]
    behind = {partition: ms for partition, ms in enumerate(marks) if ms is None or now - ms > behind_ms}
    if not behind:
        return [ok("counting", f"{len(marks)} partitions are level")] if marks else []
    shown = [
        f"{partition} ({'not begun' if ms is None else f'{(now - ms) // 1000} s behind'})"
        for partition, ms in islice(behind.items(), _PARTITIONS)
    ]
    text = f"partition {', '.join(shown)}: stands still or catches up, so lists are not complete"
    if len(behind) > len(shown):
        text += f"; so do {len(behind) - len(shown)} more"
    finding = note if len(behind) == len(marks) else fault
    return [finding("counting", text, "see /readyz of its consumer; if none runs, start `ranker consume`")]


def versions() -> list[Finding]:
    """Findings on this process' packages: whether batches can be taken apart inside the client."""
    named = f"aiokafka {metadata.version('aiokafka')}"
    if aiokafka_patch.install():
        return [ok("versions", f"{named}, batches are taken apart inside the client")]
    text = f"{named} is not the version that the fold was written for: counts are the same, speed is not"
    return [note("versions", text, "install the aiokafka of requirements.txt")]
