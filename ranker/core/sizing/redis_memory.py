"""Redis' memory by kind: each formula has its line in docs/scale.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from ranker.core.generation import Generation
from ranker.core.memory_estimate import KEY_BYTES
from ranker.core.rules import memory_rules
from ranker.core.sizing import allocator, constants
from ranker.core.sizing.load import Load, board_shares, keys_per_event, outcomes, remembered_s
from ranker.core.sizing.tables import interpolated

HISTORY_PLACES, HISTORY_HOURS, HISTORY_SITES = 200, 192, 1_000
OPEN_S = 60
"""A slice is sealed so long behind its end."""
BLOCKS = 128
"""Of 1,024 sequences each, that are kept of a producer's run."""
MAX_RUNS = 256
"""That a shard tracks."""
_TAG = "ranker:{000000000000.00}:"
_SEALED_HEAD = 1
"""msgpack before a count in an open slice's delta: the count itself, below 128."""


@dataclass(frozen=True)
class RedisMemory:
    """Bytes by kind."""

    totals: float
    slices: float
    remembered: float
    catalogue: float
    history: float
    rest: float
    server: float

    @property
    def counts(self) -> float:
        """What the keys of the shards take."""
        return self.totals + self.slices + self.remembered + self.rest

    @property
    def whole(self) -> float:
        return self.counts + self.catalogue + self.history + self.server


def redis_memory(load: Load, generation: Generation, live_s: float | None = None) -> RedisMemory:
    """`live_s` is for how long rules have remembered; by default as long as they do at most, in the busiest hours."""
    return RedisMemory(
        totals(load, generation),
        slices(load, generation),
        remembered(load, generation, live_s),
        catalogue(load),
        history(load, generation),
        rest(load, generation),
        constants.SERVER_BYTES.value,
    )


def totals(load: Load, generation: Generation) -> float:
    """Sorted sets: one for each window, board, site and shard, with a member for each article."""
    found = 0.0
    for window in generation.windows:
        for board, share in board_shares(load, generation).items():
            articles = load.popularity.distinct(load.rate * share * window.length_ms / 1000)
            sets = min(load.sites * load.partitions, articles)
            name = f"{_TAG}total:{window.name}:{'s' * load.site_bytes}:{board}"
            if sets >= 1:
                found += sets * (allocator.sorted_set(articles / sets, load.id_bytes) + allocator.key(name))
    return found


def slices(load: Load, generation: Generation) -> float:
    """Sealed slices of every tier, and those still open."""
    found = open_slices(load, generation)
    for tier, live in enumerate(live_slices(generation)):
        events = load.rate * generation.windows[tier].grain_ms / 1000
        found += live * load.partitions * sealed_slice(load, generation, events / load.partitions, tier)
    return found


def live_slices(generation: Generation) -> list[float]:
    """Sealed slices of each tier of one shard, if all had events. Half of what is leaving is still there."""
    found, covered_ms = [], 0
    for tier, window in enumerate(generation.windows):
        # the last two of the finest are open
        found.append((window.length_ms - covered_ms) / window.grain_ms + (0.5 if tier else -1.0))
        covered_ms = window.length_ms
    return found


def sealed_slice(load: Load, generation: Generation, events: float, tier: int = 0) -> float:
    """One slice of one shard with so many events on the average; slices without an event are not there."""
    there = 1 - exp(-events)
    if there <= 0:
        return 0.0
    whole = events * load.partitions / there
    shares = outcomes(load, generation)
    articles = load.popularity.distinct(whole) / load.partitions
    pairs = {outcome: load.popularity.distinct(whole * share) / load.partitions for outcome, share in shares.items()}
    sites = max(1.0, load.sites * (1 - exp(-articles / load.sites)))
    cells, counts = articles * sum(1 - exp(-pair / sites) for pair in pairs.values()), sum(pairs.values())
    more = constants.MAP_OUTCOME_BYTES if cells > constants.SPARSE * counts else constants.COLUMN_OUTCOME_BYTES
    content = articles * per_article(load, articles) + max(0.0, counts - articles) * more.value
    content += (sites - 1) * constants.SITE_BYTES.value + articles * (1 - 1 / sites) * constants.OF_SITES_BYTES.value
    name = f"{_TAG}slice:{tier}:00000000"
    return there * (allocator.list_(1, content) + allocator.key(name))


