"""The rules that decide whether an event counts: their names, their settings, and what each of them looks at.

In this order: duplicate, bot, internal, repeat. An event that a rule drops counts as `!NAME` instead of its type.
What a rule remembers is in core/memory.py. /definitions says the same to readers (serve/pages/definitions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from xxhash import xxh3_64_digest

if TYPE_CHECKING:
    from ranker.core.event import PageView
    from ranker.core.generation import Generation
    from ranker.core.memory import Memory

RULE_PREFIX = "!"
"""Begins an outcome that a rule assigned; no event type can begin with it."""
DUPLICATE, BOT, INTERNAL, REPEAT = (f"{RULE_PREFIX}{rule}" for rule in ("duplicate", "bot", "internal", "repeat"))
DROPPED = (DUPLICATE, BOT, INTERNAL, REPEAT)
"""Outcomes of dropped events: counted in slices and sums like every outcome, weighed by no board."""

BOTS_NAME = "bots@1"
HOUR_S = 3600


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """Names of the rules in force beside `bots`, "" for one that is not, and what those with a memory go by.

    A *bucket* is the event time divided by `per_ms`, rounded down: by default a clock hour in UTC. `types` are the
    event types of which a reader counts once. Times are milliseconds.
    """

    duplicate: str = ""
    internal: str = ""
    repeat: str = ""
    types: tuple[str, ...] = ()
    per_ms: int = 0
    grace_ms: int = 0
    max_keys: int = 0

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Rules | msgspec.UnsetType:
        """From a validated [rules] table with its defaults; unset if none of these rules is in force."""
        duplicate, internal, repeat = (table[rule] == "drop" for rule in ("duplicate", "internal", "repeat"))
        if not (duplicate or internal or repeat):
            return msgspec.UNSET
        if not (duplicate or repeat):
            return cls(internal="internal@1")
        per_s = table["repeat_per_s"] if repeat else HOUR_S
        return cls(
            duplicate="duplicate@1" if duplicate else "",
            internal="internal@1" if internal else "",
            repeat=_repeat_name(per_s) if repeat else "",
            types=tuple(sorted(table["repeat_types"])) if repeat else (),
            per_ms=per_s * 1000,
            grace_ms=table["grace_s"] * 1000,
            max_keys=table["max_keys"],
        )

    @property
    def remember(self) -> bool:
        """Whether a rule needs to know earlier events."""
        return bool(self.duplicate or self.repeat)


def _repeat_name(per_s: int) -> str:
    """A clock hour is the published rule (COUNTER Code of Practice 5.1, unique items); other values are ours."""
    return "unique_item@counter-5.1" if per_s == HOUR_S else f"repeat-{per_s}s@1"


def memory_rules(generation: Generation) -> Rules | None:
    """The rules of a generation if one of them remembers events, else None."""
    rules = generation.rules
    return None if isinstance(rules, msgspec.UnsetType) or not rules.remember else rules


def by_outcome(generation: Generation) -> dict[str, str]:
    """Outcome of dropped events to the rule that drops them, in the order in which rules look at an event."""
    rules = Rules() if isinstance(generation.rules, msgspec.UnsetType) else generation.rules
    bots = BOTS_NAME if generation.bots == "drop" else ""
    names = (rules.duplicate, bots, rules.internal, rules.repeat)
    return {outcome: name for outcome, name in zip(DROPPED, names, strict=True) if name}


def in_force(generation: Generation) -> tuple[str, ...]:
    """The names of the rules in force, in the order in which they look at an event."""
    return tuple(by_outcome(generation).values())


def dropped_by_rule(generation: Generation, counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """What each rule in force dropped: its outcome without the prefix, to that outcome's sum over `counts`."""
    return {
        outcome.removeprefix(RULE_PREFIX): sum(some.get(outcome, 0) for some in counts)
        for outcome in by_outcome(generation)
    }


def paused_until_ms(generation: Generation, first: int) -> int:
    """Up to which event time fewer rules looked at events for lack of room; `first` is a memory's. 0: never."""
    rules = memory_rules(generation)
    return 0 if rules is None else first * rules.per_ms


def seed_of(generation: Generation) -> int:
    """Of the hashes that stand for events and readers: nobody can choose two with the same one for all generations."""
    return int(generation.id, 16)


class Judge:
    """What events count as, by the rules of one generation."""

    def __init__(self, generation: Generation) -> None:
        rules = Rules() if isinstance(generation.rules, msgspec.UnsetType) else generation.rules
        self._duplicate, self._internal = bool(rules.duplicate), bool(rules.internal)
        self._bots = generation.bots == "drop"
        self._types = frozenset(rules.types)
        self._seed = seed_of(generation)

    def outcome(self, event: PageView, memory: Memory | None) -> str:
        """The event's type, or the rule that drops it. The memory takes up what later events need to know.

        No rule that needs a memory looks at an event whose bucket is settled.
        """
        keys = None if memory is None else memory.keys_at(event.occurred_at)
        if keys is not None:
            # Only the last field of a key may hold the character that separates them.
            what = f"{event.site_id}\0{event.article_id}\0{event.event_type}\0"
            if self._duplicate and event.event_id:
                fields = f"{what}event {event.event_id}"
                if not keys.add(xxh3_64_digest(fields.encode(), self._seed)):
                    return DUPLICATE
        if self._bots and event.agent_class == "bot":
            return BOT
        if self._internal and event.agent_class == "internal":
            return INTERNAL
        if keys is not None and event.event_type in self._types and event.value == 1:
            reader = event.repeat_key or event.visitor_id
            if reader:
                fields = f"{what}reader {reader}"
                if not keys.add(xxh3_64_digest(fields.encode(), self._seed)):
                    return REPEAT
        return event.event_type
