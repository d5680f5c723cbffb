"""What rules drop, by their definition: each record beside every earlier one of its partition, one after the other.

It imports nothing of the engine. What the engine keeps as hashes stands here as the words themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Remembering(NamedTuple):
    """The rules of a ranker.toml. Without a memory `per_ms` is 0."""

    duplicate: bool = False
    bots: bool = True
    internal: bool = False
    repeat: bool = False
    types: tuple[str, ...] = ("view",)
    per_ms: int = 0
    grace_ms: int = 0
    max_keys: int = 0

    @classmethod
    def of_table(cls, rules: Mapping[str, Any]) -> Remembering:
        press, none = (rules.get("preset") == preset for preset in ("press", "none"))

        def drops(rule: str, *, otherwise: bool) -> bool:
            return bool(rules.get(rule, "drop" if press or (otherwise and not none) else "count") == "drop")

        duplicate, repeat = drops("duplicate", otherwise=False), drops("repeat", otherwise=False)
        per_s = rules.get("repeat_per_s", 3600) if repeat else 3600
        return cls(
            duplicate,
            drops("bots", otherwise=True),
            drops("internal", otherwise=False),
            repeat,
            tuple(rules.get("repeat_types", ["view"])),
            per_s * 1000 if duplicate or repeat else 0,
            rules.get("grace_s", 3600) * 1000,
            rules.get("max_keys", 20_000_000),
        )


class Seen(NamedTuple):
    """An event that is no dead letter. `reader` is "" without a reader key; a `late` one is counted nowhere."""

    offset: int
    occurred_ms: int
    site: str
    article: str
    kind: str
    event_id: str
    reader: str
    agent_class: str
    value: int
    late: bool


@dataclass
class Judged:
    """Offset to the rule that drops its record, and what is remembered after the last one."""

    dropped: dict[int, str] = field(default_factory=dict)
    settled: int = 0
    given_up: int = 0
    latest_ms: int = 0
    first: int = 0
    live: dict[int, int] = field(default_factory=dict)
    """Live bucket to the number of different things in it: events, and readers that counted."""


def judge(seen: Iterable[Seen], rules: Remembering) -> Judged:
    """Judges one partition's events from n0 on, in the order of the log."""
    judged = Judged()
    earlier: dict[int, dict[tuple[str, str, str], list[Seen]]] = {}
    for event in seen:
        if not event.late:
            name = _rule_of(event, rules, judged, earlier)
            if name:
                judged.dropped[event.offset] = name
        judged.latest_ms = max(judged.latest_ms, event.occurred_ms)
        if rules.per_ms:
            _forget(rules, judged, earlier)
    return judged


def _rule_of(
    event: Seen, rules: Remembering, judged: Judged, earlier: dict[int, dict[tuple[str, str, str], list[Seen]]]
) -> str:
    """The rule that drops it, or ""; from here on it is one of the earlier ones."""
    before: list[Seen] | None = None
    if rules.per_ms:
        bucket = event.occurred_ms // rules.per_ms
        if bucket < judged.first or _end_ms(bucket, rules) < judged.latest_ms:
            judged.settled += 1
        else:
            before = earlier.setdefault(bucket, {}).setdefault((event.site, event.article, event.kind), [])
            judged.live.setdefault(bucket, 0)
    if before is not None and rules.duplicate:
        for other in before:
            if other.event_id == event.event_id:
                return "!duplicate"
        judged.live[bucket] += 1
    name = ""
    if rules.bots and event.agent_class == "bot":
        name = "!bot"
    elif rules.internal and event.agent_class == "internal":
        name = "!internal"
    elif before is not None and rules.repeat and event.kind in rules.types and event.value == 1 and event.reader:
        for other in before:
            if other.reader == event.reader and not judged.dropped.get(other.offset) and other.value == 1:
                name = "!repeat"
                break
        else:
            judged.live[bucket] += 1
    if before is not None:
        before.append(event)
    return name


def _end_ms(bucket: int, rules: Remembering) -> int:
    return (bucket + 1) * rules.per_ms + rules.grace_ms


def _forget(rules: Remembering, judged: Judged, earlier: dict[int, dict[tuple[str, str, str], list[Seen]]]) -> None:
    for bucket in [bucket for bucket in judged.live if _end_ms(bucket, rules) < judged.latest_ms]:
        del judged.live[bucket], earlier[bucket]
    while sum(judged.live.values()) > rules.max_keys:
        oldest = min(judged.live)
        del judged.live[oldest], earlier[oldest]
        judged.first = oldest + 1
        judged.given_up += 1
