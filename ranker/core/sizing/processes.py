"""CPU and memory of consumers, readers, collectors and Redis, and how many of each there have to be."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ranker.core.generation import Generation
from ranker.core.rules import memory_rules
from ranker.core.sizing import constants
from ranker.core.sizing.load import Load, board_shares, keys_per_event, remembered_s

BUSY = 0.6
"""A process is planned to have so much of a core at most in the busiest hours: the rest is for catching up."""


@dataclass(frozen=True)
class Processes:
    """So many processes; CPU of all together in the busiest hours (cores), and memory of each (bytes)."""

    count: int
    cores: float
    memory: float


@dataclass(frozen=True)
class Increments:
    """Changes of totals a second: of what comes and what leaves, in the busiest hours."""

    coming: float
    leaving: float

    @property
    def whole(self) -> float:
        return self.coming + self.leaving


def increments(load: Load, generation: Generation) -> Increments:
    """A batch adds an article's counts to each window and board once; a slice that leaves subtracts them from one window."""
    coming = leaving = 0.0
    for share in board_shares(load, generation).values():
        if not share:
            continue
        coming += (
            load.popularity.distinct(load.peak_rate * share * load.flush_s) / load.flush_s * len(generation.windows)
        )
        for window in generation.windows:
            grain_s = window.grain_ms / 1000
            leaving += load.popularity.distinct(load.peak_rate * share * grain_s) / grain_s
    return Increments(coming, leaving)


def consumers(load: Load, generation: Generation, least: int = 2) -> Processes:
    """At least two, so that one may be away; no more than partitions."""
    changes = increments(load, generation)
    cores = (
        load.peak_rate * constants.CONSUMER_EVENT_US.value
        + (load.peak_rate * keys_per_event(load, generation)) * constants.CONSUMER_KEY_US.value
        + changes.whole * constants.CONSUMER_INCREMENT_US.value
        + load.partitions * constants.CONSUMER_SHARD_US.value
    ) / 1e6
    count = min(max(least, ceil(cores / BUSY)), max(least, load.partitions))
    cores += count * constants.CONSUMER_IDLE_US.value / 1e6
    rules = memory_rules(generation)
    keys = 0.0
    if rules is not None:
        live = load.peak_rate * keys_per_event(load, generation) * remembered_s(generation)
        keys = min(live, float(rules.max_keys * load.partitions))
    # if one of them is away, the others hold its partitions too
    holding = max(1, count - 1)
    memory = constants.CONSUMER_BYTES.value + keys / holding * constants.CONSUMER_KEY_BYTES.value
    memory += load.articles / holding * (load.id_bytes + 120)
    return Processes(count, cores, memory)


def redis(load: Load, generation: Generation, readers: int) -> float:
    """Cores of all Redis servers' main threads together, in the busiest hours; a server has one."""
    changes = increments(load, generation)
    return (
        load.partitions
        / load.flush_s
        * constants.REDIS_STEP_US.value
        * min(1.0, load.peak_rate * load.flush_s / load.partitions)
        + load.partitions * constants.REDIS_SHARD_US.value
        + changes.whole * constants.REDIS_INCREMENT_US.value
        + load.peak_rate * keys_per_event(load, generation) * constants.REDIS_KEY_US.value
        + readers
        / load.refresh_s
        * refresh_us(load, constants.REDIS_LIST_SHARD_US.value, constants.REDIS_PLACE_US.value)
    ) / 1e6


def readers(load: Load, least: int = 2) -> Processes:
    """Each reads all lists in use twice a second, whatever the traffic; requests and streams are shared."""
    refresh = (
        refresh_us(load, constants.READER_LIST_SHARD_US.value, constants.READER_PLACE_US.value) / load.refresh_s / 1e6
    )
    traffic = (
        load.requests * load.peak * constants.READER_REQUEST_US.value + load.streams * constants.READER_STREAM_US.value
    ) / 1e6
    room = max(0.05, BUSY - refresh)
    count = max(least, ceil(traffic / room), ceil(load.streams / constants.STREAMS))
    memory = (
        constants.READER_BYTES.value
        + load.catalogue * (constants.READER_ARTICLE_BYTES.value + 4 * load.id_bytes)
        + load.lists * _places(load) * (constants.READER_PLACE_BYTES.value + load.id_bytes)
        + load.streams / count * constants.READER_STREAM_BYTES.value
    )
    return Processes(count, count * refresh + traffic, memory)


def refresh_us(load: Load, of_list_and_shard: float, of_place: float) -> float:
    """One refresh: each list reads each shard, and its first places."""
    return load.lists * (load.partitions * of_list_and_shard + _places(load) * of_place)


def _places(load: Load) -> float:
    return min(2_000.0, load.popularity.distinct(load.rate * 86_400) / load.sites)


def collectors(load: Load, least: int = 2) -> Processes:
    """For events that come one in a request, as pages send them."""
    cores = load.peak_rate * constants.COLLECTOR_EVENT_US.value / 1e6
    count = max(least, ceil(cores / BUSY))
    return Processes(count, cores, constants.COLLECTOR_BYTES.value)
