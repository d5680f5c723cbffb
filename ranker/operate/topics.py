"""Compares the topics with what counts need, and creates, grows and configures them; never shrinks them.

A topic of page views that is not ours ([source] in ranker.toml) is neither created nor changed: it is checked only for
what counting cannot do without.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

import schemas
from ranker.connect.kafka import grant
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.periods import Calendar
from ranker.core.rules import memory_rules
from ranker.core.times import DAY_MS
from ranker.log.admin import LogAdmin, TopicState
from ranker.log.errors import LogRefusedError
from schemas import Topic

REPAIR_MS = 3 * DAY_MS
"""Retention beyond the longest window: the time to repair a failure before uncounted records are lost."""
REPLICAS = 3
"""Copies of every record, if there are as many brokers."""
TIMESTAMPS = "message.timestamp.type"
IN_SYNC = "min.insync.replicas"
RETENTION = "retention.ms"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one topic: what was `done`, and the `faults` that only an operator may mend, with the fix.

    `was_there`: the topic existed.
    """

    topic: str
    done: tuple[str, ...]
    faults: tuple[str, ...]
    was_there: bool = True


def is_foreign(generation: Generation) -> bool:
    """Whether the topic of page views is not ours."""
    return not isinstance(generation.source, msgspec.UnsetType)


def wanted(generation: Generation, calendars: Collection[Calendar] = ()) -> list[Topic]:
    """The topics of schemas/, with the configured name of page views and the retention that windows and periods need.

    Without a foreign topic of page views; `best-of` only if a site has a calendar.
    """
    topics = {topic.name: topic for topic in schemas.topics()}
    kept_ms = needed_ms(generation, calendars)
    ours = _kept(topics["page-views"], generation.topic, kept_ms)
    return [
        *([] if is_foreign(generation) else [ours]),
        _kept(topics["page-views.dead"], f"{generation.topic}.dead", kept_ms),
        topics["articles"],
        *([topics["best-of"]] if calendars else []),
    ]


def needed_ms(generation: Generation, calendars: Iterable[Calendar]) -> int:
    """For how long page views have to be kept: the longest window, or a period until it is made, and time to repair."""
    periods = [period_ms(generation, calendar) for calendar in calendars]
    return max(generation.longest.length_ms + REPAIR_MS, *periods, 0)


def period_ms(generation: Generation, calendar: Calendar) -> int:
    """How old the records are of which a calendar's longest period is made, if that is done within a day."""
    rules = memory_rules(generation)
    return calendar.longest_ms() + FUTURE_MS + (0 if rules is None else rules.per_ms) + DAY_MS


def _kept(topic: Topic, name: str, kept_ms: int) -> Topic:
    """Dead letters too, whose marks must outlast what a rebuild reads again."""
    retention_ms = max(int(topic.config[RETENTION]), kept_ms)
    return replace(topic, name=name, config=topic.config | {RETENTION: str(retention_ms)})


async def apply(admin: LogAdmin, topics: list[Topic], replicas: int | None, *, dry: bool) -> list[Outcome]:
    """Creates missing topics, adds missing partitions, corrects settings; `dry` only reports that.

    `replicas` None: three, or as many as there are brokers. Raises LogUnavailableError.
    """
    there = await admin.topics(topic.name for topic in topics)
    copies = replicas or min(REPLICAS, await admin.brokers())
    return [await _apply(admin, topic, there.get(topic.name), copies, dry=dry) for topic in topics]


async def _apply(admin: LogAdmin, topic: Topic, state: TopicState | None, replicas: int, *, dry: bool) -> Outcome:
    done, faults = [], []
    try:
        if state is None:
            if not dry and not await admin.create(topic.name, topic.partitions, replicas, settings(topic, replicas)):
                why = f"topic {topic.name} exists, but this user may not see it, or it has just been created"
                return Outcome(topic.name, (), (f"{why}; {grant(f'Describe on topic {topic.name}')}",), was_there=True)
            done.append(f"created with {topic.partitions} partitions, {replicas} replicas")
        else:
            if may_grow(topic) and state.partitions < topic.partitions:
                if not dry:
                    await admin.add_partitions(topic.name, topic.partitions)
                done.append(f"raised from {state.partitions} to {topic.partitions} partitions")
            altered = {name: value for name, value, _ in _differing(topic, state) if may_set(state, name)}
            if altered and not dry:
                await admin.alter(topic.name, altered)
            done += [_set(name, value, actual) for name, value, actual in _differing(topic, state) if name in altered]
            faults += [fault for name, fault in _faults(topic, state) if name not in altered]
    except LogRefusedError as refused:
        faults.append(str(refused))
    return Outcome(topic.name, tuple(done), tuple(faults), state is not None)


