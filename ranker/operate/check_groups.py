"""Findings on consumer groups: whether somebody counts, and every partition."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ranker.connect.kafka import KafkaSettings
from ranker.core.generation import Generation
from ranker.log import admin
from ranker.log.admin import LogAdmin
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.log.groups import Group, Member, group_of
from ranker.operate.findings import Finding, fault, note, ok
from ranker.service.runbook import Section

_NAMED = 8
"""At most so many members or partitions are named."""


async def findings(at: KafkaSettings, counted: Collection[Generation], begun: str | None) -> list[Finding]:
    """On the group of each generation; nothing if Kafka or a topic is away, which check_kafka reports.

    `begun` is the active generation if it has counts: that one somebody has to count.
    """
    found: list[Finding] = []
    try:
        async with admin.connected(at) as log:
            for generation in counted:
                found += await _of(log, generation, is_begun=generation.id == begun)
    except LogUnavailableError:
        pass
    except LogRefusedError as error:
        text, _, fix = str(error).partition("; ")
        found.append(note("group", Section.CONSUMERS_BEHIND, f"{text}: who counts cannot be seen", fix))
    return found


async def _of(log: LogAdmin, generation: Generation, *, is_begun: bool) -> list[Finding]:
    topic = (await log.topics([generation.topic])).get(generation.topic)
    if topic is None:
        return []
    group = await log.group(group_of(generation), topic.name)
    ends = await log.ends(topic.name, topic.partitions) if group.members else {}
    return [judged(group_of(generation), group, topic.partitions, ends, is_begun=is_begun)]


def judged(name: str, group: Group, partitions: int, ends: dict[int, int], *, is_begun: bool) -> Finding:
    """The finding on a group that is to count so many partitions; `ends` are those of the log.

    Without a member it is a fault if readers show what it has begun to count, else a note: perhaps none is meant to.
    """
    if not group.members:
        text = f"{name} has no member: nobody counts its generation"
        if is_begun:
            return fault("group", Section.PROCESS_AWAY, f"{text}, which readers show", "start `ranker consume`")
        return note("group", Section.PROCESS_AWAY, text, "if somebody should, start `ranker consume`")
    named = f"{name}: {len(group.members)} member{'' if len(group.members) == 1 else 's'}"
    if all(not member.client_id for member in group.members):
        return ok("group", f"{named}; this broker does not report which partitions they have")
    if group.state != "Stable":
        text = f"{named}, which share out the partitions ({group.state})"
        fix = "run `ranker check` again in half a minute; if it stays, a member leaves and comes: see their logs"
        return note("group", Section.CONSUMERS_BEHIND, text, fix)
    taken = frozenset().union(*(member.partitions for member in group.members))
    if missing := sorted(set(range(partitions)) - taken):
        text = f"{named}, and none of them has partition {_some(map(str, missing))}"
        fix = "members see new partitions within kafka.metadata_max_age_ms; beyond that, restart `ranker consume`"
        return fault("group", Section.CONSUMERS_BEHIND, text, fix)
    waiting = sum(max(0, end - group.committed.get(partition, end)) for partition, end in ends.items())
    return ok("group", f"{named} ({_some(map(_member, group.members))}), {waiting:,} records behind what is committed")


def _member(member: Member) -> str:
    return f"{member.client_id} at {member.host.lstrip('/')}: {len(member.partitions)}"


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return f"{', '.join(every[:_NAMED])}{more}"
