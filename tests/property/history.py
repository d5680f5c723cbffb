"""What is drawn for one history: its profile and its configuration."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from ranker.core import rules as engine
from ranker.core.generation import Generation, Window, faults
from tests.property.sequences import Bounds
from tests.support.once import Once
from tests.support.recount import Rules

SITES = ("p", "q.fr")
ARTICLES = (*"abcdef", "é/1", "/x?y=1", *(f"g{number}" for number in range(60)))
TYPES = ("view", "view", "view", "comment", "share", "odd")

_WINDOWS = (
    (Window("24h", 10_000, 2_000), Window("7d", 30_000, 6_000)),
    (Window("24h", 10_000, 2_000), Window("7d", 30_000, 6_000)),
    (Window("24h", 9_000, 1_000), Window("7d", 24_000, 4_000)),
    (Window("h", 6_000, 1_000), Window("d", 12_000, 2_000), Window("w", 36_000, 6_000)),
    (Window("h", 12_000, 2_000),),
)


@dataclass(frozen=True, eq=False)
class Profile:
    """What a history is rich in; what is rare stays rare however many histories there are."""

    name: str
    trouble: Mapping[str, float] = field(default_factory=dict)
    """Weights of the kinds of trouble; the machine's own if a kind is not named."""
    only: bool = False
    """No other kinds than the named."""
    two_owners: float = 0.4
    slow: tuple[tuple[float, float], ...] = ((0.1, 0.0), (0.1, 0.0), (0.1, 0.3), (0.7, 0.0))
    """(share of slow polls, share of slow steps), in the order of the processes."""
    ahead_ms: tuple[int, ...] | None = None
    """How far the processes' clocks are ahead, in their order; drawn if it is None."""
    lanes: tuple[int, ...] = (1, 3, 4, 8)
    max_cost: tuple[int, ...] = (2, 4, 12, 5_000)
    miskeyed: tuple[float, ...] = (0.0, 0.0, 0.05, 0.3)
    articles: int = 8
    boundary: float = 0.55
    """Share of the events that lie elsewhere than now."""
    leaving: float = 0.0
    """Share of the events that lie in the slice in which a floor stands, or beside it."""
    length_s: tuple[float, ...] = (6.0, 12.0, 24.0)
    """Virtual seconds of trouble."""
    preloaded: tuple[int, ...] = (0, 20, 60)
    """Records that are there before anybody counts."""
    pace_s: tuple[float, ...] = (0.1, 0.3, 0.8)
    half_way: float = 0.1
    """Share of the moments between two lanes of a slice at which its consumers are killed, some to come back with a
    clock that is wrong: they go on counting and leave the slice as it is."""
    hurry: bool = False
    """Ticks are short, and a scan of the strays begins at every one."""
    partitions: tuple[int, ...] = (1, 1, 2, 3)
    ruled: float = 0.4
    """Share of the histories that have rules beside bots."""
    max_keys: tuple[int, ...] = (1_000_000, 60, 25, 8)


PROFILES = (
    Profile("wild"),
    Profile("wild", articles=30, slow=((0.1, 0.0),), two_owners=0.7),
    Profile(
        "floors",
        {"rebalance": 0.4, "leader": 0.3, "crash": 0.2},
        only=True,
        two_owners=1.0,
        slow=((0.0, 0.6), (1.0, 0.2)),
        ahead_ms=(6_000, 0),  # who reads never retires, who retires never reads
        lanes=(8,),
        max_cost=(2, 4),
        miskeyed=(0.3, 0.6),
        articles=40,
        boundary=0.85,
        leaving=0.6,
        length_s=(16.0, 24.0),
        pace_s=(0.3,),
        hurry=True,
        partitions=(1, 2),
    ),
    Profile(
        "lanes",
        {"rebalance": 0.5, "crash": 0.3},
        only=True,
        slow=((0.0, 0.0), (0.1, 0.2)),
        lanes=(8,),
        max_cost=(2, 4),
        articles=40,
        leaving=0.6,
        pace_s=(0.3,),
        half_way=0.2,
        partitions=(1, 2),
    ),
    Profile(
        "partitions",
        {"grow": 2.0, "rebalance": 3.0, "crash": 1.0, "fail_over": 1.0},
        only=True,
        two_owners=0.8,
        slow=((0.1, 0.0), (0.1, 0.2)),
        miskeyed=(0.05, 0.3),
        articles=30,
        preloaded=(0,),
        hurry=True,
    ),
    Profile(
        "gaps",
        {"disaster": 3.0, "emptied": 0.5, "rebalance": 0.5, "leader": 0.2},
        only=True,
        two_owners=0.3,
        slow=((0.0, 0.0), (0.0, 0.0), (0.1, 0.3)),
        max_cost=(12, 5_000),
        pace_s=(0.8, 1.5),
        partitions=(1, 2),
    ),
    Profile(
        "memory",
        {"full": 3.0, "rebalance": 1.0, "crash": 1.0, "retention": 1.0, "disaster": 2.0},
        only=True,
        slow=((0.1, 0.0), (0.1, 0.2)),
        pace_s=(0.3, 0.8),
    ),
    Profile(
        "clocks",
        {"jump": 3.0, "rebalance": 1.0, "leader": 0.5, "weather": 0.5, "fail_over": 0.3},
        only=True,
        ahead_ms=(0, 300, -700),
        two_owners=0.2,
        slow=((0.0, 0.0), (0.1, 0.0)),
        partitions=(1, 2),
    ),
    Profile(
        "rules",
        {"rebalance": 4.0, "full": 0.8, "flush": 0.4, "clock": 0.0},
        ahead_ms=(0, 300, -700),
        slow=((0.1, 0.0), (0.1, 0.2)),
        max_cost=(4, 12, 5_000),
        pace_s=(0.1, 0.3),
        preloaded=(0, 60, 120),
        partitions=(1, 1, 2),
        ruled=1.0,
    ),
)


