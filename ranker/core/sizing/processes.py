"""CPU and memory of consumers, readers, collectors and Redis, and how many of each there have to be."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ranker.core.generation import Generation
from ranker.core.rules import memory_rules
from ranker.core.sizing import constants
from ranker.core.sizing.load import Load, board_shares, keys_per_event, remembered_s
from ranker.core.sizing.tables import in_row
from ranker.core.step import MAX_COST, SMALL_SHARD, SMALL_TIMES

BUSY = 0.6
"""A process is planned to have so much of a core at most in the busiest hours: the rest is for catching up."""


@dataclass(frozen=True)
class Processes:
    """So many processes; CPU of all together in the busiest hours (cores), and memory of each (bytes)."""

    count: int
    cores: float
    memory: float


def step_s(load: Load, generation: Generation) -> float:
    """Seconds between two steps of a shard: consume.flush_ms, or until a step is full."""
    seconds, most = load.flush_s, MAX_COST / (1 + len(generation.windows))
    if load.articles / load.partitions <= SMALL_SHARD:
        most *= SMALL_TIMES
    while load.popularity.distinct(load.peak_rate * seconds) / load.partitions > most:
        seconds /= 1.25
    return seconds


def steps(load: Load, generation: Generation) -> float:
    """Steps a second of all shards together, those of events."""
    return min(load.peak_rate, load.partitions / step_s(load, generation))


def increments(load: Load, generation: Generation) -> float:
    """Changes of totals a second, in the busiest hours.

    A step adds an article's counts to each window and board once; a slice that leaves subtracts them once.
    """
    found = 0.0
    seconds = step_s(load, generation)
    for share in board_shares(load, generation).values():
        if not share:
            continue
        found += load.popularity.distinct(load.peak_rate * share * seconds) / seconds * len(generation.windows)
        for window in generation.windows:
            grain_s = window.grain_ms / 1000
            found += load.popularity.distinct(load.peak_rate * share * grain_s) / grain_s
    return found


def consumers(load: Load, generation: Generation, least: int = 2) -> Processes:
    """At least two, so that one may be away; no more than partitions."""
    cores = (
        load.peak_rate * constants.CONSUMER_EVENT_US.value
        + (load.peak_rate * keys_per_event(load, generation)) * constants.CONSUMER_KEY_US.value
        + increments(load, generation) * constants.CONSUMER_INCREMENT_US.value
        + steps(load, generation) * constants.CONSUMER_STEP_US.value
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


def redis(load: Load, generation: Generation, reading: int) -> float:
    """Cores of all Redis servers together in the busiest hours, of which each can use little more than one.

    So many readers are `reading`.
    """
    refresh = refresh_redis_us(load)
    return (
        constants.REDIS_IDLE_US.value
        + steps(load, generation) * constants.REDIS_STEP_US.value
        + increments(load, generation) * constants.REDIS_INCREMENT_US.value
        + load.peak_rate * keys_per_event(load, generation) * constants.REDIS_KEY_US.value
        + reading * refresh / load.refresh_s
    ) / 1e6


def readers(load: Load, least: int = 2) -> Processes:
    """Each reads all lists in use twice a second, whatever the traffic; requests and streams are shared."""
    refresh = refresh_us(load) / load.refresh_s / 1e6
    traffic = (
        load.requests * load.peak * constants.READER_REQUEST_US.value + load.streams * constants.READER_STREAM_US.value
    ) / 1e6
    room = max(0.05, BUSY - refresh)
    count = max(least, ceil(traffic / room), ceil(load.streams / constants.STREAMS))
    memory = (
        constants.READER_BYTES.value
        + load.partitions * constants.READER_SHARD_BYTES.value
        + load.catalogue * (constants.READER_ARTICLE_BYTES.value + 4 * load.id_bytes)
        + kept(load)
        * (constants.READER_LIST_BYTES.value + places(load) * (constants.READER_PLACE_BYTES.value + load.id_bytes - 40))
        + load.streams / count * constants.READER_STREAM_BYTES.value
    )
    return Processes(count, count * refresh + traffic, memory)


def refresh_us(load: Load) -> float:
    """One refresh of a reader: of each shard, of each list in each shard, and of what the list has."""
    found = places(load)
    of_list = in_row(constants.READER_LIST_US, constants.READER_PLACES, found)
    of_shard = constants.READER_LIST_SHARD_US.value * min(1.0, found / constants.FULL_ROUND)
    return load.partitions * constants.READER_SHARD_US.value + kept(load) * (of_list + load.partitions * of_shard)


def refresh_redis_us(load: Load) -> float:
    """What that costs Redis."""
    found = places(load)
    of_shard = constants.REDIS_LIST_SHARD_US.value * min(1.0, found / constants.FULL_ROUND)
    of_list = constants.REDIS_LIST_US.value + found * constants.REDIS_PLACE_US.value + load.partitions * of_shard
    return load.partitions * constants.REDIS_SHARD_US.value + kept(load) * of_list


def kept(load: Load) -> int:
    """Lists that a reader reads: those in use, up to what it keeps."""
    return min(load.lists, constants.READER_LISTS)


def places(load: Load) -> float:
    """Of a list that is read: 2,000 at most."""
    return min(2_000.0, load.popularity.distinct(load.rate * 86_400) / load.sites)


def collectors(load: Load, least: int = 2) -> Processes:
    """For events that come one in a request, as pages send them."""
    cores = load.peak_rate * constants.COLLECTOR_EVENT_US.value / 1e6
    count = max(least, ceil(cores / BUSY))
    return Processes(count, cores, constants.COLLECTOR_BYTES.value)
