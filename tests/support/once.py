"""What counts once, by its definition: every record against the earlier ones of its partition, field by field.

It imports nothing of the engine, and nothing is hashed. A `State` is what a stretch of the log comes to; it is never
changed, `look` gives the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HOUR_S = 3600


@dataclass(frozen=True)
class Once:
    """Whether each rule drops; `types` are empty if `repeat` does not. Without `per_ms` no rule needs earlier records."""

    duplicate: bool = False
    bots: bool = True
    internal: bool = False
    types: tuple[str, ...] = ()
    per_ms: int = 0
    grace_ms: int = 0
    max_keys: int = 0

    @property
    def quiet(self) -> bool:
        """No rule beside bots."""
        return not (self.internal or self.per_ms)

    @classmethod
    def read(cls, rules: Mapping[str, Any]) -> Once:
        """The [rules] of a ranker.toml."""
        preset = {"press": "drop", "none": "count"}.get(rules.get("preset", ""))

        def drops(rule: str, default: str = "count") -> bool:
            return bool(rules.get(rule, preset or default) == "drop")

        repeat = drops("repeat")
        remember = repeat or drops("duplicate")
        return cls(
            drops("duplicate"),
            drops("bots", "drop"),
            drops("internal"),
            tuple(rules.get("repeat_types", ("view",))) if repeat else (),
            1000 * (rules.get("repeat_per_s", HOUR_S) if repeat else HOUR_S) if remember else 0,
            1000 * rules.get("grace_s", HOUR_S),
            rules.get("max_keys", 20_000_000),
        )


class Earlier(NamedTuple):
    """What later records of a bucket are compared with. `event_id` and `reader` are None if they are no reason."""

    site: str
    article: str
    event_type: str
    event_id: str | None
    reader: str | None

    @property
    def keys(self) -> int:
        return (self.event_id is not None) + (self.reader is not None)


@dataclass(frozen=True, eq=False)
class State:
    """`live` has the earlier records of each bucket that is neither settled nor given up, if it has any.

    `known` is for a walk along a log that is made again and again: record to (what it came to, the state behind it).
    """

    latest_ms: int = 0
    first: int = 0
    settled: int = 0
    given_up: int = 0
    live: Mapping[int, tuple[Earlier, ...]] = field(default_factory=dict)
    known: dict[Any, tuple[Any, State]] = field(default_factory=dict, repr=False)

    @property
    def met(self) -> set[str]:
        """What has happened to records or buckets on the way."""
        return {name for name in ("settled", "given_up") if getattr(self, name)}

    @property
    def keys(self) -> dict[int, int]:
        """How many keys each live bucket has."""
        return {bucket: sum(earlier.keys for earlier in some) for bucket, some in self.live.items()}


def look(state: State, event: Mapping[str, Any], rules: Once, *, late: bool) -> tuple[str, State]:
    """What a valid event that is not future counts as, and the state behind it. A late one counts as nothing."""
    if not rules.per_ms:
        return _judge(event, None, rules)[0], state
    bucket = event["occurred_at"] // rules.per_ms
    settled = not late and (bucket < state.first or _ends_ms(bucket, rules) < state.latest_ms)
    outcome, seen = _judge(event, None if settled else state.live.get(bucket, ()), rules)
    latest_ms = max(state.latest_ms, event["occurred_at"])
    live = dict(state.live)
    if seen is not None and seen.keys and not (late or settled):
        live[bucket] = (*live.get(bucket, ()), seen)
    live = {number: some for number, some in live.items() if _ends_ms(number, rules) >= latest_ms}
    first, given_up = state.first, state.given_up
    while sum(earlier.keys for some in live.values() for earlier in some) > rules.max_keys:
        oldest = min(live)
        del live[oldest]
        first, given_up = oldest + 1, given_up + 1
    return outcome, State(latest_ms, first, state.settled + settled, given_up, live)


def _ends_ms(bucket: int, rules: Once) -> int:
    return (bucket + 1) * rules.per_ms + rules.grace_ms


def _judge(event: Mapping[str, Any], before: tuple[Earlier, ...] | None, rules: Once) -> tuple[str, Earlier | None]:
    """`before` are the earlier records of its bucket; None if no rule with a memory looks at it."""
    what = event["site_id"], event["article_id"], event["event_type"]
    event_id = event["event_id"] if rules.duplicate else None
    if before is not None and event_id is not None:
        for earlier in before:
            if earlier[:3] == what and earlier.event_id == event_id:
                return "!duplicate", None
    agent_class = event.get("agent_class", "unknown")
    if rules.bots and agent_class == "bot":
        return "!bot", Earlier(*what, event_id, None)
    if rules.internal and agent_class == "internal":
        return "!internal", Earlier(*what, event_id, None)
    reader = event.get("repeat_key") or event.get("visitor_id") or None
    if event["event_type"] not in rules.types or event.get("value", 1) != 1:
        reader = None
    if before is not None and reader is not None:
        for earlier in before:
            if earlier[:3] == what and earlier.reader == reader:
                return "!repeat", Earlier(*what, event_id, None)
    return event["event_type"], Earlier(*what, event_id, reader)