async def check_foreign(admin: LogAdmin, generation: Generation, *, accept_create_time: bool) -> list[Outcome]:
    """The faults of a foreign topic of page views; empty if the topic is ours. Raises LogUnavailableError."""
    if not is_foreign(generation):
        return []
    state = (await admin.topics([generation.topic])).get(generation.topic)
    faults = foreign_faults(generation.topic, state, accept_create_time)
    return [Outcome(generation.topic, (), tuple(faults), state is not None)]


def foreign_faults(topic: str, state: TopicState | None, accept_create_time: bool) -> list[str]:
    """The faults of a topic that is not ours that would make counting impossible or wrong, each with its fix."""
    if state is None:
        return [
            f"topic {topic} does not exist and, having a [source], is not ours to create; correct topic in ranker.toml"
        ]
    found = []
    if "compact" in _policies(state.config.get("cleanup.policy") or ""):
        found.append(
            f"topic {topic} is compacted: Kafka deletes older views of the same key before they are counted; "
            "have its owner set cleanup.policy=delete"
        )
    if not accept_create_time and has_create_time(state):
        found.append(
            f"topic {topic} has the producers' times instead of the broker's; write accept_create_time = true under "
            f"[kafka] in ranker.toml, or have its owner set {TIMESTAMPS}=LogAppendTime"
        )
    return found


def has_create_time(state: TopicState) -> bool:
    return state.config.get(TIMESTAMPS) != "LogAppendTime"


def may_grow(topic: Topic) -> bool:
    """Whether partitions may be added: in a compacted topic the latest record of a key must stay in one partition."""
    return "compact" not in topic.config["cleanup.policy"]


def settings(topic: Topic, replicas: int) -> dict[str, str]:
    """Kafka's settings of a topic with so many copies: one may be away without stopping writes."""
    in_sync = min(int(topic.config[IN_SYNC]), max(1, replicas - 1))
    return topic.config | {IN_SYNC: str(in_sync)}


def faults(topic: Topic, state: TopicState | None) -> list[str]:
    """Every fault of a topic, each with its fix."""
    if state is None:
        return [f"topic {topic.name} does not exist; run `ranker topics apply`"]
    found = setting_faults(topic, state)
    if may_grow(topic) and state.partitions < topic.partitions:
        found.append(
            f"topic {topic.name} has {state.partitions} partitions instead of {topic.partitions}; "
            "run `ranker topics apply`"
        )
    return found


def setting_faults(topic: Topic, state: TopicState) -> list[str]:
    """Settings that differ from what counts need; more retention, or more copies in sync, is no fault."""
    return [fault for _, fault in _faults(topic, state)]


def may_set(state: TopicState, name: str) -> bool:
    """Whether a setting may be altered: a retention that was given to the topic is a decision (docs/privacy.md)."""
    return name != RETENTION or name not in state.chosen


def _set(name: str, value: str, actual: str) -> str:
    kept = "; records that are there keep their producers' times, so set accept_create_time until they are counted"
    return f"set to {name}={value} (was {actual}{kept if name == TIMESTAMPS else ''})"


def _faults(topic: Topic, state: TopicState) -> Iterator[tuple[str, str]]:
    """Setting to fault, with its fix."""
    for name, value, actual in _differing(topic, state):
        fix = "run `ranker topics apply`"
        if not may_set(state, name):
            command = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name}"
            fix = f"if that was not meant, set it with {command} --add-config {name}={value}"
        yield name, f"topic {topic.name}: {name} is {actual} instead of {value}; {fix}"


def _differing(topic: Topic, state: TopicState) -> Iterator[tuple[str, str, str]]:
    """(setting, required value, actual value) of those that do not suffice."""
    for name, value in settings(topic, state.replicas).items():
        actual = state.config.get(name)
        if not _enough(name, value, actual):
            yield name, value, "not set" if actual is None else _days(actual) if name == RETENTION else actual


def _enough(name: str, value: str, actual: str | None) -> bool:
    if actual is None:
        return name == IN_SYNC  # the embedded broker does not report it
    if name == RETENTION and int(actual) < 0:
        return True
    if name in (RETENTION, IN_SYNC, "max.message.bytes"):
        return int(actual) >= int(value)
    return _policies(actual) == _policies(value) if name == "cleanup.policy" else actual == value


def _policies(text: str) -> set[str]:
    return {policy.strip() for policy in text.split(",")}


def _days(milliseconds: str) -> str:
    return f"{milliseconds} ({int(milliseconds) / DAY_MS:.1f} days)"