@dataclass(frozen=True)
class Drawn:
    """One history's fixed part. `future_ms` takes the place of the engine's five minutes."""

    profile: Profile
    generation: Generation
    rules: Rules
    future_ms: int
    max_cost: int
    flush_s: float
    miskeyed: float
    negative: float
    broken: float


def draw(rng: random.Random, profile: Profile) -> Drawn:
    windows = rng.choice(_WINDOWS)
    future_ms = rng.choice((3_000, 5_000))
    generation = Generation(
        topic="page-views",
        windows=windows,
        boards={"read": {"view": 1}, "engaged": {"view": 1, "comment": 3}}
        if rng.random() < 0.8
        else {"read": {"view": 1}},
        lanes=rng.choice(profile.lanes),
        bots=rng.choice(("drop", "drop", "count")),
        sites=("p",) if rng.random() < 0.15 else None,
    )
    assert not faults(generation)
    rules = Rules(
        windows=tuple((w.name, w.length_ms, w.grain_ms) for w in windows),
        boards=generation.boards,
        lanes=generation.lanes,
        once=Once(bots=generation.bots == "drop"),
        sites=generation.sites,
        future_ms=future_ms,
    )
    return Drawn(
        profile,
        generation,
        rules,
        future_ms,
        max_cost=rng.choice(profile.max_cost),
        flush_s=rng.choice((0.0, 0.05, 0.25, 1.0)),
        miskeyed=rng.choice(profile.miskeyed),
        negative=rng.choice((0.0, 0.1, 0.4)),
        broken=rng.choice((0.0, 0.02, 0.1)),
    )


def bounded(drawn: Drawn, rng: random.Random) -> Drawn:
    """The same with small bounds for what is seen of producers, so that all of them are met."""
    bounds = Bounds(block=8, kept=rng.choice((2, 5)), head=2, runs=rng.choice((3, 256)))
    return replace(drawn, rules=replace(drawn.rules, bounds=bounds))


def ruled(drawn: Drawn, rng: random.Random) -> Drawn:
    """The same, in a part of the histories with rules beside bots: buckets of seconds, and bounds that are reached."""
    if rng.random() >= drawn.profile.ruled:
        return drawn
    duplicate, internal, repeat = rng.choice(((1, 1, 1), (1, 1, 1), (1, 0, 1), (1, 0, 0), (0, 1, 1), (0, 1, 0)))
    types = rng.choice((("view",), ("view",), ("share", "view"), ("odd",))) if repeat else ()
    remember = duplicate or repeat
    per_ms, grace_ms = rng.choice((2_000, 3_000, 5_000, 7_000)), rng.choice((0, 1_000, 3_000, 8_000))
    rules = engine.Rules(
        "duplicate@1" if duplicate else "",
        "internal@1" if internal else "",
        "repeat@1" if repeat else "",
        types,
        *((per_ms, grace_ms, rng.choice(drawn.profile.max_keys)) if remember else ()),
    )
    once = Once(
        bool(duplicate), drawn.rules.once.bots, bool(internal), types, rules.per_ms, rules.grace_ms, rules.max_keys
    )
    generation = msgspec.structs.replace(drawn.generation, rules=rules)
    return replace(drawn, generation=generation, rules=replace(drawn.rules, once=once))
