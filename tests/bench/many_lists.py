"""What a refresh costs by shards, sites and places: the reader's own refresh, each time in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import uvloop

from ranker.connect.redis import connect
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.route import Router
from ranker.core.sizing.load import Load
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.live.build_live import build_live
from ranker.serve.live.published import Ages
from ranker.service.tuning import collect_seldom
from tests.bench import processes
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.shards import begin, pieces
from tests.bench.sized_events import Drawn
from tests.bench.stack import Stack
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at

GENERATION = Generation("bench-many-lists", DEFAULT_WINDOWS, DEFAULT_BOARDS)
ID_BYTES = 40
PIECE = 400


@dataclass(frozen=True)
class Grid:
    """Shards, sites, articles of each site."""

    shards: int
    sites: int
    articles: int


GRIDS = (
    Grid(4, 1, 5_000),
    Grid(16, 1, 5_000),
    Grid(64, 1, 5_000),
    Grid(4, 30, 100),
    Grid(16, 30, 100),
    Grid(4, 200, 100),
    Grid(4, 1_000, 20),
)


@dataclass(frozen=True)
class Cost:
    """Of one refresh: seconds of the reader, of Redis, in all; bytes of memory that the lists take; places read."""

    cpu_s: float
    redis_cpu_s: float
    took_s: float
    memory_bytes: int
    places: int
    lists: int


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Every list of every site in use."""
    part = Part("lists")
    with progress.task("refreshes by shards and sites", len(GRIDS)) as done:
        for grid in GRIDS[::3] if quick else GRIDS:
            stack.empty_redis()
            asyncio.run(_fill(stack.redis.url, grid))
            argv = processes.module(
                "tests.bench.many_lists", stack.redis.url, str(stack.redis.pid), json.dumps(asdict(grid))
            )
            out = subprocess.run(argv, env={**os.environ, **processes.environment()}, check=True, capture_output=True)
            cost = Cost(**json.loads(out.stdout))
            label = f"{grid.shards} shards, {grid.sites} sites of {grid.articles:,} articles, {cost.lists:,} lists: "
            part.add(label + "CPU of the reader", 1000 * cost.cpu_s, "ms", beside=f"{cost.places:,} places")
            part.add(label + "CPU of Redis", 1000 * cost.redis_cpu_s, "ms")
            part.add(label + "a refresh", 1000 * cost.took_s, "ms")
            part.add(label + "memory", cost.memory_bytes / 1e6, "MB")
            part.details[label] = asdict(cost)
            done(1)
    stack.empty_redis()
    part.notes.append(
        f"Ids of {ID_BYTES} bytes; the refresh is the reader's own, one after the other, nothing else in its process."
    )
    return part


def _sites(grid: Grid) -> Drawn:
    return Drawn(Load(1, grid.sites * grid.articles, ID_BYTES, sites=grid.sites), seed=3)


async def _fill(url: str, grid: Grid) -> None:
    """Every article with a view, a share and a comment, more for the first ones."""
    drawn, now_ms = _sites(grid), int(time.time() * 1000)
    router, minute = Router(GENERATION), now_ms // 60_000
    async with connect(redis_at(url)) as client:
        shards = await begin(client, GENERATION, grid.shards, now_ms)
        for number, shard in enumerate(shards):
            named = [
                (drawn.sites[rank % grid.sites], article, rank)
                for rank, article in enumerate(drawn.ids)
                if home(f"{drawn.sites[rank % grid.sites]}/{article}".encode(), grid.shards) == number
            ]
            for some in pieces(named, PIECE):
                counts: dict[Any, dict[str, int]] = {}
                for site, article, rank in some:
                    for outcome in ("view", "share", "comment"):
                        counts.setdefault((minute, site, outcome), {})[article] = 1 + 10_000 // (rank + 1)
                step = shard.step(router.route(counts, shard.version.floors), len(some))
                await shard.advance(replace(step, new_sites={site for site, _, _ in some}))


async def _measure(url: str, redis_pid: int, grid: Grid) -> Cost:
    now_ms = int(time.time() * 1000)
    names = [
        ListName(site, board, window.name)
        for site in _sites(grid).sites
        for window in GENERATION.windows
        for board in GENERATION.boards
    ]
    async with connect(redis_at(url)) as client:
        board, demand, refresh, _ = build_live(
            client, sites={}, refresh_ms=1_000, ages=Ages(60_000, 120_000), metrics=ReaderMetrics(new_registry()),
            now_ms=lambda: now_ms,
        )  # fmt: skip
        before = processes.resident_bytes(os.getpid())
        for name in names:
            demand.use(name)
        for _ in range(2):
            await refresh.refresh()
        collect_seldom()
        cpu, redis_cpu, began, rounds = time.process_time(), processes.cpu_s(redis_pid), time.perf_counter(), 0
        while rounds < 5 or time.perf_counter() - began < 4.0:
            await refresh.refresh()
            rounds += 1
        took = time.perf_counter() - began
        cpu, redis_cpu = time.process_time() - cpu, processes.cpu_s(redis_pid) - redis_cpu
        memory = processes.resident_bytes(os.getpid()) - before
        shown = [board.published(name) for name in names]
        places = sum(len(one.read.merged.rows) for one in shown if one is not None)
    read = sum(one is not None for one in shown)
    return Cost(cpu / rounds, redis_cpu / rounds, took / rounds, memory, places, read)


if __name__ == "__main__":
    found = uvloop.run(_measure(sys.argv[1], int(sys.argv[2]), Grid(**json.loads(sys.argv[3]))))
    print(json.dumps(asdict(found)))
