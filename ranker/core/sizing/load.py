"""What is known of a load, and the shares of what it counts as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ranker.core.generation import Generation
from ranker.core.rules import BOT, DUPLICATE, REPEAT, by_outcome, memory_rules
from ranker.core.sizing.popularity import Popularity

WORDS, RANDOM = "words", "random"
"""Kinds of ids: paths of words, which compress well, or hexadecimal digits."""
TYPES = {"view": 0.97, "share": 0.02, "comment": 0.01}


@dataclass(frozen=True)
class Load:
    """`rate` is events a second on the average of a week, `peak` the busiest two hours' multiple of it.

    `articles` have an event within the longest window, on all `sites` together, which are equally large. `bots` and
    `repeats` are shares of events that those rules drop if they are in force. `catalogue` is the number of articles
    with a record, of `record_bytes` each. `members` are the processes that number their events (collectors, replays).
    """

    rate: float
    articles: int
    id_bytes: int
    ids: str = WORDS
    peak: float = 2.0
    sites: int = 1
    site_bytes: int = 8
    zipf: float = 1.0
    seen: Mapping[float, float] = field(default_factory=dict)
    types: Mapping[str, float] = field(default_factory=lambda: dict(TYPES))
    bots: float = 0.0
    repeats: float = 0.0
    catalogue: int = 0
    record_bytes: int = 250
    members: int = 2
    partitions: int = 4
    replicas: int = 3
    retention_s: float = 864_000.0
    requests: float = 0.0
    streams: int = 0
    lists: int = 6
    flush_s: float = 0.25
    refresh_s: float = 0.5

    @cached_property
    def popularity(self) -> Popularity:
        return Popularity(self.articles, self.zipf, self.rate, self.seen)

    @property
    def peak_rate(self) -> float:
        return self.rate * self.peak

    @property
    def hottest(self) -> float:
        """The share of the events that the shard of the first article has: all of that, and its part of the others."""
        return self.popularity.first() + self.coolest

    @property
    def coolest(self) -> float:
        """The share that each other shard has."""
        return (1 - self.popularity.first()) / self.partitions


def outcomes(load: Load, generation: Generation) -> dict[str, float]:
    """Outcome to its share of the events: types, and what rules in force drop."""
    in_force = by_outcome(generation)
    bots = load.bots if BOT in in_force else 0.0
    repeats = load.repeats * (1 - bots) if REPEAT in in_force else 0.0
    kept = 1.0 - bots
    found = {kind: share * kept for kind, share in load.types.items()}
    if repeats and "view" in found:
        found["view"] = max(0.0, found["view"] - repeats)
    if bots:
        found[BOT] = bots
    if repeats:
        found[REPEAT] = repeats
    return {outcome: share for outcome, share in found.items() if share > 0}


def board_shares(load: Load, generation: Generation) -> dict[str, float]:
    """Board to the share of the events that it weighs."""
    shares = outcomes(load, generation)
    return {name: sum(shares.get(outcome, 0.0) for outcome in weights) for name, weights in generation.boards.items()}


def keys_per_event(load: Load, generation: Generation) -> float:
    """Keys that rules remember of an event on the average: its own, and that of its reader unless it is a repeat."""
    rules = memory_rules(generation)
    if rules is None:
        return 0.0
    shares = outcomes(load, generation)
    events = 1.0 - shares.get(DUPLICATE, 0.0)
    readers = sum(shares.get(kind, 0.0) for kind in rules.types)
    return events * bool(rules.duplicate) + readers * bool(rules.repeat)


def remembered_s(generation: Generation) -> float:
    """For how long rules remember at most: a bucket and the grace."""
    rules = memory_rules(generation)
    return 0.0 if rules is None else (rules.per_ms + rules.grace_ms) / 1000
