"""What one refresh of the reader costs at 64 shards: time, CPU and commands, for one list and for all of a site."""

from __future__ import annotations

import heapq
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis
import uvloop

from ranker.connect.redis import connect
from ranker.core.generation import Generation, ListName
from ranker.core.merge import PLACES
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.live.build_live import build_live
from ranker.serve.live.published import Ages
from ranker.serve.live.refresh import Refresh
from ranker.service.tuning import collect_seldom
from ranker.store.keys import ShardKeys
from tests.bench import ids, processes
from tests.bench.figures import Part, percentile
from tests.bench.progress import Progress
from tests.bench.shards import begin, homes
from tests.bench.stack import Stack
from tests.bench.traffic import SITE
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at

SHARDS = 64
PLAIN = "1 list, the plain way"
PLAIN_SELDOM = 10
"""Refreshes for each one made the plain way, which takes ten times as long."""
ARTICLES = 100_000
TARGETS = {"1 list": "< 20", "6 lists": "< 100"}
"""Milliseconds that the p99 is to stay under."""
GENERATION = Generation("bench-refresh", DEFAULT_WINDOWS, DEFAULT_BOARDS)
ALL = [ListName(SITE, board, window.name) for window in GENERATION.windows for board in GENERATION.boards]


@dataclass(frozen=True)
class Cost:
    """One repeat: milliseconds of each refresh, CPU milliseconds and commands per refresh."""

    took_ms: list[float]
    cpu_ms: float
    redis_cpu_ms: float
    commands: float


def run(stack: Stack, repeats: int, quick: bool, progress: Progress) -> Part:
    """Both numbers of lists and the plain way take turns; p50 and p99 are of all their refreshes together."""
    part = Part("refresh")
    rounds = 10 if quick else 60
    stack.empty_redis()
    with progress.task(f"refreshes at {SHARDS} shards", repeats + 1) as done:
        costs = uvloop.run(_measure(stack, rounds, repeats, done))
    stack.empty_redis()
    took = {what: [ms for cost in each for ms in cost.took_ms] for what, each in costs.items()}
    p50 = {what: percentile(each, 0.50) for what, each in took.items()}
    for what, each in costs.items():
        label = f"{what}: "
        part.add(label + "p50", p50[what], "ms", beside=f"{len(took[what])} refreshes in {repeats} turns")
        part.add(label + "p99", percentile(took[what], 0.99), "ms", TARGETS.get(what, ""))
        part.add(label + "CPU of the reader", statistics.median(cost.cpu_ms for cost in each), "ms")
        part.add(label + "CPU of Redis", statistics.median(cost.redis_cpu_ms for cost in each), "ms")
        part.add(label + "Redis commands", statistics.median(cost.commands for cost in each), "per refresh")
    one, six, plain = p50
    part.add(f"{six} / {one}", p50[six] / p50[one], "times")
    part.add(f"{one} / {plain}", p50[one] / p50[plain], "times")
    part.notes.append(
        f"{ARTICLES:,} articles with ids of 7 characters on {SHARDS} shards of one Redis; the reader's own refresh (what is "
        f"active, the catalogue, the lists), one after the other. The plain way reads the first {PLACES:,} places of every "
        "shard in one pipeline and merges them. MULTI and EXEC count as commands."
    )
    part.details["took_ms"] = took
    return part


async def _measure(stack: Stack, rounds: int, repeats: int, done: Callable[[float], None]) -> dict[str, list[Cost]]:
    async with connect(redis_at(stack.redis.url)) as client:
        await _fill(client)
        done(1)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "1 list": _refresh_of(client, ALL[:1]).refresh,
            f"{len(ALL)} lists": _refresh_of(client, ALL).refresh,
            PLAIN: lambda: _plain(client),
        }
        costs: dict[str, list[Cost]] = {what: [] for what in ways}
        with stack.redis.client() as counter:
            for _ in range(repeats):
                for what, refresh in ways.items():
                    often = rounds if what != PLAIN else max(1, rounds // PLAIN_SELDOM)
                    costs[what].append(await _cost(refresh, often, counter, stack.redis.pid))
                done(1)
    return costs


async def _fill(client: Any) -> None:
    now_ms = int(time.time() * 1000)
    shards = await begin(client, GENERATION, SHARDS, now_ms)
    articles = ids.article_ids(ARTICLES, "7")
    at = homes(articles, SHARDS)
    counts = ids.expected(ARTICLES, 100 * ARTICLES)
    for number, shard in enumerate(shards):
        here = [(rank, article) for rank, article in enumerate(articles) if at[article] == number]
        of_kind = {kind: {article: each[rank] for rank, article in here} for kind, each in counts.items()}
        await shard.count(now_ms // GENERATION.windows[0].grain_ms, of_kind)


def _refresh_of(client: Any, lists: list[ListName]) -> Refresh:
    """A reader with these lists in use, at a time that stands still: they stay in use and fresh."""
    now_ms = int(time.time() * 1000)
    metrics = ReaderMetrics(new_registry())
    _, demand, refresh, _ = build_live(
        client, sites={}, refresh_ms=1_000, ages=Ages(60_000, 120_000), metrics=metrics, now_ms=lambda: now_ms
    )
    for name in lists:
        demand.use(name)
    return refresh


async def _plain(client: Any) -> list[tuple[int, bytes]]:
    pipe = client.pipeline(transaction=False)
    for shard in range(SHARDS):
        key = ShardKeys(GENERATION.id, shard).total(ALL[0].window, SITE, ALL[0].board)
        pipe.execute_command("ZRANGE", key, 0, PLACES - 1, "REV", "WITHSCORES")
    rows = (zip(map(int, flat[1::2]), flat[::2], strict=True) for flat in await pipe.execute())
    return heapq.nlargest(PLACES, (row for each in rows for row in each))


async def _cost(refresh: Callable[[], Awaitable[object]], rounds: int, counter: redis.Redis, pid: int) -> Cost:
    for _ in range(2):  # connections open, hints learnt
        await refresh()
    collect_seldom()  # as the reader does
    took = []
    commands, cpu, redis_cpu = _commands(counter), time.process_time(), processes.cpu_s(pid)
    for _ in range(rounds):
        began = time.perf_counter()
        await refresh()
        took.append((time.perf_counter() - began) * 1000)
    cpu, redis_cpu = time.process_time() - cpu, processes.cpu_s(pid) - redis_cpu
    return Cost(took, 1000 * cpu / rounds, 1000 * redis_cpu / rounds, (_commands(counter) - commands - 1) / rounds)


def _commands(counter: redis.Redis) -> int:
    return int(counter.info("stats")["total_commands_processed"])