def per_article(load: Load, articles: float) -> float:
    """Compressed bytes of an article in a sealed slice of so many."""
    return interpolated(constants.SEALED[load.ids], constants.SEALED_ARTICLES, load.id_bytes, max(1.0, articles))


def open_slices(load: Load, generation: Generation) -> float:
    """Deltas not compressed yet: of the finest slices until a minute behind their end, and of what has moved on."""
    grain_s = generation.windows[0].grain_ms / 1000
    a_batch = load.popularity.distinct(load.rate * load.flush_s)
    head = 2 if load.id_bytes < 256 else 3
    entry = load.id_bytes + head + 1
    fresh = (grain_s + OPEN_S) / load.flush_s * a_batch * entry
    moved = 0.0
    for finer in generation.windows[:-1]:
        a_slice = load.popularity.distinct(load.rate * finer.grain_ms / 1000)
        moved += a_slice * entry * max(1.0, 2 * OPEN_S * 1000 / finer.grain_ms)
    return fresh + moved


def remembered(load: Load, generation: Generation, live_s: float | None = None) -> float:
    """Keys of 8 bytes in lists, `KEY_BYTES` with what is around them, up to `rules.max_keys` a shard."""
    rules = memory_rules(generation)
    if rules is None:
        return 0.0
    of_second = keys_per_event(load, generation) * (load.peak_rate if live_s is None else load.rate)
    keys = of_second * (remembered_s(generation) if live_s is None else live_s)
    hottest, others = min(keys * load.hottest, rules.max_keys), min(keys * load.coolest, rules.max_keys)
    return KEY_BYTES * (hottest + (load.partitions - 1) * others)


def catalogue(load: Load) -> float:
    """A hash of records, and the order of their changes."""
    name = load.site_bytes + 1 + load.id_bytes
    return allocator.hash_(load.catalogue, name, load.record_bytes) + allocator.sorted_set(load.catalogue, name)


def history(load: Load, generation: Generation) -> float:
    """The first 200 places of each list, hour by hour for 8 days."""
    sites, found = min(load.sites, HISTORY_SITES), 0.0
    for window in generation.windows:
        for share in board_shares(load, generation).values():
            articles = load.popularity.distinct(load.rate * share * window.length_ms / 1000) / load.sites
            places = min(HISTORY_PLACES, articles)
            if places < 1:
                continue
            entry = places * interpolated(constants.HISTORY[load.ids], constants.HISTORY_PLACES, load.id_bytes, places)
            found += sites * allocator.hash_(HISTORY_HOURS, 6, max(65, entry))
    return found


def rest(load: Load, generation: Generation) -> float:
    """Meta, sums, indices, and what is known of producers' sequences."""
    counted = len(outcomes(load, generation)) * len(generation.windows)
    sums = allocator.hash_(load.sites * counted, load.site_bytes + 10, 6)
    names = allocator.set_(load.sites, load.site_bytes)
    blocks = min(BLOCKS, load.rate * 86_400 / max(1, load.members) / 1_024 + 1)
    runs = (
        min(load.members, MAX_RUNS)
        * blocks
        * (allocator.string(30) + allocator.string(132) + allocator.DICT_ENTRY + 12)
    )
    index = 0.0
    for tier, live in enumerate(live_slices(generation)):
        events = load.rate / load.partitions * generation.windows[tier].grain_ms / 1000
        index += live * (1 - exp(-events))
    index = allocator.set_(index, len("0:00000000"))
    return load.partitions * (sums + names + runs + index + constants.META_BYTES.value)


def by_kind(memory: RedisMemory) -> Iterator[tuple[str, float]]:
    """Kind to bytes, as printed."""
    yield "totals (lists)", memory.totals
    yield "slices", memory.slices
    yield "what rules remember", memory.remembered
    yield "catalogue", memory.catalogue
    yield "rank history", memory.history
    yield "sums, sequences, names", memory.rest
    yield "server", memory.server
