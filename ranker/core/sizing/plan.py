"""A load's whole plan, what it costs by given prices, and what would not hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from ranker.core.generation import Generation
from ranker.core.rules import memory_rules
from ranker.core.sizing import constants, kafka, processes
from ranker.core.sizing.kafka import Network, Storage
from ranker.core.sizing.load import Load, keys_per_event, remembered_s
from ranker.core.sizing.processes import BUSY, Processes
from ranker.core.sizing.redis_memory import HISTORY_SITES, RedisMemory, redis_memory

ROOM = 1.3
"""maxmemory over what is counted: for a second generation's beginning, replication buffers, fragmentation."""
REDIS_BYTES = 32e9
"""A server of Redis is planned to hold no more: it copies itself for its append-only file, and starts in minutes."""
ARTICLES_OF_SHARD = 100_000
"""Scripts were measured up to so many (docs/reports/bench-2026-11-24.md, script)."""
MONTH_S = 30.44 * 86_400
LEAST_PARTITIONS = 4


@dataclass(frozen=True)
class Prices:
    """For a month, in any currency: of a GB of memory, a core, a GB of disk, a GB sent to clients. 0: not counted."""

    memory_gb: float = 0.0
    core: float = 0.0
    disk_gb: float = 0.0
    sent_gb: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Bytes, cores and numbers of processes. `bounds` are sentences: what does not hold, with what is then done."""

    load: Load
    memory: RedisMemory
    maxmemory: float
    redis_servers: int
    redis_cores: float
    storage: Storage
    record_bytes: float
    consumers: Processes
    readers: Processes
    collectors: Processes
    network: Network
    bounds: tuple[str, ...]


def partitions_for(load: Load, generation: Generation) -> int:
    """As many as processes that fold, rules' keys and articles of a shard need; 4 at least.

    What the first article alone needs, no number of partitions gives: it is in one of them.
    """
    one, first = replace(load, partitions=1), load.popularity.first()
    rules, keys = memory_rules(generation), keys_at_peak(load, generation)
    wanted = max(
        float(LEAST_PARTITIONS),
        processes.consumers(one, generation).cores / BUSY,
        load.articles / ARTICLES_OF_SHARD,
    )
    if rules is not None:
        left = max(rules.max_keys - keys * first, rules.max_keys / 2)
        wanted = max(wanted, keys * (1 - first) / left)
    return ceil(wanted)


def keys_at_peak(load: Load, generation: Generation) -> float:
    """Keys that rules remember in the busiest hours if nothing is given up."""
    return load.peak_rate * keys_per_event(load, generation) * remembered_s(generation)


def plan(load: Load, generation: Generation) -> Plan:
    """`load.partitions` as it is: see `partitions_for`."""
    memory = redis_memory(load, generation)
    consumers = processes.consumers(load, generation)
    readers = processes.readers(load)
    collectors = processes.collectors(load)
    redis_cores = processes.redis(load, generation, readers.count)
    maxmemory = memory.whole * ROOM
    servers = max(1, ceil(redis_cores / BUSY), ceil(maxmemory / REDIS_BYTES))
    return Plan(
        load,
        memory,
        maxmemory,
        servers,
        redis_cores,
        kafka.storage(load),
        kafka.record_bytes(load),
        consumers,
        readers,
        collectors,
        kafka.network(load, generation, readers.count),
        tuple(_bounds(load, generation, consumers, servers)),
    )


def monthly(one: Plan, prices: Prices, redis_copies: int = 2) -> dict[str, float]:
    """What a month costs by kind; kinds without a price are left out. Redis has `redis_copies` with its replicas."""
    groups = (one.consumers, one.readers, one.collectors)
    memory = one.maxmemory * redis_copies + sum(group.count * group.memory for group in groups)
    cores = one.redis_servers * redis_copies + sum(max(group.count, ceil(group.cores / BUSY)) for group in groups)
    found = {
        "memory": memory / 1e9 * prices.memory_gb,
        "cores": cores * prices.core,
        "disk": (one.storage.whole + one.memory.whole * 2 * redis_copies) / 1e9 * prices.disk_gb,
        "sent": one.network.to_clients * MONTH_S / 1e9 * prices.sent_gb,
    }
    return {kind: cost for kind, cost in found.items() if cost}


def _bounds(load: Load, generation: Generation, consumers: Processes, servers: int) -> list[str]:
    found = []
    least = partitions_for(load, generation)
    if load.partitions < least:
        found.append(
            f"{load.partitions} partitions are too few: one process folds a partition, and rules hold a bounded "
            f"number of keys for each; take {least} (--partitions {least})"
        )
    rules, keys = memory_rules(generation), keys_at_peak(load, generation) * load.hottest
    if rules is not None and keys > rules.max_keys:
        found.append(
            f"rules would remember {keys:,.0f} keys in the shard of the first article, and give up hours beyond "
            f"rules.max_keys = {rules.max_keys:,}: raise it (10 bytes a key in Redis, 15 in a consumer), or count "
            "without rules that remember"
        )
    hot = replace(load, partitions=1, rate=load.rate * load.hottest)
    if (cores := processes.consumers(hot, generation, least=1).cores) > BUSY:
        found.append(
            f"the shard of the first article takes {cores:.1f} cores in the busiest hours, and one process folds it: "
            f"more than {BUSY:g} leave too little for catching up, and no number of partitions helps"
        )
    if consumers.count > load.partitions:
        found.append(
            f"of {consumers.count} consumers only {load.partitions} would have a partition; take more partitions"
        )
    if servers > 1:
        found.append(
            f"one Redis is not enough: take a Redis Cluster of {servers} primaries (docs/runbook.md), or "
            "an installation for each part of the sites"
        )
    refresh = processes.refresh_us(load) / 1e6
    if refresh > load.refresh_s * BUSY:
        found.append(
            f"a reader needs {refresh:.1f} s to read {processes.kept(load):,} lists of {load.partitions} "
            "shards: give each a part of the sites, have fewer boards and windows, or raise serve.refresh_ms (at 1000, "
            "lists of a quiet topic are older than 2 s, the objective, for 10 to 16 % of the time)"
        )
    if load.lists > constants.READER_LISTS:
        found.append(
            f"a reader keeps {constants.READER_LISTS:,} of {load.lists:,} lists, those requested last, and reads "
            "others when they are requested: give each a part of the sites"
        )
    if load.sites > HISTORY_SITES:
        found.append(
            f"rank history is kept of {HISTORY_SITES:,} sites, those in ranker.toml first; the others have none"
        )
    if load.articles / load.partitions > ARTICLES_OF_SHARD:
        found.append(
            f"more than {ARTICLES_OF_SHARD:,} articles in a shard were not measured: scripts may take longer than 30 ms"
        )
    return found
