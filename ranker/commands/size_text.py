"""The plan of `ranker size` in words."""

from __future__ import annotations

from collections.abc import Iterator

from ranker.core.generation import Generation
from ranker.core.rules import in_force
from ranker.core.sizing.plan import Plan, Prices, monthly
from ranker.core.sizing.processes import Processes
from ranker.core.sizing.redis_memory import by_kind

_UNITS = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def size(count: float) -> str:
    """Bytes in three digits: 1.23 GB."""
    for unit, name in _UNITS:
        if count >= unit * 0.9995:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} B"


def rate(count: float) -> str:
    """Events a second: whole numbers, or three digits below 100."""
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def lines(plan: Plan, generation: Generation, prices: Prices) -> Iterator[str]:
    """Every figure; each has its formula in docs/scale.md."""
    load = plan.load
    yield (
        f"{rate(load.rate)} events/s on average, {rate(load.peak_rate)} in the busiest hours; {load.articles:,} "
        f"articles with ids of {load.id_bytes} bytes ({load.ids}), {load.sites:,} site{'s' * (load.sites > 1)}"
    )
    yield (
        f"windows {', '.join(window.name for window in generation.windows)}; boards {', '.join(generation.boards)}; "
        f"rules {', '.join(in_force(generation)) or 'none'}"
    )
    minute = load.popularity.distinct(load.rate * 60)
    hour = load.popularity.distinct(load.rate * 3600)
    yield f"different articles: {minute:,.0f} in a minute, {hour:,.0f} in an hour"
    yield ""
    yield "Redis"
    for kind, count in by_kind(plan.memory):
        if count:
            yield _row(kind, size(count))
    yield _row("in all", size(plan.memory.whole))
    yield _row(
        "maxmemory", f"{size(plan.maxmemory)}, on each replica too; twice that on its machine while it rewrites its log"
    )
    yield _row("CPU", f"{plan.redis_cores:.2f} cores; primaries: {plan.redis_servers}")
    yield ""
    yield "Kafka"
    yield _row("partitions", f"{load.partitions}")
    yield _row(
        "page-views", f"{size(plan.storage.page_views)}: {load.retention_s / 86_400:g} days, {load.replicas} copies, "
        f"{plan.record_bytes:.0f} bytes an event",
    )  # fmt: skip
    yield _row("articles", size(plan.storage.articles))
    yield ""
    yield "Processes"
    for name, group in (("consumers", plan.consumers), ("readers", plan.readers), ("collectors", plan.collectors)):
        yield _row(name, _processes(group))
    yield ""
    yield "Network, in the busiest hours"
    for name, count in (
        ("into Kafka", plan.network.into_kafka),
        ("between brokers", plan.network.between_brokers),
        ("to consumers", plan.network.to_consumers),
        ("to Redis", plan.network.to_redis),
        ("to readers", plan.network.to_readers),
        ("to clients", plan.network.to_clients),
    ):
        if count:
            yield _row(name, f"{size(count)}/s")
    costs = monthly(plan, prices)
    if costs:
        yield ""
        yield "A month, by the prices given"
        for name, cost in (*costs.items(), ("in all", sum(costs.values()))):
            yield _row(name, f"{cost:,.0f}")
    for number, bound in enumerate(plan.bounds):
        if not number:
            yield ""
            yield "What does not hold"
        yield f"  {bound}"


def _processes(group: Processes) -> str:
    of_each = group.cores / group.count
    more = ": more than one can use, see below" if of_each > 1 else ""
    return f"{group.count}, {of_each:.2f} cores and {size(group.memory)} each{more}"


def _row(name: str, value: str) -> str:
    return f"  {name:22} {value}"
