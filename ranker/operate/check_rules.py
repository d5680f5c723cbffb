"""Findings on the rules by which events count: which are in force, whose times they go by, and which were paused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ranker.core import rules
from ranker.core.generation import Generation
from ranker.log.admin import TopicState
from ranker.operate import topics
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, note, ok
from ranker.service.runbook import Section
from ranker.store import generations, inventory
from ranker.store.errors import StoreUnavailableError

_PARTITIONS = 8
"""At most so many are named."""


def in_force(generation: Generation) -> Finding:
    """The rules of these settings."""
    names = rules.in_force(generation)
    if names:
        return ok("rules", f"{', '.join(names)}; `ranker serve` has their text at /definitions")
    return note(
        "rules",
        Section.CHANGE_RULES,
        "none is in force: crawlers, reloads and events that come again are counted like readers",
        'write preset = "press" under [rules] in ranker.toml, which makes a new generation',
    )


def append_times(generation: Generation, topic: TopicState, *, accepted: bool) -> list[Finding]:
    """Whether a single wrong time of a producer can end what rules remember. `accepted`: producers' times are."""
    remembering = rules.memory_rules(generation)
    if remembering is None or not (accepted or topics.has_create_time(topic)):
        return []
    named = " and ".join(filter(None, (remembering.duplicate, remembering.repeat)))
    text = f"{named} forget by the largest event time, which only the broker's append time bounds"
    return [
        note(
            "rules",
            Section.TOPIC_SETTINGS,
            f"{text}: with the producers' times, one record from 2099 settles everything after it",
            f"set {topics.TIMESTAMPS}=LogAppendTime (`ranker topics apply`), and accept_create_time = false",
        )
    ]


async def paused(client: Any, now_ms: Clock) -> list[Finding]:
    """Partitions of the active generation that had no room for what rules remember, while lists still show it."""
    try:
        active = await generations.read_active(client)
        known = None if active is None else await generations.configuration(client, active.generation)
        remembering = None if known is None else rules.memory_rules(known)
        if active is None or known is None or remembering is None:
            return []
        given_up = await inventory.given_up(client, known.id, active.partitions)
    except StoreUnavailableError:
        return []  # `redis` in check.py reports it
    from_ms = now_ms() - known.longest.length_ms
    shown = []
    for partition, (first, number) in enumerate(given_up):
        until_ms = rules.paused_until_ms(known, first)
        if until_ms > from_ms:
            until = datetime.fromtimestamp(until_ms / 1000, UTC)
            shown.append(f"{partition} (before {until:%Y-%m-%dT%H:%M:%SZ}; {number} so far)")
    if not shown:
        return []
    more = f" and {len(shown) - _PARTITIONS} more" if len(shown) > _PARTITIONS else ""
    text = "buckets of keys were given up, and events counted with fewer rules, in partition "
    text += f"{', '.join(shown[:_PARTITIONS])}{more}"
    return [
        note(
            "rules",
            Section.VIRAL_NIGHT,
            f"{text}: more than {remembering.max_keys:,} keys were live",
            "add partitions to the topic, or raise rules.max_keys, which makes a new generation",
        )
    ]
