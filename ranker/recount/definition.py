"""What decides counts, read from the canonical JSON of a generation: plain dictionaries and numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

FUTURE_MS = 5 * 60 * 1000
"""How far an event's time may lie ahead of its append time."""
APART_MS = 2_000
"""How far the clocks of two brokers may be apart: the next leader's append times may step back by so much."""
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000
"""An append time is milliseconds of the years 2000 to 2099; the last moment is that of event times too."""
MAX_VALUE_BYTES = 1 << 20
_HOUR_MS = 3_600_000


class NotTheDefinitionError(Exception):
    """The definition is not that of the generation it is kept under, or not in a form known here."""


class Window(NamedTuple):
    """A sliding window; its slices are `grain_ms` long."""

    name: str
    length_ms: int
    grain_ms: int


@dataclass(frozen=True)
class Definition:
    """`boards` weigh outcomes. `rules` has the settings of rules beside `bots`; `per_ms` is 0 if none remembers."""

    generation: str
    topic: str
    windows: tuple[Window, ...]
    boards: Mapping[str, Mapping[str, int]]
    lanes: int
    sites: frozenset[str] | None
    drops: frozenset[str]
    """The rules in force: duplicate, bot, internal, repeat."""
    rules: tuple[str, ...] = ()
    """Their names, in the order in which they look at an event."""
    types: frozenset[str] = frozenset()
    per_ms: int = 0
    grace_ms: int = 0
    max_keys: int = 0
    source: Mapping[str, Any] | None = None
    boards_of: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    """Outcome to the boards that weigh it."""

    @property
    def unit_ms(self) -> int:
        """What a stretch of events is known in whole pieces of: a bucket of the rules, or a millisecond."""
        return self.per_ms or 1

    def rank(self, window: str) -> int:
        """The place of a window among all, shortest first."""
        return [each.name for each in self.windows].index(window)


def generation_of(canonical: bytes) -> str:
    """The name of a definition: the first 12 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(canonical).hexdigest()[:12]


def read(canonical: bytes, generation: str) -> Definition:
    """The definition of `generation`. Raises NotTheDefinitionError if these bytes are not its own."""
    if generation_of(canonical) != generation:
        raise NotTheDefinitionError(
            f"what is kept as the definition of generation {generation} is that of {generation_of(canonical)}: "
            "it was changed; `ranker consume` with its ranker.toml writes it anew if it is deleted"
        )
    try:
        found = _read(json.loads(canonical), generation)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NotTheDefinitionError(f"the definition of generation {generation} cannot be read ({error!r})") from error
    if min(found.lanes, *(window.grain_ms for window in found.windows), found.max_keys + 1) < 1:
        raise NotTheDefinitionError(f"the definition of generation {generation} has lanes, grains or keys below one")
    return found


def _read(table: dict[str, Any], generation: str) -> Definition:
    rules = table.get("rules", {})
    drops = {name for name in ("duplicate", "internal", "repeat") if rules.get(name)}
    remember = bool(drops & {"duplicate", "repeat"})
    if table["bots"] == "drop":
        drops.add("bot")
    bots = "bots@1" if "bot" in drops else ""
    named = rules.get("duplicate"), bots, rules.get("internal"), rules.get("repeat")
    boards_of: dict[str, list[tuple[str, int]]] = {}
    for board, weights in table["boards"].items():
        for outcome, weight in weights.items():
            boards_of.setdefault(outcome, []).append((board, weight))
    return Definition(
        generation=generation,
        topic=table["topic"],
        windows=tuple(Window(each["name"], each["length_ms"], each["grain_ms"]) for each in table["windows"]),
        boards=table["boards"],
        lanes=table["lanes"],
        sites=None if table["sites"] is None else frozenset(table["sites"]),
        drops=frozenset(drops),
        rules=tuple(filter(None, named)),
        types=frozenset(rules.get("types", ())),
        per_ms=rules.get("per_ms", _HOUR_MS) if remember else 0,
        grace_ms=rules.get("grace_ms", 0),
        max_keys=rules.get("max_keys", 0),
        source=table.get("source"),
        boards_of={outcome: tuple(pairs) for outcome, pairs in boards_of.items()},
    )


def begins_ms(definition: Definition, floors: tuple[int, ...], tiers: int) -> int:
    """The earliest append time of what can count in the first `tiers` windows, or decide whether something does.

    The start of the bucket that holds the oldest slice, less what an event may lie ahead.
    """
    oldest = min(start_ms(definition, tier, floors) for tier in range(tiers))
    return oldest - oldest % definition.unit_ms - FUTURE_MS


def start_ms(definition: Definition, tier: int, floors: tuple[int, ...]) -> int:
    """When the oldest slice of a tier begins."""
    return floors[tier] // definition.lanes * definition.windows[tier].grain_ms
